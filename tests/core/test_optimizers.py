"""Every optimizer in every dialect, on every array library.

The table of dialects drives all of it: an optimizer or a row that is added there is tested here.
"""

import functools
from typing import Any, NamedTuple

import numpy as np
import optree
import pytest
from libraries import Library
from optimizer_cases import DIALECT_ROWS, is_seeded, make

import gradnoise_core as gn
from gradnoise_core.optimizers import DIALECTS

STEPS = 4

#: Numbers that must agree between libraries, in float64, relative to the largest of a leaf.
TOLERANCE = 1e-12


class Layer(NamedTuple):
    w: Any
    b: Any


def tree(seed: int, scale: float = 1.0) -> Any:
    """Return a tree of dicts, lists, tuples and named tuples, of NumPy arrays."""
    rng = np.random.default_rng(seed)

    def leaf(*shape: int) -> Any:
        return scale * rng.standard_normal(shape)

    return {
        "layers": [Layer(leaf(4, 3), leaf(3)), Layer(leaf(3, 2), leaf(2))],
        "head": (leaf(5), {"scale": leaf(1), "absent": None}),
    }


def leaves(values: Any) -> list[Any]:
    return optree.tree_leaves(values)


def to(library: Any, values: Any, dtype: str = "float64") -> Any:
    return optree.tree_map(lambda x: library.array(x, dtype), values)


def run(library: Any, optimizer: Any, steps: int = STEPS, dtype: str = "float64") -> Any:
    """Return parameters and state after steps with gradients from outside."""
    params = to(library, tree(0), dtype)
    state = optimizer.init(params)
    for t in range(steps):
        updates, state = optimizer.update(to(library, tree(1 + t), dtype), state, params)
        params = gn.apply_updates(params, updates)
    return params, state


def arrays(library: Any, values: Any) -> list[Any]:
    return [x if isinstance(x, int) else library.numpy(x) for x in leaves(values)]


class _NumPy:
    """What `run` needs of NumPy, as the libraries' reference."""

    @staticmethod
    def array(values: Any, dtype: str) -> Any:
        return np.asarray(values, dtype)

    @staticmethod
    def numpy(array: Any) -> Any:
        return array


@functools.cache
def reference(name: str, dialect: str) -> list[Any]:
    return arrays(_NumPy, run(_NumPy, make(name, dialect)))


def assert_close(ours: list[Any], theirs: list[Any], tolerance: float) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert np.shape(a) == np.shape(b)
        assert np.all(np.abs(a - b) <= tolerance * max(1.0, np.max(np.abs(b), initial=0.0)))


@pytest.mark.parametrize(("name", "dialect"), DIALECT_ROWS)
def test_libraries_agree_on_a_tree_of_all_containers(
    library: Library, name: str, dialect: str
) -> None:
    params, state = run(library, make(name, dialect))
    assert_close(arrays(library, (params, state)), reference(name, dialect), TOLERANCE)
    assert optree.tree_structure(params) == optree.tree_structure(tree(0))


def test_the_comparison_of_libraries_sees_a_wrong_constant(library: Library) -> None:
    off = arrays(library, run(library, make("adam", eps=1.1e-8)))
    with pytest.raises(AssertionError):
        assert_close(off, reference("adam", "paper"), TOLERANCE)


@pytest.mark.parametrize("plain", [False, True], ids=["with its features", "plain"])
@pytest.mark.parametrize("name", DIALECTS)
def test_arguments_stay_as_they_were(library: Library, name: str, plain: bool) -> None:
    """In a tree, whose small leaves may be copied into one array, and as one leaf, which is not."""
    optimizer = getattr(gn, name)(0.05) if plain else make(name)
    params, grads = (tree(i)["layers"][0].w if plain else tree(i) for i in range(2))
    params, grads = to(library, params), to(library, grads)
    state = optimizer.init(params)
    _, state = optimizer.update(grads, state, params)
    before = [np.array(x) for x in arrays(library, (params, grads, state))]
    first, _ = optimizer.update(grads, state, params)
    second, _ = optimizer.update(grads, state, params)
    gn.apply_updates(params, first)
    after = arrays(library, (params, grads, state))
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    for a, b in zip(arrays(library, first), arrays(library, second), strict=True):
        np.testing.assert_array_equal(a, b)


