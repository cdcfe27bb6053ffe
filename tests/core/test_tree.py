"""Trees: paths as the stream spells them, and what is refused at the door."""

import collections
import dataclasses
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import optree
import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries import Library

import gradnoise_core as gn
from gradnoise_core.tree import flatten, flatten_like, map_leaves

GLOBAL = vars(optree.registry)["__GLOBAL_NAMESPACE"]


class Layer(NamedTuple):
    weight: Any
    bias: Any


@optree.dataclasses.dataclass(namespace=GLOBAL)  # type: ignore[call-overload]
class OptreeLayer:
    weight: Any
    bias: Any


@dataclasses.dataclass
class JaxLayer:
    weight: Any
    bias: Any


Make = Callable[[Any], Any]

#: A tree of leaves x, and the paths that the specification gives them, in any order.
TREES: dict[str, tuple[Make, list[str]]] = {
    "a leaf": (lambda x: x, [""]),
    "dict": (lambda x: {"w": x, "b": x}, ["w", "b"]),
    "dict of integers": (lambda x: {10: x, 9: x}, ["10", "9"]),
    "list": (lambda x: [x, x], ["0", "1"]),
    "tuple": (lambda x: (x, (x,)), ["0", "1/0"]),
    "named tuple": (lambda x: Layer(x, [x]), ["weight", "bias/0"]),
    "OrderedDict": (
        lambda x: collections.OrderedDict([("w", x), ("b", x)]),
        ["w", "b"],
    ),
    "defaultdict": (
        lambda x: collections.defaultdict(list, {"w": [x], "b": x}),
        ["w/0", "b"],
    ),
    "nested": (
        lambda x: {"layers": [{"weight": x, "bias": x}, Layer(x, None)], "head": (x,)},
        ["layers/0/weight", "layers/0/bias", "layers/1/weight", "head/0"],
    ),
    "non-ASCII": (lambda x: {"Übergang": {"β₂": x}}, ["Übergang/β₂"]),
    "None": (lambda x: {"a": None, "b": [None, x]}, ["b/1"]),
    "nothing": (lambda x: {"a": None, "b": []}, []),
}


@pytest.fixture(scope="session")
def jax_layer() -> type[JaxLayer]:
    jax = pytest.importorskip("jax")
    jax.tree_util.register_dataclass(JaxLayer, ["weight", "bias"], [])
    return JaxLayer


class TestPaths:
    @pytest.mark.parametrize("name", TREES)
    def test_are_those_of_the_specification(self, library: Library, name: str) -> None:
        make, paths = TREES[name]
        found = flatten(make(library.array([1.0])), "params")
        assert sorted(found.paths) == sorted(paths)
        assert len(found.leaves) == len(paths)

    @pytest.mark.parametrize("name", TREES)
    def test_stay_with_their_leaves(self, library: Library, name: str) -> None:
        make, _ = TREES[name]
        count = iter(range(100))

        class Leaf:
            pass

        # Each leaf holds a number of its own; a path must find it in the tree by hand.
        tree = optree.tree_map(lambda _: library.array([float(next(count))]), make(Leaf()))
        found = flatten(tree, "params")
        for path, leaf in zip(found.paths, found.leaves, strict=True):
            assert _walk(tree, path) is leaf

    @pytest.mark.parametrize("name", TREES)
    def test_rebuild_gives_the_tree_back(self, library: Library, name: str) -> None:
        tree = TREES[name][0](library.array([1.0, 2.0]))
        found = flatten(tree, "params")
        rebuilt = found.rebuild(found.leaves)
        assert type(rebuilt) is type(tree)
        assert optree.tree_structure(rebuilt) == optree.tree_structure(tree)
        assert all(a is b for a, b in zip(flatten(rebuilt, "p").leaves, found.leaves, strict=True))

    @given(
        st.recursive(
            st.just(None) | st.integers(),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.lists(inner, max_size=3).map(tuple),
                st.dictionaries(st.text("aBé_.", max_size=2), inner, max_size=3),
                st.tuples(inner, inner).map(lambda pair: Layer(*pair)),
            ),
            max_leaves=8,
        )
    )
    def test_of_numpy_and_of_jax_are_the_same(self, tree: Any) -> None:
        jax = pytest.importorskip("jax")
        one = jax.numpy.ones(1)
        host = flatten(optree.tree_map(lambda _: np.ones(1), tree), "params")
        device = flatten(optree.tree_map(lambda _: one, tree), "params")
        assert sorted(host.paths) == sorted(device.paths)

    def test_of_a_class_that_optree_knows(self, library: Library) -> None:
        if library.name == "jax":
            pytest.skip("JAX's own functions take its leaves apart")
        found = flatten([OptreeLayer(library.array([1.0]), library.array([2.0]))], "params")
        assert found.paths == ("0/weight", "0/bias")

    @pytest.mark.parametrize("leaves", ["jax", "numpy"])
    def test_of_a_class_that_jax_knows(self, jax_layer: type[JaxLayer], leaves: str) -> None:
        jax = pytest.importorskip("jax")
        xp = jax.numpy if leaves == "jax" else np
        tree = {"layers": [jax_layer(xp.ones(2), xp.zeros(1))]}
        found = flatten(tree, "params")
        assert found.paths == ("layers/0/weight", "layers/0/bias")
        rebuilt = found.rebuild(found.leaves)["layers"][0]
        assert type(rebuilt) is JaxLayer
        assert rebuilt.weight is tree["layers"][0].weight

    def test_of_an_equinox_module_are_its_attributes(self) -> None:
        jax, equinox = pytest.importorskip("jax"), pytest.importorskip("equinox")
        model = equinox.nn.MLP(2, 3, 4, depth=1, key=jax.random.key(0))
        params = equinox.filter(model, equinox.is_array)
        found = flatten(params, "params")
        assert found.paths == (
            "layers/0/weight",
            "layers/0/bias",
            "layers/1/weight",
            "layers/1/bias",
        )
        # The same noise as a tree of dicts and lists with these paths gets on NumPy.
        plain = {
            "layers": [
                {"weight": np.asarray(layer.weight), "bias": np.asarray(layer.bias)}
                for layer in model.layers
            ]
        }
        noise = gn.add_gradient_noise(eta=1.0, seed=3)
        ours, _ = noise.update(params, noise.init(params))
        theirs, _ = noise.update(plain, noise.init(plain))
        assert type(ours) is type(model)
        for layer, expected in zip(ours.layers, theirs["layers"], strict=True):
            assert np.array_equal(layer.weight, expected["weight"])
            assert np.array_equal(layer.bias, expected["bias"])

    def test_of_an_equinox_module_with_other_leaves_are_refused(self) -> None:
        jax, equinox = pytest.importorskip("jax"), pytest.importorskip("equinox")
        model = equinox.nn.MLP(2, 3, 4, depth=1, key=jax.random.key(0))
        with pytest.raises(TypeError, match=r"`params` must hold arrays, got .* at 'activation'"):
            flatten(model, "params")


