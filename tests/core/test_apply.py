"""From updates to parameters: in the parameters' dtypes, and in one step what it is in two."""

from typing import Any

import numpy as np
import optree
import pytest
from libraries import Library

import gradnoise_core as gn


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_apply_updates_adds_in_the_parameters_dtype(library: Library, dtype: str) -> None:
    xp = library.xp
    if not hasattr(xp, dtype):
        pytest.skip(f"{library.name} has no {dtype}")
    p = xp.astype(library.array(np.array([1.0, -2.0, 0.5])), getattr(xp, dtype))
    u = library.array(np.array([0.25, 1.0, 2.0**-20]))
    new = gn.apply_updates({"p": p}, {"p": u})["p"]
    assert new.dtype == p.dtype
    tail = 2.0**-20 if dtype in ("float32", "float64") else 0.0
    got = library.numpy(xp.astype(new, xp.float32))
    np.testing.assert_array_equal(got, [1.25, -1.0, 0.5 + tail])
    assert np.all(library.numpy(xp.astype(p, xp.float32)) == [1.0, -2.0, 0.5])


@pytest.mark.parametrize(("dtype", "bits"), [("float16", 11), ("bfloat16", 8)])
def test_updates_of_32_bits_are_rounded_once_with_the_sum(
    library: Library, dtype: str, bits: int
) -> None:
    """Half a unit and a little more rounds up; without the little, which 16 bits lose, down."""
    xp = library.xp
    if not hasattr(xp, dtype):
        pytest.skip(f"{library.name} has no {dtype}")
    p = xp.astype(library.array(np.ones(2)), getattr(xp, dtype))
    half = 2.0**-bits
    u = library.array(np.array([half + half**2, half]))
    new = gn.apply_updates(p, u)
    np.testing.assert_array_equal(library.numpy(xp.astype(new, xp.float32)), [1 + 2 * half, 1.0])


def test_apply_updates_refuses_another_structure_or_shape(library: Library) -> None:
    p = library.array(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"`updates` must have the structure of `params`.*has 'a'"):
        gn.apply_updates({"a": p}, {"b": p})
    with pytest.raises(ValueError, match=r"`updates` must have the shapes.*\(3, 2\).*at 'a'"):
        gn.apply_updates({"a": p}, {"a": library.array(np.ones((3, 2)))})


def parameters(library: Library, size: int, dtype: str) -> dict[str, Any]:
    rng = np.random.default_rng(size)
    shapes = {"w": (size, 2), "b": (3,), "c": ()}
    leaves = {k: library.array(rng.standard_normal(s), "float32") for k, s in shapes.items()}
    return {k: library.xp.astype(x, getattr(library.xp, dtype)) for k, x in leaves.items()}


OPTIMIZERS = {
    "noisy adam": lambda: gn.noisy(gn.adam(1e-2), clip=0.5, seed=3),
    "adamw": lambda: gn.adamw(1e-2),
    "two chains": lambda: gn.chain(gn.chain(gn.add_gradient_noise()), gn.momentum(0.1)),
    "one link": lambda: gn.add_weight_noise(),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("size", [2, 1 << 15])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_step_is_what_it_is_in_two(library: Library, name: str, size: int, dtype: str) -> None:
    if not hasattr(library.xp, dtype):
        pytest.skip(f"{library.name} has no {dtype}")
    optimizer = OPTIMIZERS[name]()
    params, grads = (parameters(library, size, dtype) for _ in range(2))
    state = optimizer.init(params)
    updates, after = optimizer.update(grads, state, params)
    expected: Any = (gn.apply_updates(params, updates), after)
    found: Any = gn.apply_gradients(optimizer, grads, state, params)
    assert optree.tree_structure(found) == optree.tree_structure(expected)
    for a, b in zip(optree.tree_leaves(found), optree.tree_leaves(expected), strict=True):
        if isinstance(b, int):
            assert a == b
            continue
        assert a.dtype == b.dtype
        assert type(a) is type(b)
        np.testing.assert_array_equal(library.numpy(a), library.numpy(b))
    assert np.any(library.numpy(found[0]["w"]) != library.numpy(params["w"]))


def test_gradients_of_another_dtype_leave_the_parameters_theirs(library: Library) -> None:
    params = {"w": library.array(np.ones(3), "float64")}
    grads = {"w": library.array(np.full(3, 0.1), "float32")}
    optimizer = gn.sgd(0.5)
    new, _ = gn.apply_gradients(optimizer, grads, optimizer.init(params), params)
    assert new["w"].dtype == params["w"].dtype
    np.testing.assert_array_equal(library.numpy(new["w"]), 1 + np.float64(np.float32(-0.05)))


def test_an_optimizer_of_optaxs_is_applied_too(library: Library) -> None:
    if library.name != "jax":
        pytest.skip("optax is for JAX")
    optax = pytest.importorskip("optax")
    params = {"w": library.array(np.ones(3))}
    optimizer = optax.chain(gn.add_gradient_noise(seed=1), optax.sgd(0.5))
    state = optimizer.init(params)
    updates, _ = optimizer.update(params, state, params)
    found, _ = gn.apply_gradients(optimizer, params, state, params)
    expected = optax.apply_updates(params, updates)
    np.testing.assert_array_equal(found["w"], expected["w"])


def test_apply_gradients_refuses_other_parameters(library: Library) -> None:
    optimizer, p = gn.sgd(0.5), library.array(np.ones(3))
    with pytest.raises(ValueError, match="`params` must have the structure of `grads`"):
        gn.apply_gradients(optimizer, {"a": p}, optimizer.init({"a": p}), {"b": p})
