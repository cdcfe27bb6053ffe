"""SGLD, pSGLD and Santa: restated in plain NumPy, and against what theory says of their noise."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from libraries import Library
from scipy import stats

import gradnoise_core as gn
from gradnoise_core.random import leaf_key, standard_normal

SHAPE, STEPS, SEED, RATE = (3, 4), 6, 77, 0.02
TOLERANCE = 1e-12

_RNG = np.random.default_rng(5)
START = _RNG.standard_normal(SHAPE)
GRADIENTS = _RNG.standard_normal((STEPS, *SHAPE))


def z(t: int, domain: str) -> Any:
    """Return the numbers of the leaf "w" in binary64."""
    return standard_normal(leaf_key(SEED, "w", t, domain=domain), SHAPE).astype(np.float64)


def rate_at(t: int) -> float:
    return RATE / (1 + t)


def path_of(library: Library, optimizer: Any) -> list[Any]:
    """Return the parameters after each step with gradients from outside."""
    p = {"w": library.array(START, "float64")}
    state, path = optimizer.init(p), []
    for g in GRADIENTS:
        updates, state = optimizer.update({"w": library.array(g, "float64")}, state, p)
        p = gn.apply_updates(p, updates)
        path.append(library.numpy(p["w"]))
    return path


def assert_path(path: list[Any], expected: list[Any]) -> None:
    for p, q in zip(path, expected, strict=True):
        np.testing.assert_allclose(p, q, rtol=TOLERANCE, atol=TOLERANCE)


def sgld(drift: float, temperature: float) -> list[Any]:
    p, path = START, []
    for t, g in enumerate(GRADIENTS):
        h = rate_at(t)
        p = p - drift * h * g + math.sqrt(2 * drift * h * temperature) * z(t, "sgld")
        path.append(p)
    return path


@pytest.mark.parametrize(
    ("options", "drift", "temperature"),
    [
        ({}, 0.5, 1.0),
        ({"dialect": "mxnet"}, 0.5, 1.0),
        ({"drift": 1.0, "temperature": 0.3}, 1.0, 0.3),
    ],
)
def test_sgld_is_equation_4(
    library: Library, options: dict[str, Any], drift: float, temperature: float
) -> None:
    path = path_of(library, gn.sgld(rate_at, seed=SEED, **options))
    assert_path(path, sgld(drift, temperature))


def psgld(inside: bool, start: float) -> list[Any]:
    """Li et al., algorithm 1, without Gamma; TensorFlow Probability's G if `inside`."""
    p, v, path = START, start * np.ones(SHAPE), []
    for t, g in enumerate(GRADIENTS):
        h = rate_at(t)
        v = 0.99 * v + 0.01 * g**2
        metric = 1 / np.sqrt(v + 1e-5) if inside else 1 / (1e-5 + np.sqrt(v))
        p = p - h / 2 * metric * g + np.sqrt(h * metric) * z(t, "psgld")
        path.append(p)
    return path


@pytest.mark.parametrize(
    ("options", "inside", "start"),
    [({}, False, 0.0), ({"eps_in_sqrt": True, "initial_accumulator": 1.0}, True, 1.0)],
)
def test_psgld_is_algorithm_1(
    library: Library, options: dict[str, Any], inside: bool, start: float
) -> None:
    path = path_of(library, gn.psgld(rate_at, seed=SEED, **options))
    assert_path(path, psgld(inside, start))


SIGMA, LAMBDA, FRICTION, BURN_IN, DATA = 0.95, 10.0, 0.7, 4, 3


def inverse_temperature(t: int) -> float:
    return (2 + t) ** 0.7