class TestRefused:
    @pytest.mark.parametrize(
        "make",
        [
            lambda x: {"a/b": x, "a": {"b": x}},
            lambda x: {"a": [x], "a/0": x},
        ],
    )
    def test_two_leaves_with_one_path(self, library: Library, make: Make) -> None:
        with pytest.raises(ValueError, match="`grads` has two leaves with the path 'a/"):
            flatten(make(library.array([1.0])), "grads")

    def test_keys_that_look_alike_as_text(self) -> None:
        with pytest.raises(ValueError, match="`grads` has two leaves with the path '1'"):
            flatten({1: np.ones(1), "1": np.ones(1)}, "grads")

    @pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool", "complex64"])
    def test_a_dtype_that_is_not_real_floating_point(self, library: Library, dtype: str) -> None:
        tree = {"w": library.array([1.0]), "odd": [library.array([1], dtype)]}
        message = rf"`params` must hold real floating-point .*, got .*{dtype} at 'odd/0'"
        with pytest.raises(TypeError, match=message):
            flatten(tree, "params")

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    def test_but_every_real_floating_point_dtype_is_taken(
        self, library: Library, dtype: str
    ) -> None:
        if not hasattr(library.xp, dtype):
            pytest.skip(f"{library.name} has no {dtype}")
        assert flatten(library.array([1.0], dtype), "params").paths == ("",)

    @pytest.mark.parametrize("leaf", [1.0, 2, "text", object, [1.0]])
    def test_a_leaf_that_is_no_array(self, library: Library, leaf: Any) -> None:
        path = "odd/0" if isinstance(leaf, list) else "odd"
        with pytest.raises(TypeError, match=rf"`params` must hold arrays, got .* at '{path}'"):
            flatten({"w": library.array([1.0]), "odd": leaf}, "params")

    @pytest.mark.parametrize("order", [1, -1], ids=["NumPy second", "NumPy first"])
    def test_leaves_of_two_libraries(self, library: Library, order: int) -> None:
        if library.name == "numpy":
            pytest.skip("one library only")
        leaves = [library.array([1.0]), np.ones(1, dtype=np.float32)][::order]
        with pytest.raises(TypeError, match="must lie in one array library") as caught:
            flatten({"a": leaves[0], "b": leaves[1]}, "grads")
        for said in ("`grads`", "'a'", "'b'", "numpy", library.name):
            assert said in str(caught.value)

    @pytest.mark.parametrize("order", [1, -1], ids=["NumPy second", "NumPy first"])
    def test_leaves_of_two_libraries_while_tracing(self, order: int) -> None:
        jax = pytest.importorskip("jax")

        def traced(x: Any) -> None:
            a, b = [x, np.ones(1, dtype=np.float32)][::order]
            with pytest.raises(TypeError, match="must lie in one array library"):
                flatten({"a": a, "b": b}, "grads")

        jax.jit(traced)(jax.numpy.ones(1))

    def test_leaves_on_two_devices(self) -> None:
        torch = pytest.importorskip("torch")
        tree = {"a": torch.ones(1), "b": torch.ones(1, device="meta")}
        with pytest.raises(TypeError, match=r"cpu at 'a' and torch on meta at 'b'"):
            flatten(tree, "grads")

    def test_leaves_on_two_devices_of_jax(self) -> None:
        jax = pytest.importorskip("jax")
        if len(jax.devices()) == 1:
            pytest.skip("JAX has one device")
        tree = [jax.device_put(np.ones(1, "f4"), d) for d in jax.devices()[:2]]
        with pytest.raises(TypeError, match="on one device"):
            flatten(tree, "grads")


