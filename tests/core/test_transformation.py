"""Chains of ours and of optax, the order of `noisy`, steps that are skipped."""

import math
from typing import Any

import numpy as np
import optree
import pytest
from libraries import Library

import gradnoise_core as gn
from gradnoise_core.transformation import SkipState


def tree(library: Library, scale: float = 1.0, dtype: str = "float64") -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "w": library.array(scale * rng.standard_normal((3, 2)), dtype),
        "b": library.array(scale * rng.standard_normal(2), dtype),
    }


def numpy(library: Library, values: Any) -> list[Any]:
    return [library.numpy(x) for x in optree.tree_leaves(values)]


def assert_same(library: Library, one: Any, other: Any) -> None:
    for a, b in zip(numpy(library, one), numpy(library, other), strict=True):
        np.testing.assert_array_equal(a, b)


def step(transformation: Any, grads: Any, params: Any = None) -> Any:
    return transformation.update(grads, transformation.init(grads), params)[0]


def test_a_chain_applies_its_links_in_order(library: Library) -> None:
    grads = tree(library, 10.0)
    chained = step(gn.chain(gn.clip_by_global_norm(1.0), gn.sgd(0.5)), grads)
    by_hand = step(gn.sgd(0.5), step(gn.clip_by_global_norm(1.0), grads))
    assert_same(library, chained, by_hand)
    turned = step(gn.chain(gn.sgd(0.5), gn.clip_by_global_norm(1.0)), grads)
    assert np.any(library.numpy(turned["w"]) != library.numpy(chained["w"]))


def test_chains_nest_and_may_be_empty(library: Library) -> None:
    grads = tree(library)
    assert_same(library, step(gn.chain(), grads), grads)
    flat = gn.chain(gn.clip_by_value(0.5), gn.zero_nans(), gn.adam(0.1))
    nested = gn.chain(gn.chain(gn.clip_by_value(0.5)), gn.chain(gn.zero_nans(), gn.adam(0.1)))
    assert_same(library, step(flat, grads), step(nested, grads))


def test_noisy_clips_then_adds_noise_then_optimizes(library: Library) -> None:
    """A gradient of norm 100 clipped to 1, and noise of norm about 8: every order shows."""
    grads = tree(library)
    scale = 100 / float(gn.global_norm(grads))
    grads = {k: g * scale for k, g in grads.items()}
    clip, noise = gn.clip_by_global_norm(1.0), gn.add_gradient_noise(9.0, seed=5)
    out = step(gn.noisy(gn.sgd(1.0), 9.0, clip=1.0, seed=5), grads)
    assert_same(library, out, step(gn.chain(clip, noise, gn.sgd(1.0)), grads))
    assert float(gn.global_norm(out)) > 1.5  # clipped afterwards it would be 1
    for wrong in (
        gn.chain(noise, clip, gn.sgd(1.0)),
        gn.chain(clip, gn.sgd(1.0), noise),
        gn.chain(noise, gn.sgd(1.0)),
        gn.chain(clip, gn.sgd(1.0)),
    ):
        assert np.abs(library.numpy(step(wrong, grads)["w"]) - library.numpy(out["w"])).max() > 0.1


def test_noisy_adds_noise_before_the_optimizer(library: Library) -> None:
    """Adam normalises its gradient: noise after it would be larger than its rate of 1e-3."""
    grads = tree(library)
    out = step(gn.noisy(gn.adam(1e-3), 1.0), grads)
    assert max(np.abs(x).max() for x in numpy(library, out)) <= 1.001e-3


def test_noisy_without_clip_clips_nothing(library: Library) -> None:
    grads = tree(library, 100.0)
    out = step(gn.noisy(gn.sgd(1.0), 0.0), grads)
    assert_same(library, out, step(gn.sgd(1.0), grads))


def test_noisy_takes_a_schedule(library: Library) -> None:
    grads = tree(library)
    variance = gn.schedules.constant(0.3)
    out = step(gn.noisy(gn.sgd(1.0), schedule=variance, seed=2), grads)
    expected = step(gn.chain(gn.add_gradient_noise(0.3, 0.0, seed=2), gn.sgd(1.0)), grads)
    assert_same(library, out, expected)


