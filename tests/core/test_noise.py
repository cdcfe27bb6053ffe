"""Gradient and weight noise: the exact law, which element gets what, replicas, refusals."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from libraries import Library
from strategies import SEEDS, STEPS, shapes

import gradnoise_core as gn
from gradnoise_core.noise import NoiseState
from gradnoise_core.random import leaf_key, standard_normal


def noise_of(library: Library, transformation: Any, shape: Any, t: int = 0, **kind: Any) -> Any:
    """Return what a transformation adds at step t to a gradient of zeros."""
    zeros = library.array(np.zeros(shape), **kind)
    out, _ = transformation.update(zeros, NoiseState(t))
    return library.numpy(out)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("t", [0, 1, 57, 2**31, 2**40])
def test_noise_is_sigma_times_the_stream_to_the_bit(library: Library, dtype: str, t: int) -> None:
    """``g + sigma_t z``, sigma_t from Python floats and z from the leaf's key at t."""
    eta, gamma, seed = 0.3, 0.55, 2**63 + 11
    g = np.random.default_rng(0).standard_normal((7, 5)).astype(dtype)
    noise = gn.add_gradient_noise(eta, gamma, seed=seed)
    out, state = noise.update({"layer": [library.array(g, dtype)]}, NoiseState(t))
    sigma = math.sqrt(eta / (1 + t) ** gamma)
    z = standard_normal(leaf_key(seed, "layer/0", t), (7, 5)).astype(dtype)
    expected = g + np.asarray(sigma, dtype) * z
    np.testing.assert_array_equal(library.numpy(out["layer"][0]), expected)
    assert state == NoiseState(t + 1)


def test_weight_noise_takes_sigma_times_the_stream_off(library: Library) -> None:
    noise = gn.add_weight_noise(0.25, 0.0, seed=3)
    z = standard_normal(leaf_key(3, "", 4, domain="weight-noise"), (6,))
    np.testing.assert_array_equal(noise_of(library, noise, (6,), 4), -np.float32(0.5) * z)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_four_times_the_variance_is_exactly_twice_the_noise(library: Library, dtype: str) -> None:
    one = noise_of(library, gn.add_gradient_noise(0.013, seed=1), (50,), 9, dtype=dtype)
    four = noise_of(library, gn.add_gradient_noise(4 * 0.013, seed=1), (50,), 9, dtype=dtype)
    np.testing.assert_array_equal(four, 2 * one)
    assert np.all(one != 0)


def test_zero_variance_adds_nothing(library: Library) -> None:
    assert not np.any(noise_of(library, gn.add_gradient_noise(0.0), (20,)))