def santa(scheme: str) -> list[Any]:
    """Chen et al., algorithms 1 (Euler) and 2 (sss), line by line; n = 1, 2, ... there."""
    eta = rate_at(0)
    p, path = START, []
    u = math.sqrt(eta) * z(0, "santa-momentum")
    alpha, v = math.sqrt(eta) * FRICTION * np.ones(SHAPE), np.zeros(SHAPE)
    g_before = None
    for t, f in enumerate(GRADIENTS):
        eta, beta, zeta = rate_at(t), inverse_temperature(t), z(t, "santa")
        v = SIGMA * v + (1 - SIGMA) / DATA**2 * f * f
        g = 1 / np.sqrt(LAMBDA + np.sqrt(v))
        g_before = g if g_before is None else g_before  # which the paper leaves open
        exploring = t < BURN_IN
        warm = eta / beta * (1 - g_before / g) / u + np.sqrt(2 * eta / beta * g_before) * zeta
        if scheme == "euler":
            if exploring:
                alpha = alpha + (u * u - eta / beta)
                new = warm
            else:
                new = np.zeros(SHAPE)
            u = new + (1 - alpha) * u - eta * g * f
            p = p + g * u
        else:
            p = p + g * u / 2
            if exploring:
                alpha = alpha + (u * u - eta / beta) / 2
                u = np.exp(-alpha / 2) * u
                u = u - g * f * eta + warm
                u = np.exp(-alpha / 2) * u
                alpha = alpha + (u * u - eta / beta) / 2
            else:
                u = np.exp(-alpha / 2) * u
                u = u - g * f * eta
                u = np.exp(-alpha / 2) * u
            p = p + g * u / 2
        g_before = g
        path.append(p)
    return path


def make_santa(scheme: str, **options: Any) -> Any:
    given = {
        "decay": SIGMA,
        "eps": LAMBDA,
        "friction": FRICTION,
        "burn_in": BURN_IN,
        "data_size": DATA,
        "inverse_temperature": inverse_temperature,
        "seed": SEED,
        "scheme": scheme,
    }
    return gn.santa(rate_at, **{**given, **options})


@pytest.mark.parametrize("scheme", ["euler", "sss"])
def test_santa_is_its_algorithm(library: Library, scheme: str) -> None:
    assert_path(path_of(library, make_santa(scheme)), santa(scheme))


@pytest.mark.parametrize("scheme", ["euler", "sss"])
def test_santa_explores_with_noise_and_refines_without(library: Library, scheme: str) -> None:
    """Two seeds from one state: apart while it explores, the same from step `burn_in` on."""
    one, other = make_santa(scheme), make_santa(scheme, seed=SEED + 1)
    p = {"w": library.array(START, "float64")}
    state = one.init(p)
    for t, g in enumerate(GRADIENTS):
        grads = {"w": library.array(g, "float64")}
        mine, after = one.update(grads, state, p)
        theirs, _ = other.update(grads, state, p)
        same = np.array_equal(library.numpy(mine["w"]), library.numpy(theirs["w"]))
        assert same == (t >= BURN_IN)
        thermostats = [library.numpy(s.thermostat["w"]) for s in (state, after)]
        assert np.array_equal(*thermostats) == (t >= BURN_IN)
        state = after


def test_santa_without_burn_in_never_explores(library: Library) -> None:
    a, b = (path_of(library, make_santa("euler", burn_in=0, seed=s)) for s in (1, 1))
    np.testing.assert_array_equal(a[-1], b[-1])
    first = make_santa("euler", burn_in=0)
    p = {"w": library.array(np.zeros(SHAPE), "float64")}
    state = first.init(p)
    zeros = {"w": library.array(np.zeros(SHAPE), "float64")}
    _, after = first.update(zeros, state, p)
    expected = (1 - library.numpy(state.thermostat["w"])) * library.numpy(state.momentum["w"])
    np.testing.assert_allclose(library.numpy(after.momentum["w"]), expected, rtol=1e-14)


#: Chance that a check below fails on a right implementation, were its seed drawn afresh.
ALPHA = 1e-6


def variance_p(x: Any, variance: float) -> float:
    """Return how likely the sum of squares of x is, if they are N(0, variance)."""
    x = np.asarray(x, np.float64).reshape(-1)
    total, spread = float(np.sum(x * x) / variance), stats.chi2(x.size)
    return float(2 * min(spread.cdf(total), spread.sf(total)))