class TestFlattenLike:
    def test_takes_a_tree_of_the_same_structure(self, library: Library) -> None:
        tree = {"w": library.array([1.0]), "b": library.array([2.0])}
        like = flatten({"w": library.array([3.0]), "b": library.array([4.0])}, "grads")
        leaves = flatten_like(tree, like, "params", "grads")
        assert [p for p, x in zip(like.paths, leaves, strict=True) if x is tree["w"]] == ["w"]

    @pytest.mark.parametrize("other", ["v", "w/0"])
    def test_names_the_leaf_that_only_one_tree_has(self, library: Library, other: str) -> None:
        x = library.array([1.0])
        like = flatten({"w": x, "b": x}, "grads")
        tree = {"w": [x], "b": x} if other == "w/0" else {"w": x, "b": x, other: x}
        message = r"`params` must have the structure of `grads`, but only one of them has"
        with pytest.raises(ValueError, match=message) as caught:
            flatten_like(tree, like, "params", "grads")
        assert repr(other) in str(caught.value) or repr("w") in str(caught.value)
        assert "`init(params)`" in str(caught.value)

    def test_says_that_containers_differ(self, library: Library) -> None:
        x = library.array([1.0])
        with pytest.raises(ValueError, match=r"`params` .* `grads`, but their containers differ"):
            flatten_like([x, x], flatten((x, x), "grads"), "params", "grads")

    def test_names_the_leaf_of_another_shape(self, library: Library) -> None:
        tree = {"w": library.array([1.0]), "b": library.array([1.0, 2.0])}
        like = flatten({"w": library.array([1.0]), "b": library.array([1.0])}, "grads")
        with pytest.raises(ValueError, match=r"got .*2.* and .*1.* at 'b'"):
            flatten_like(tree, like, "params", "grads")

    def test_a_state_of_other_parameters_is_refused(self, library: Library) -> None:
        optimizer = gn.momentum(0.1)
        state = optimizer.init({"w": library.array([1.0]), "b": library.array([1.0])})
        with pytest.raises(ValueError, match=r"structure .* only one of them has 'b'"):
            optimizer.update({"w": library.array([1.0])}, state)
        wider = {"w": library.array([1.0]), "b": library.array([1.0, 2.0])}
        with pytest.raises(ValueError, match=re.escape("at 'b'")):
            optimizer.update(wider, state)


class TestMapLeaves:
    def test_applies_to_leaves_of_one_place(self, library: Library) -> None:
        a = {"w": library.array([1.0]), "n": Layer(library.array([2.0]), None)}
        b = {"w": library.array([10.0]), "n": Layer(library.array([20.0]), None)}
        found = map_leaves(lambda x, y: x + y, a, b)
        assert library.numpy(found["w"]).tolist() == [11.0]
        assert library.numpy(found["n"].weight).tolist() == [22.0]
        assert found["n"].bias is None

    def test_refuses_trees_of_two_structures(self, library: Library) -> None:
        x = library.array([1.0])
        with pytest.raises(ValueError, match="`tree 1` must have the structure of `tree 0`"):
            map_leaves(lambda a, b: a, {"w": x}, {"v": x})


def _walk(tree: Any, path: str) -> Any:
    """Return the leaf at a path, found without any tree library."""
    for part in path.split("/") if path else []:
        if isinstance(tree, dict):
            tree = next(v for k, v in tree.items() if str(k) == part)
        elif hasattr(tree, "_fields"):
            tree = getattr(tree, part)
        else:
            tree = tree[int(part)]
    return tree