def test_a_constant_schedule_is_gamma_zero(library: Library) -> None:
    constant = gn.add_gradient_noise(schedule=gn.schedules.constant(0.04), seed=2)
    annealed = gn.add_gradient_noise(0.04, 0.0, seed=2)
    for t in (0, 1000):
        expected = noise_of(library, annealed, (9,), t)
        np.testing.assert_array_equal(noise_of(library, constant, (9,), t), expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bits_are_summed_in_float32_and_rounded_once(library: Library, dtype: str) -> None:
    xp = library.xp
    if not hasattr(xp, dtype):
        pytest.skip(f"{library.name} has no {dtype}")
    narrow = xp.astype(library.array(np.linspace(-3, 3, 4096)), getattr(xp, dtype))
    noise = gn.add_gradient_noise(0.7, seed=8)
    out, _ = noise.update(narrow, NoiseState(0))
    wide, _ = noise.update(xp.astype(narrow, xp.float32), NoiseState(0))
    assert out.dtype == narrow.dtype
    expected = library.numpy(xp.astype(xp.astype(wide, out.dtype), xp.float32))
    np.testing.assert_array_equal(library.numpy(xp.astype(out, xp.float32)), expected)
    # Noise that was drawn in 16 bits would leave the sum on another grid.
    z = xp.astype(wide - xp.astype(narrow, xp.float32), narrow.dtype)
    drawn_narrow = library.numpy(xp.astype(narrow + z, xp.float32))
    assert np.any(drawn_narrow != expected)


def test_jitted_noise_has_the_bits_of_the_stream(library: Library) -> None:
    """Where t is traced sigma_t is of float32; with gamma 0 and eta 1 it is exact: z to the bit."""
    if not library.name.startswith("jax"):
        pytest.skip("only JAX traces step counts by default")
    noise = gn.add_gradient_noise(1.0, 0.0, seed=12)
    step = library.jit(noise.update)
    state = NoiseState(0)
    for t in range(3):
        out, state = step({"w": library.array(np.zeros(1001))}, state)
        z = standard_normal(leaf_key(12, "w", t), (1001,))
        np.testing.assert_array_equal(library.numpy(out["w"]), z)
    annealed = gn.add_gradient_noise(0.3, seed=12)
    out, _ = library.jit(annealed.update)({"w": library.array(np.zeros(99))}, NoiseState(5))
    expected, _ = annealed.update({"w": library.array(np.zeros(99))}, NoiseState(5))
    np.testing.assert_allclose(library.numpy(out["w"]), library.numpy(expected["w"]), rtol=1e-6)


class Pair(NamedTuple):
    first: Any
    second: Any


#: Other leaves beside "w", whose names sort before and after it, and their few shapes (for JAX).
OTHERS = st.dictionaries(
    st.sampled_from(["a", "v", "w0", "z", "layers"]),
    st.recursive(
        st.sampled_from([(), (2,), (0,), (40, 3)]),
        lambda leaf: st.lists(leaf, max_size=2),
        max_leaves=3,
    ),
    max_size=3,
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(seed=SEEDS, t=STEPS, others=OTHERS, order=st.booleans())
def test_any_other_leaves_change_no_leafs_noise(
    library: Library, seed: int, t: int, others: dict[str, Any], order: bool
) -> None:
    noise = gn.add_gradient_noise(0.1, seed=seed)

    def zeros(shape: Any) -> Any:
        if isinstance(shape, list):
            return [zeros(s) for s in shape]
        return library.array(np.zeros(shape))

    def of(tree: Any) -> Any:
        return library.numpy(noise.update(tree, NoiseState(t))[0]["w"])

    mine, theirs = {"w": zeros((4, 3))}, {k: zeros(s) for k, s in others.items()}
    alone = of(mine)
    np.testing.assert_array_equal(of({**mine, **theirs} if order else {**theirs, **mine}), alone)
    assert np.any(alone != 0)


def test_other_leaves_change_no_leafs_noise(library: Library) -> None:
    """Adding, removing, renaming, reordering or reshaping others leaves every bit where it was."""
    noise = gn.add_gradient_noise(0.1, seed=6)

    def zeros(*shape: int) -> Any:
        return library.array(np.zeros(shape))

    def of(tree: Any) -> Any:
        return noise.update(tree, NoiseState(3))[0]

    kept = library.numpy(of({"w": zeros(4, 3)})["w"])
    small, large = zeros(2), zeros(40_000)
    for tree in (
        {"w": zeros(4, 3), "a": small},
        {"a": small, "w": zeros(4, 3), "z": [small, (small, large)]},
        {"renamed": small, "w": zeros(4, 3), "z": large},
        {"z": large, "w": zeros(4, 3), "renamed": zeros(0), "none": None},
    ):
        np.testing.assert_array_equal(library.numpy(of(tree)["w"]), kept)
    assert np.any(library.numpy(of({"v": zeros(4, 3)})["v"]) != kept)


def test_the_container_does_not_matter_but_the_path_does(library: Library) -> None:
    noise = gn.add_gradient_noise(0.1, seed=6)
    w = library.array(np.zeros(5))
    as_list = noise.update([w, w], NoiseState(0))[0]
    as_tuple = noise.update((w, w), NoiseState(0))[0]
    as_dict = noise.update({"0": w, "1": w}, NoiseState(0))[0]
    named = noise.update(Pair(w, w), NoiseState(0))[0]
    by_name = noise.update({"first": w, "second": w}, NoiseState(0))[0]
    for a, b in zip(
        [*as_tuple, *as_dict.values(), *by_name.values()],
        [*as_list, *as_list, *named],
        strict=True,
    ):
        np.testing.assert_array_equal(library.numpy(a), library.numpy(b))
    assert np.all(library.numpy(as_list[0]) != library.numpy(as_list[1]))


REPLICAS = [9, 5, 2**64 - 1, 0, 2**32, 10]


def test_replica_r_is_the_solo_run_with_seed_r_to_the_bit(library: Library) -> None:
    etas = [0.0, 0.1, 0.2, 0.0, 3.0, 0.0]
    shapes = {"w": (3, 2), "b": (7,), "s": (), "big": (20_000,)}
    rng = np.random.default_rng(1)
    grads = {k: rng.standard_normal((len(REPLICAS), *s)) for k, s in shapes.items()}
    together = gn.add_gradient_noise(etas, seed=REPLICAS)
    out, _ = together.update({k: library.array(g) for k, g in grads.items()}, NoiseState(2))
    for r, (seed, eta) in enumerate(zip(REPLICAS, etas, strict=True)):
        alone = gn.add_gradient_noise(eta, seed=seed)
        solo, _ = alone.update({k: library.array(g[r]) for k, g in grads.items()}, NoiseState(2))
        for k in shapes:
            np.testing.assert_array_equal(library.numpy(out[k])[r], library.numpy(solo[k]))


@pytest.mark.parametrize("shape", [(3, 2), (), (1, 2), (0,)], ids=str)
@pytest.mark.parametrize("make", [gn.add_gradient_noise, gn.add_weight_noise])
def test_a_wrong_replica_axis_is_refused(library: Library, make: Any, shape: Any) -> None:
    noise = make(seed=[1, 2])
    good, bad = library.array(np.zeros((2, 3))), library.array(np.zeros(shape))
    what = r"must have a leading replica axis of size 2.*got shape .* at 'bad'"
    with pytest.raises(ValueError, match="`params` " + what):
        noise.init({"good": good, "bad": bad})
    with pytest.raises(ValueError, match="`grads` " + what):
        noise.update({"good": good, "bad": bad}, NoiseState(0))


def test_as_many_variances_as_replicas_are_wanted(library: Library) -> None:
    """Several variances ask for a replica axis too, whether or not there are several seeds."""
    for noise in (
        gn.add_gradient_noise([0.1, 0.2, 0.3], seed=[1, 2]),
        gn.add_gradient_noise([0.1, 0.2, 0.3]),
    ):
        with pytest.raises(ValueError, match=r"replica axis of size 3.*got shape \(2, 3\) at 'w'"):
            noise.update({"w": library.array(np.zeros((2, 3)))}, NoiseState(0))


def test_gradients_stay_as_they_were(library: Library) -> None:
    g = library.array(np.ones((3, 3)))
    for noise in (gn.add_gradient_noise(0.1), gn.add_weight_noise(0.1)):
        noise.update({"w": g}, noise.init({"w": g}))
    assert np.all(library.numpy(g) == 1)


def test_memory_layout_does_not_matter(library: Library) -> None:
    """Elements are counted in row-major order, whatever the layout."""
    g = np.random.default_rng(2).standard_normal((170, 210))
    noise = gn.add_gradient_noise(0.1, seed=1)
    plain = library.array(g)
    turned = library.array(g.T.copy()).T
    every_other = library.array(np.repeat(g, 2, axis=1))[:, ::2]
    expected = library.numpy(noise.update(plain, NoiseState(0))[0])
    for other in (turned, every_other):
        got = library.numpy(noise.update(other, NoiseState(0))[0])
        np.testing.assert_array_equal(got, expected)


#: The same elements in another layout: of what memory, and how it is looked at.
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "C": lambda g: np.ascontiguousarray(g),
    "F": lambda g: np.asfortranarray(g),
    "strided": lambda g: np.repeat(g, 2, axis=-1)[..., ::2] if g.ndim else g,
    "reversed": lambda g: np.ascontiguousarray(g[::-1])[::-1] if g.ndim else g,
}


def laid_out(library: Library, g: Any, layout: str) -> Any:
    """Return g in a layout; torch has no negative strides, and so none that is reversed."""
    made = LAYOUTS[layout](g)
    if library.name == "numpy":
        return made
    if layout == "F" and g.ndim:
        return library.array(g.T.copy(), str(g.dtype)).permute(*reversed(range(g.ndim)))
    if layout == "strided" and g.ndim:
        return library.array(np.repeat(g, 2, axis=-1), str(g.dtype))[..., ::2]
    return library.array(np.ascontiguousarray(made), str(g.dtype))


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    shape=shapes(most=3, longest=6),
    dtype=st.sampled_from(["float16", "float32", "float64"]),
    layout=st.sampled_from(sorted(LAYOUTS)),
    seed=SEEDS,
    t=STEPS,
)
def test_any_shape_dtype_and_layout_gets_the_noise_of_its_elements(
    library: Library, shape: tuple[int, ...], dtype: str, layout: str, seed: int, t: int
) -> None:
    """The definition in plain NumPy: sum in the compute dtype, in row-major order, round once."""
    if library.name not in ("numpy", "torch"):
        pytest.skip("layouts are NumPy's and torch's to choose")
    g = np.asarray(np.random.default_rng(3).standard_normal(shape)).astype(dtype)
    given_ = laid_out(library, g, layout)
    out, _ = gn.add_gradient_noise(0.3, 0.55, seed=seed).update({"w": given_}, NoiseState(t))
    wide = np.float64 if dtype == "float64" else np.float32
    z = standard_normal(leaf_key(seed, "w", t), shape).astype(wide)
    sigma = wide(math.sqrt(0.3 / (1 + t) ** 0.55))
    expected = (g.astype(wide) + sigma * z).astype(dtype)
    assert out["w"].dtype == given_.dtype
    np.testing.assert_array_equal(library.numpy(out["w"]), expected)
    np.testing.assert_array_equal(library.numpy(given_), g)


