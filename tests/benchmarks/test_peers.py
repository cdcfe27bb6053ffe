"""The peers do what their names say: Adam, with noise of the right size."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

import gradnoise_core as gn
from benchmarks.peers.in_place_adam import InPlaceAdam
from benchmarks.work import ETA, RATE, sigma

STEPS, SIZE = 20, 1000
TOLERANCE = 5e-7  # an ulp or so of parameters below 5, for the order of rounding differs


def gradients(seed: int) -> list[Any]:
    """Return gradients down to sizes at which eps matters."""
    rng, scale = np.random.default_rng(seed), np.logspace(-9, 0, SIZE)
    return [(scale * rng.standard_normal(SIZE)).astype(np.float32) for _ in range(STEPS)]


def expected(dialect: str) -> Any:
    """Return the parameters after our Adam, in float64."""
    optimizer = gn.adam(RATE, dialect=dialect)
    params = np.ones(SIZE)
    state = optimizer.init(params)
    for g in gradients(0):
        updates, state = optimizer.update(g.astype(np.float64), state, params)
        params = gn.apply_updates(params, updates)
    return params


def no_normals(_: Any) -> Any:
    pytest.fail("noise was drawn though its variance is 0")


@pytest.mark.parametrize("piece", [None, 64, 10 * SIZE])
def test_in_place_adam_is_adam(piece: int | None) -> None:
    params = [np.ones(SIZE, np.float32)]
    adam = InPlaceAdam(params, np, no_normals, eta=0.0, piece=piece)
    for g in gradients(0):
        kept = g.copy()
        adam.step([g])
        assert np.array_equal(g, kept)
    assert np.max(np.abs(params[0] - expected("paper"))) <= TOLERANCE


def test_in_place_adam_allocates_no_array_of_the_leafs_size() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    grads = [np.ones(10**5, np.float32)]
    adam = InPlaceAdam(
        [np.ones(10**5, np.float32)],
        np,
        lambda out: rng.standard_normal(out=out, dtype=np.float32),
    )
    adam.step(grads)
    tracemalloc.start()
    adam.step(grads)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10**4


@pytest.mark.parametrize("piece", [None, 64])
def test_in_place_adam_adds_noise_of_the_annealed_size(piece: int | None) -> None:
    """At the first step m is (1 - b1) times the noisy gradient."""
    rng = np.random.Generator(np.random.PCG64(0))
    adam = InPlaceAdam(
        [np.zeros(10**5, np.float32)],
        np,
        lambda out: rng.standard_normal(out=out, dtype=np.float32),
        piece=piece,
    )
    noise = []
    for _ in range(3):
        before = adam.m[0].copy()
        adam.step([np.full(10**5, 2.0, np.float32)])
        noise.append((adam.m[0] - 0.9 * before) / 0.1 - 2.0)
    for t, z in enumerate(noise):
        # Of 10**5 samples the deviation is known to 1 / sqrt(2e5) = 0.22 %; four of these.
        assert np.std(z) == pytest.approx((ETA / (1 + t) ** 0.55) ** 0.5, rel=0.01)
        assert abs(np.mean(z)) < 4 * np.std(z) / 10**2.5
    assert abs(np.corrcoef(noise[0], noise[1])[0, 1]) < 4 / 10**2.5


def test_sigma_is_the_root_of_the_papers_variance() -> None:
    assert sigma(0) == pytest.approx(0.1)
    assert sigma(9) ** 2 == pytest.approx(0.01 / 10**0.55)


@pytest.mark.parametrize("option", ["fused", "foreach"])
def test_the_torch_peer_is_adam(option: str) -> None:
    torch = pytest.importorskip("torch")
    from benchmarks.peers.torch_adam import TorchAdam

    start = torch.zeros(SIZE)
    adam = TorchAdam([torch.ones(SIZE)], [start], eta=0.0, **{option: True})
    for g in gradients(0):
        start.copy_(torch.from_numpy(g))
        adam.step()
    found = adam.params[0].detach().numpy()
    assert np.max(np.abs(found - expected("torch"))) <= TOLERANCE


@pytest.mark.parametrize("option", ["fused", "foreach"])
def test_the_torch_peer_adds_noise_before_the_step(option: str) -> None:
    torch = pytest.importorskip("torch")
    from benchmarks.peers.torch_adam import TorchAdam

    torch.manual_seed(0)
    adam = TorchAdam([torch.zeros(10**5)], [torch.full((10**5,), 2.0)], **{option: True})
    adam.step()
    (moments,) = adam.optimizer.state.values()
    noise = moments["exp_avg"].numpy() / 0.1 - 2.0
    assert np.std(noise) == pytest.approx(0.1, rel=0.01)


def test_optax_draws_the_papers_noise() -> None:
    """The peer's noise is what ours is: the first moment after a step tells."""
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    optimizer = optax.chain(optax.add_noise(ETA, 0.55, key=0), optax.adam(RATE))
    params = jax.numpy.zeros(10**5, jax.numpy.float32)
    _, state = optimizer.update(params + 2.0, optimizer.init(params), params)
    noise = np.asarray(state[1][0].mu) / 0.1 - 2.0
    assert np.std(noise) == pytest.approx(0.1, rel=0.01)