@pytest.mark.parametrize("seed", [3, np.int64(3), np.uint64(3)], ids=lambda s: type(s).__name__)
def test_noisy_with_one_seed_clips_the_whole_gradient(library: Library, seed: Any) -> None:
    """A seed of NumPy's is one seed: the first axis is no replica axis."""
    grads = tree(library, 10.0)
    out = step(gn.noisy(gn.sgd(1.0), 0.0, clip=1.0, seed=seed), grads)
    assert float(gn.global_norm(out)) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("kind", [list, np.asarray])
def test_noisy_replicas_equal_solo_runs(library: Library, kind: Any) -> None:
    seeds = [4, 5, 6]
    rng = np.random.default_rng(1)
    values = rng.standard_normal((3, 4, 2)) * np.array([0.01, 1.0, 100.0])[:, None, None]
    together = gn.noisy(gn.adam(0.1), 0.1, clip=1.0, seed=kind(seeds))
    grads = {"w": library.array(values, "float64")}
    state, out = together.init(grads), grads
    for _ in range(3):
        out, state = together.update(grads, state)
    for r, seed in enumerate(seeds):
        alone = gn.noisy(gn.adam(0.1), 0.1, clip=1.0, seed=seed)
        solo = {"w": library.array(values[r], "float64")}
        state, last = alone.init(solo), solo
        for _ in range(3):
            last, state = alone.update(solo, state)
        np.testing.assert_allclose(library.numpy(out["w"])[r], library.numpy(last["w"]), rtol=1e-13)


@pytest.mark.parametrize("bad", [gn.sgd, 0.1, None, (lambda p: (), 3)])
def test_a_chain_of_what_is_no_transformation_is_refused(bad: Any) -> None:
    with pytest.raises(TypeError, match=r"`transformations\[1\]` must have `init` and `update`"):
        gn.chain(gn.sgd(0.1), bad)


def test_the_state_of_another_chain_is_refused(library: Library) -> None:
    grads = tree(library)
    one, two = gn.chain(gn.sgd(0.1)), gn.chain(gn.clip_by_value(1.0), gn.sgd(0.1))
    with pytest.raises(ValueError, match=r"`state` must have 2 parts.*got 1"):
        two.update(grads, one.init(grads))
    with pytest.raises(ValueError, match=r"`state` must have 1 parts.*got 2"):
        one.update(grads, two.init(grads))


@pytest.fixture
def jax_library(library: Library) -> Library:
    if not library.name.startswith("jax"):
        pytest.skip("optax is for JAX")
    return library


def mixtures() -> dict[str, Any]:
    import optax

    noise = gn.add_gradient_noise(0.1, seed=9)
    return {
        "optax.chain(ours, theirs)": optax.chain(noise, optax.adam(1e-3)),
        "ours.chain(ours, theirs)": gn.chain(noise, optax.adam(1e-3)),
        "ours.chain(theirs, ours, theirs)": gn.chain(
            optax.identity(), noise, gn.zero_nans(), optax.adam(1e-3)
        ),
        "noisy(theirs)": gn.noisy(optax.adam(1e-3), 0.1, seed=9),
        "all ours": gn.chain(noise, gn.adam(1e-3, dialect="optax")),
    }