def test_non_finite_gradients_pass(library: Library) -> None:
    g = library.array(np.array([np.nan, np.inf, -np.inf, 1.0]))
    out = library.numpy(gn.add_gradient_noise(0.1).update(g, NoiseState(0))[0])
    assert np.isnan(out[0])
    assert out[1] == np.inf
    assert out[2] == -np.inf
    assert np.isfinite(out[3])


@pytest.mark.parametrize("make", [gn.add_gradient_noise, gn.add_weight_noise])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"eta": -1.0}, r"`eta` must be a finite number >= 0, got -1\.0\."),
        ({"eta": float("nan")}, r"`eta` must be a finite number >= 0, got nan\."),
        ({"eta": float("inf")}, r"`eta` must be a finite number >= 0, got inf\."),
        ({"eta": [0.1, -0.1], "seed": [0, 1]}, r"`eta` .*got \[0\.1, -0\.1\]\."),
        ({"eta": "0.1"}, r"`eta` .*got '0\.1'\."),
        ({"gamma": -0.5}, r"`gamma` must be a finite number >= 0, got -0\.5\."),
        ({"gamma": float("nan")}, r"`gamma` must be a finite number >= 0, got nan\."),
        ({"seed": -1}, r"`seed` must be in \[0, 2\*\*64\), got -1\."),
        ({"seed": 2**64}, r"`seed` must be in \[0, 2\*\*64\), got 18446744073709551616\."),
        ({"seed": [1, 2**64]}, r"`seed\[1\]` must be in \[0, 2\*\*64\)"),
        ({"seed": []}, r"`seed` must hold at least one seed"),
    ],
)
def test_bad_arguments_are_refused(make: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**arguments)