def of_dtype(library: Library, values: Any, dtype: str) -> Any:
    """Return a tree of arrays of a dtype that NumPy may not have; skip where the library lacks."""
    if not hasattr(library.xp, dtype):
        pytest.skip(f"{library.name} has no {dtype}")
    return optree.tree_map(
        lambda x: library.xp.astype(library.array(x, "float32"), getattr(library.xp, dtype)),
        values,
    )


#: Half the distance from 1 to the next number.
ROUNDING = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-24, "float64": 2.0**-53}


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("name", DIALECTS)
def test_dtype_shape_and_device_out_equal_those_in(library: Library, name: str, dtype: str) -> None:
    optimizer = make(name)
    params, grads = (of_dtype(library, tree(i), dtype) for i in range(2))
    updates, state = optimizer.update(grads, optimizer.init(params), params)
    new = gn.apply_updates(params, updates)
    for values in (updates, new):
        for leaf, p in zip(optree.tree_leaves(values), optree.tree_leaves(params), strict=True):
            assert type(leaf) is type(p)
            assert leaf.dtype == p.dtype
            assert leaf.shape == p.shape
            assert library.backend.device(leaf) == library.backend.device(p)
    wide = getattr(library.xp, "float64" if dtype == "float64" else "float32")
    accumulators = [x for x in optree.tree_leaves(state) if not isinstance(x, int)]
    assert all(x.dtype == wide for x in accumulators)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", DIALECTS)
def test_updates_of_16_bits_are_those_of_32_bits_rounded(
    library: Library, name: str, dtype: str
) -> None:
    """Once a link (there are at most three); accumulators of 16 bits would drift further."""
    optimizer = make(name)
    narrow = [of_dtype(library, tree(i), dtype) for i in range(1 + STEPS)]
    wide: list[Any] = [
        optree.tree_map(lambda x: library.xp.astype(x, library.xp.float32), x) for x in narrow
    ]
    params, reference_params = narrow[0], wide[0]
    state, reference_state = optimizer.init(params), optimizer.init(reference_params)
    for grads, reference_grads in zip(narrow[1:], wide[1:], strict=True):
        updates, state = optimizer.update(grads, state, params)
        expected, reference_state = optimizer.update(
            reference_grads, reference_state, reference_params
        )
        for u, e in zip(optree.tree_leaves(updates), optree.tree_leaves(expected), strict=True):
            u, e = (library.numpy(library.xp.astype(x, library.xp.float32)) for x in (u, e))
            largest = max(1.0, np.abs(e).max())
            assert np.abs(u - e).max() <= 4 * ROUNDING[dtype] * largest


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("shape", [(), (2, 0, 3)], ids=str)
def test_scalars_and_empty_leaves_are_leaves(library: Library, name: str, shape: Any) -> None:
    optimizer = make(name)
    params = {"odd": library.array(np.ones(shape)), "w": library.array(np.ones((2, 2)))}
    updates, state = optimizer.update(params, optimizer.init(params), params)
    updates, state = optimizer.update(updates, state, gn.apply_updates(params, updates))
    assert type(updates["odd"]) is type(params["odd"])
    assert updates["odd"].shape == shape
    for x in leaves((updates, state)):
        assert isinstance(x, int) or np.all(np.isfinite(library.numpy(x)))


@pytest.mark.parametrize("name", DIALECTS)
def test_a_tree_may_mix_widths_and_be_one_leaf(library: Library, name: str) -> None:
    """Leaves of several dtypes, and a tree that is its leaf, get what each would get alone."""
    optimizer = make(name)
    seeded = is_seeded(name)
    mixed = {
        "a": library.array(np.ones((2, 3)), "float32"),
        "b": library.array(np.ones(3), "float64"),
    }
    together, _ = optimizer.update(mixed, optimizer.init(mixed), mixed)
    for key in ("a", "b"):
        alone = {key: mixed[key]} if seeded else mixed[key]
        updates, _ = optimizer.update(alone, optimizer.init(alone), alone)
        updates = updates[key] if seeded else updates
        assert updates.dtype == mixed[key].dtype
        np.testing.assert_array_equal(library.numpy(updates), library.numpy(together[key]))


