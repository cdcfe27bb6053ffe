"""Clipping against torch and optax, at the ends of the number range, and replica by replica."""

import math
from typing import Any

import numpy as np
import optree
import pytest
from libraries import Library

import gradnoise_core as gn

SHAPES = {"w": (4, 3), "b": (3,), "s": (), "none": (0, 2)}


def grads_of(scale: float, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {k: np.asarray(scale * rng.standard_normal(s)) for k, s in SHAPES.items()}


def apply(library: Library, transformation: Any, grads: Any, dtype: str = "float64") -> Any:
    """Return the clipped gradients, as NumPy arrays."""
    values: Any = optree.tree_map(lambda g: library.array(g, dtype), grads)
    out, _ = transformation.update(values, transformation.init(values))
    for a, b in zip(optree.tree_leaves(out), optree.tree_leaves(values), strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert library.backend.device(a) == library.backend.device(b)
    return optree.tree_map(library.numpy, out)


def norm(grads: Any) -> float:
    return math.sqrt(sum(float(np.sum(np.square(g))) for g in optree.tree_leaves(grads)))


@pytest.mark.parametrize("max_norm", [1e-3, 1.0, 4.0, 1e3])
def test_global_norm_clipping_is_torchs_without_its_epsilon(
    library: Library, max_norm: float
) -> None:
    """torch divides by the norm plus 1e-6, so its factor is ours times ``n / (n + 1e-6)``."""
    import torch

    grads = grads_of(2.0)
    params = [torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for g in grads.values()]
    for p, g in zip(params, grads.values(), strict=True):
        p.grad = torch.tensor(g)
    n = torch.nn.utils.clip_grad_norm_(params, max_norm).item()
    clipped = n > max_norm
    ours = apply(library, gn.clip_by_global_norm(max_norm), grads)
    for p, key in zip(params, grads, strict=True):
        assert p.grad is not None
        theirs = p.grad.numpy() * ((n + 1e-6) / n if clipped else 1)
        np.testing.assert_allclose(ours[key], theirs, rtol=1e-13)
    values = {k: library.array(g, "float64") for k, g in grads.items()}
    assert float(gn.global_norm(values)) == pytest.approx(n, rel=1e-14)
    if clipped:
        assert norm(ours) == pytest.approx(max_norm, rel=1e-13)
        assert np.any(params[0].grad.numpy() != ours["w"])  # the epsilon shows


@pytest.mark.parametrize("max_norm", [1e-3, 1.0, 1e3])
def test_global_norm_clipping_is_optaxs(library: Library, max_norm: float) -> None:
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    grads = grads_of(2.0)
    theirs, _ = optax.clip_by_global_norm(max_norm).update(grads, optax.EmptyState())
    ours = apply(library, gn.clip_by_global_norm(max_norm), grads)
    for key in grads:
        np.testing.assert_allclose(ours[key], np.asarray(theirs[key]), rtol=1e-13)


def test_clip_by_norm_clips_each_leaf_by_its_own(library: Library) -> None:
    grads = {"small": np.full(3, 0.1), "large": np.full((2, 2), 5.0), "s": np.asarray(-3.0)}
    out = apply(library, gn.clip_by_norm(2.0), grads)
    np.testing.assert_array_equal(out["small"], grads["small"])
    np.testing.assert_allclose(out["large"], np.full((2, 2), 1.0), rtol=1e-15)
    np.testing.assert_allclose(out["s"], -2.0, rtol=1e-15)


def test_clip_by_value_limits_each_element(library: Library) -> None:
    out = apply(library, gn.clip_by_value(1.5), {"w": np.array([-9.0, -1.5, 0.2, 1.4, 1.6])})
    np.testing.assert_array_equal(out["w"], [-1.5, -1.5, 0.2, 1.4, 1.5])


REPLICA_CLIPS = {
    "global": (gn.clip_by_global_norm(2.0, replicas=True), gn.clip_by_global_norm(2.0)),
    "leaf": (gn.clip_by_norm(2.0, replicas=True), gn.clip_by_norm(2.0)),
}


@pytest.mark.parametrize("kind", REPLICA_CLIPS)
def test_a_replica_is_clipped_as_the_solo_run(library: Library, kind: str) -> None:
    """One is small, one large, one zero, one not a number: none touches another."""
    together, alone = REPLICA_CLIPS[kind]
    solos = [grads_of(s, seed) for seed, s in enumerate((0.1, 5.0, 0.0, 1e5))]
    solos[3]["w"][0, 0] = np.nan
    stacked = {k: np.stack([s[k] for s in solos]) for k in SHAPES}
    out = apply(library, together, stacked)
    for r, solo in enumerate(solos):
        expected = apply(library, alone, solo)
        for k in SHAPES:
            np.testing.assert_allclose(out[k][r], expected[k], rtol=1e-14)
    assert np.any(out["b"][1] != stacked["b"][1])
    values = {k: library.array(g, "float64") for k, g in stacked.items()}
    norms = library.numpy(gn.global_norm(values, replicas=True))
    np.testing.assert_allclose(norms, [norm(s) for s in solos], rtol=1e-13)


@pytest.mark.parametrize(
    ("dtype", "size"), [("float32", 1e30), ("float32", 1e-30), ("float64", 1e300)], ids=str
)
def test_squares_neither_overflow_nor_underflow(library: Library, dtype: str, size: float) -> None:
    grads = {"a": np.full(8, size), "b": np.full((2, 4), -size)}
    out = apply(library, gn.clip_by_global_norm(size), grads, dtype)
    np.testing.assert_allclose(out["a"], size / 4, rtol=1e-6)
    np.testing.assert_allclose(out["b"], -size / 4, rtol=1e-6)
    naive = np.square(np.asarray(size, dtype), dtype=dtype) if size < 1 else None
    assert naive is None or naive == 0  # the sum of plain squares would have failed


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("make", [gn.clip_by_global_norm, gn.clip_by_norm])
def test_gradients_of_no_finite_norm_pass_unchanged(
    library: Library, make: Any, bad: float
) -> None:
    grads = {"w": np.array([bad, 5.0, -7.0]), "b": np.array([bad])}
    out = apply(library, make(1.0), grads, "float32")
    np.testing.assert_array_equal(out["w"], grads["w"])
    np.testing.assert_array_equal(out["b"], grads["b"])


def test_the_norm_of_an_infinity_is_infinite_and_of_a_nan_nan(library: Library) -> None:
    for value, expected in ((math.inf, math.inf), (-math.inf, math.inf), (math.nan, math.nan)):
        got = gn.global_norm({"w": library.array(np.array([value, 1.0]))})
        np.testing.assert_array_equal(float(got), expected)


def test_zero_and_empty_gradients_stay(library: Library) -> None:
    zeros = {"w": np.zeros((2, 3)), "e": np.zeros((0,))}
    for clip in (gn.clip_by_global_norm(1.0), gn.clip_by_norm(1.0), gn.clip_by_value(1.0)):
        out = apply(library, clip, zeros)
        assert not np.any(out["w"])
        assert apply(library, clip, {}) == {}
    empty = {"e": library.array(np.zeros((0, 4)))}
    assert float(gn.global_norm(empty)) == 0


@pytest.mark.parametrize("limit", [math.inf, 1e300])
@pytest.mark.parametrize("make", [gn.clip_by_global_norm, gn.clip_by_norm, gn.clip_by_value])
def test_a_limit_beyond_the_dtype_clips_nothing(library: Library, make: Any, limit: float) -> None:
    """Infinity, and a finite limit that float32 cannot hold."""
    grads = {"w": np.array([3e38, -1.0, 0.5])}
    out = apply(library, make(limit), grads, "float32")
    np.testing.assert_array_equal(out["w"], grads["w"].astype(np.float32))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bits_have_their_norm_in_float32(library: Library, dtype: str) -> None:
    """The norm of 4,096 values of 200 is 12,800; the sum of squares is far beyond float16."""
    xp = library.xp
    if not hasattr(xp, dtype):
        pytest.skip(f"{library.name} has no {dtype}")
    narrow = xp.astype(library.array(np.full(4096, 200.0)), getattr(xp, dtype))
    assert gn.global_norm(narrow).dtype == xp.float32
    assert float(gn.global_norm(narrow)) == pytest.approx(12_800, rel=1e-6)
    clip = gn.clip_by_global_norm(64.0)
    out, _ = clip.update(narrow, clip.init(narrow))
    assert out.dtype == narrow.dtype
    np.testing.assert_array_equal(library.numpy(xp.astype(out, xp.float32)), 1.0)


def test_the_norm_of_mixed_widths_counts_every_leaf(library: Library) -> None:
    grads = {"a": library.array([3.0], "float32"), "b": library.array([4.0], "float64")}
    assert float(gn.global_norm(grads)) == pytest.approx(5.0)
    clip = gn.clip_by_global_norm(1.0)
    out, _ = clip.update(grads, clip.init(grads))
    assert [out[k].dtype == grads[k].dtype for k in grads] == [True, True]
    np.testing.assert_allclose(library.numpy(out["a"]), 0.6, rtol=1e-6)
    np.testing.assert_allclose(library.numpy(out["b"]), 0.8, rtol=1e-6)


def test_clipping_leaves_its_argument_alone(library: Library) -> None:
    g = library.array(np.full(4, 10.0))
    for clip in (gn.clip_by_global_norm(1.0), gn.clip_by_norm(1.0), gn.clip_by_value(1.0)):
        out, _ = clip.update(g, clip.init(g))
        assert np.any(library.numpy(out) != 10.0)
        assert np.all(library.numpy(g) == 10.0)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (gn.clip_by_global_norm, "max_norm"),
        (gn.clip_by_norm, "max_norm"),
        (gn.clip_by_value, "max_value"),
    ],
)
@pytest.mark.parametrize("value", [-1.0, 0.0, math.nan, "1"])
def test_a_limit_that_is_not_positive_is_refused(make: Any, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"`{name}` must be a number > 0, got {value!r}"):
        make(value)


@pytest.mark.parametrize("make", [gn.clip_by_global_norm, gn.clip_by_norm])
@pytest.mark.parametrize("shape", [(), (3, 2)], ids=str)
def test_replicas_without_their_axis_are_refused(library: Library, make: Any, shape: Any) -> None:
    clip = make(1.0, replicas=True)
    grads = {"a": library.array(np.ones((2, 3))), "bad": library.array(np.ones(shape))}
    what = r"must have a leading replica axis.*got shape .* at 'bad'"
    with pytest.raises(ValueError, match="`params` " + what):
        clip.init(grads)
    with pytest.raises(ValueError, match="`grads` " + what):
        clip.update(grads, gn.clip_by_value(1.0).init({}))


def test_a_tree_of_no_leaves_has_no_norm() -> None:
    with pytest.raises(ValueError, match="`tree` must have at least one leaf"):
        gn.global_norm({})