def one_step(library: Library, optimizer: Any, size: int = 20_000) -> Any:
    zeros = {"w": library.array(np.zeros(size), "float64")}
    updates, _ = optimizer.update(zeros, optimizer.init(zeros), zeros)
    return library.numpy(updates["w"])


@pytest.mark.parametrize(
    ("make", "deviation"),
    [
        (lambda: gn.sgld(0.04, dialect="mxnet", seed=SEED), math.sqrt(0.04)),
        (lambda: gn.sgld(0.04, drift=1.0, seed=SEED), math.sqrt(2 * 0.04)),
        (lambda: gn.sgld(0.04, temperature=0.25, seed=SEED), 0.5 * math.sqrt(0.04)),
        (lambda: gn.psgld(0.04, initial_accumulator=1.0, seed=SEED), math.sqrt(0.04 / 0.99**0.5)),
    ],
    ids=["mxnet", "blackjax and torch-sgld", "cold", "psgld"],
)
def test_the_noise_has_the_scale_that_each_convention_says(
    library: Library, make: Callable[[], Any], deviation: float
) -> None:
    """At h = 0.04: 0.2 in MXNet, 0.283 in blackjax and torch-sgld."""
    noise = one_step(library, make())
    assert variance_p(noise, deviation**2 / (1 + 1e-5)) > ALPHA
    assert variance_p(noise, deviation**2 * 1.1) <= ALPHA
    assert variance_p(noise, deviation**4) <= ALPHA


def stationary(optimizer: Any, curvature: float, steps: int = 80, size: int = 20_000) -> Any:
    """Return independent chains on ``curvature p**2 / 2`` after they have forgotten the start."""
    p = np.zeros(size)
    state = optimizer.init(p)
    for _ in range(steps):
        updates, state = optimizer.update(curvature * p, state, p)
        p = p + updates
    return p


def test_sgld_samples_a_gaussian_posterior() -> None:
    """On ``a p**2 / 2`` the chain is autoregressive with coefficient ``r = 1 - a h / 2``.

    Its variance is ``h / (1 - r**2) = 1 / (a (1 - a h / 4))``: the posterior's ``1 / a`` and the
    bias of the step size. After 80 steps r**160 is 1e-11 of it.
    """
    a, h = 2.0, 0.15
    p = stationary(gn.sgld(h, seed=3), a)
    variance = 1 / (a * (1 - a * h / 4))
    assert variance_p(p, variance) > ALPHA
    assert float(stats.kstest(p / math.sqrt(variance), "norm").pvalue) > ALPHA
    # Noise of deviation h, or twice the drift with the same noise, samples something else.
    assert variance_p(stationary(gn.sgld(h, temperature=h, seed=3), a), variance) <= ALPHA
    assert (
        variance_p(stationary(gn.sgld(h, drift=1.0, temperature=0.5, seed=3), a), variance) <= ALPHA
    )
    assert variance_p(p, 1 / a) <= ALPHA  # the check sees even the bias


@pytest.mark.parametrize("make", [gn.sgld, gn.psgld, gn.santa])
def test_the_seed_and_its_stream_decide(library: Library, make: Any) -> None:
    same = [one_step(library, make(0.01, seed=s), 32) for s in (1, 1, 2)]
    np.testing.assert_array_equal(same[0], same[1])
    assert np.all(same[0] != same[2])


@pytest.mark.parametrize("make", [gn.sgld, gn.psgld, gn.santa])
def test_samplers_want_a_replica_for_each_seed(library: Library, make: Any) -> None:
    sampler = make(0.01, seed=[1, 2, 3])
    p = {"w": library.array(np.zeros((2, 3)), "float64")}
    with pytest.raises(ValueError, match=r"`params` must have a leading replica axis of size 3"):
        sampler.init(p)