@pytest.mark.parametrize("name", DIALECTS)
def test_a_large_leaf_in_any_memory_layout_gets_what_the_definition_says(
    library: Library, name: str
) -> None:
    """Large leaves go in blocks and small ones joined; the definition does neither."""
    if not library.backend.joins():
        pytest.skip(f"{library.name} works on whole leaves, as the definition does")
    strict = pytest.importorskip("array_api_strict")
    rng = np.random.default_rng(3)
    values = [{"big": rng.standard_normal((170, 200)), "w": rng.standard_normal(3)} for _ in "pgg"]
    optimizer = make(name, rate=0.05)

    def result(array: Any, numpy: Any) -> Any:
        params, *grads = ({"big": array(v["big"].T.copy()).T, "w": array(v["w"])} for v in values)
        state = optimizer.init(params)
        for g in grads:
            updates, state = optimizer.update(g, state, params)
        return [numpy(updates[k]) for k in ("big", "w")]

    ours = result(lambda x: library.array(x, "float64"), library.numpy)
    definition = result(strict.asarray, np.asarray)
    assert_close(ours, definition, TOLERANCE)


REPLICA_RATES = [0.01, 0.05, 0.2]


@pytest.mark.parametrize(("name", "dialect"), DIALECT_ROWS)
def test_a_replica_with_its_own_rate_equals_the_solo_run(
    library: Library, name: str, dialect: str
) -> None:
    seeded = is_seeded(name)
    seeds = [7, 2**40, 0]
    values = [np.random.default_rng(9).standard_normal((3, *shape)) for shape in ((4, 2), (3,))]

    def steps(rate: Any, select: Any, **options: Any) -> Any:
        optimizer = make(name, dialect, rate, **options)
        params = to(library, [v[select] for v in values])
        state = optimizer.init(params)
        for t in range(2):
            grads = to(library, [v[select] * (t + 1) for v in values])
            updates, state = optimizer.update(grads, state, params)
            params = gn.apply_updates(params, updates)
        return arrays(library, params)

    together = steps(REPLICA_RATES, slice(None), **({"seed": seeds} if seeded else {}))
    for r, rate in enumerate(REPLICA_RATES):
        alone = steps(rate, r, **({"seed": seeds[r]} if seeded else {}))
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[r], b, rtol=1e-14, atol=0)


def test_a_rate_may_be_a_schedule_of_replica_rates(library: Library) -> None:
    optimizer = gn.sgd(lambda t: [0.1 * (1 + t), 0.2])
    grads = library.array(np.ones((2, 3)), "float64")
    state = optimizer.init(grads)
    for t in range(2):
        updates, state = optimizer.update(grads, state)
        expected = np.array([[-0.1 * (1 + t)], [-0.2]]) * np.ones((2, 3))
        np.testing.assert_allclose(library.numpy(updates), expected, rtol=1e-15)


@pytest.mark.parametrize("learning_rate", [lambda t: 0.1 / (1 + t), 0.1])
def test_weight_decay_may_be_a_schedule(library: Library, learning_rate: Any) -> None:
    """Coupled in sgd, decoupled in the keras dialect of momentum: once c_t, once h_t c_t."""
    p = library.array(np.full(3, 2.0), "float64")
    g = library.array(np.zeros(3), "float64")
    schedule = gn.schedules.piecewise_constant([0.5, 0.25], [1])
    for optimizer in (
        gn.sgd(learning_rate, weight_decay=schedule),
        gn.momentum(learning_rate, dialect="keras", weight_decay=schedule),
    ):
        state = optimizer.init(p)
        for t, c in enumerate((0.5, 0.25)):
            h = learning_rate(t) if callable(learning_rate) else learning_rate
            updates, state = optimizer.update(g, state, p)
            np.testing.assert_allclose(library.numpy(updates), -h * c * 2.0, rtol=1e-15)


@pytest.mark.parametrize("name", DIALECTS)
def test_the_state_is_arrays_and_counts_alone(library: Library, name: str) -> None:
    _, state = run(library, make(name), steps=1)
    for leaf in optree.tree_leaves(state):
        assert type(leaf) is int or hasattr(leaf, "dtype")