@pytest.mark.parametrize("seed", [1.0, "1", True, None])
def test_a_seed_that_is_no_integer_is_refused(seed: Any) -> None:
    with pytest.raises(TypeError, match=r"`seed` must be an integer, got"):
        gn.add_gradient_noise(seed=seed)


@pytest.mark.parametrize("variance", [-1.0, math.nan, math.inf])
def test_a_schedule_that_returns_no_variance_is_refused(library: Library, variance: float) -> None:
    noise = gn.add_gradient_noise(schedule=lambda t: variance if t == 3 else 0.1)
    g = library.array(np.ones(2))
    noise.update(g, NoiseState(2))
    with pytest.raises(
        ValueError, match=rf"`schedule\(3\)` must be a finite number >= 0, got {variance}"
    ):
        noise.update(g, NoiseState(3))


def test_numpy_integers_are_seeds(library: Library) -> None:
    a = noise_of(library, gn.add_gradient_noise(seed=np.uint64(2**63)), (4,))  # type: ignore[arg-type]
    b = noise_of(library, gn.add_gradient_noise(seed=2**63), (4,))
    np.testing.assert_array_equal(a, b)


def test_a_schedule_that_is_no_function_is_refused_at_the_door() -> None:
    with pytest.raises(TypeError, match=r"`schedule` must be a function of the step.*got 0\.1"):
        gn.add_gradient_noise(schedule=0.1)  # type: ignore[arg-type]