@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("kind", mixtures())
def test_ours_and_optaxs_links_mix(jax_library: Library, kind: str, jitted: bool) -> None:
    import optax

    optimizer, reference = mixtures()[kind], mixtures()["all ours"]
    runs: list[int] = []

    def update(grads: Any, state: Any, params: Any) -> Any:
        runs.append(1)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    advance = jax_library.jit(update) if jitted else update
    params = expected = tree(jax_library)
    state, other = optimizer.init(params), reference.init(params)
    for t in range(4):
        grads = tree(jax_library, 1.0 + t)
        params, state = advance(grads, state, params)
        updates, other = reference.update(grads, other, expected)
        expected = gn.apply_updates(expected, updates)
    assert not jitted or len(runs) == 1
    for a, b in zip(numpy(jax_library, params), numpy(jax_library, expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


def test_optax_multi_steps_counts_real_steps(jax_library: Library) -> None:
    """Gradient accumulation, in float32 as optax does it: t counts updates, not micro-batches."""
    import optax

    noise = gn.chain(gn.add_gradient_noise(0.5, seed=1), gn.sgd(1.0))
    accumulating = optax.MultiSteps(optax.chain(gn.add_gradient_noise(0.5, seed=1), gn.sgd(1.0)), 2)
    params = tree(jax_library)
    grads = tree(jax_library, 3.0)
    state, plain = accumulating.init(params), noise.init(params)
    for _ in range(3):
        _, state = accumulating.update(grads, state, params)
        updates, state = accumulating.update(grads, state, params)
        expected, plain = noise.update(grads, plain, params)
        for a, b in zip(numpy(jax_library, updates), numpy(jax_library, expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


def test_zero_nans_replaces_nans_alone(library: Library) -> None:
    g = np.array([math.nan, math.inf, -math.inf, -2.0, 0.0])
    for dtype in ("float32", "float64"):
        out = step(gn.zero_nans(), {"w": library.array(g, dtype)})["w"]
        assert str(out.dtype).endswith(dtype)
        np.testing.assert_array_equal(library.numpy(out), [0, math.inf, -math.inf, -2, 0])


def test_non_finite_gradients_pass_by_default(library: Library) -> None:
    g = {"w": library.array(np.array([math.nan, math.inf, 1.0]), "float64")}
    out = library.numpy(step(gn.noisy(gn.sgd(1.0), 0.1, clip=1.0), g)["w"])
    assert np.isnan(out[0])
    assert out[1] == -math.inf
    assert np.isfinite(out[2])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jit"])
def test_a_skipped_step_never_happened(library: Library, bad: float, jitted: bool) -> None:
    """Its updates are 0, no count moves, and the next steps are those of a run without it."""
    if jitted and not library.name.startswith("jax"):
        pytest.skip("torch.compile is tried in test_optimizers_compiled.py")

    def make() -> Any:
        return gn.noisy(gn.adam(0.1), 0.1, clip=1.0, seed=3)

    skipping, plain = gn.skip_non_finite(make()), make()
    update = library.jit(skipping.update) if jitted else skipping.update
    params = tree(library)
    poison = tree(library)
    poison["b"] = library.array(np.array([1.0, bad]), "float64")
    state, expected_state = skipping.init(params), plain.init(params)
    for t in range(5):
        if t in (0, 2, 3):
            updates, state = update(poison, state, params)
            assert not any(np.any(u) for u in numpy(library, updates))
            assert [u.dtype for u in updates.values()] == [g.dtype for g in poison.values()]
        grads = tree(library, 1.0 + t)
        updates, state = update(grads, state, params)
        expected, expected_state = plain.update(grads, expected_state, params)
        for a, b in zip(numpy(library, updates), numpy(library, expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
        assert np.any(library.numpy(updates["w"]))
    assert isinstance(state, SkipState)
    assert int(state.skipped) == 3
    for a, b in zip(
        optree.tree_leaves(state.inner), optree.tree_leaves(expected_state), strict=True
    ):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-12)


def test_skip_non_finite_wraps_optax_too(jax_library: Library) -> None:
    import jax
    import optax

    skipping = gn.skip_non_finite(optax.adam(0.1))
    params = tree(jax_library)
    poison = {**params, "b": params["b"] * math.nan}
    state = skipping.init(params)
    update = jax.jit(skipping.update)
    updates, state = update(poison, state, params)
    assert not np.any(np.asarray(updates["w"]))
    assert int(state.inner[0].count) == 0
    updates, state = update(params, state, params)
    assert int(state.inner[0].count) == 1
    assert np.all(np.isfinite(np.asarray(updates["b"])))
