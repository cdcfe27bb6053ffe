"""The distribution of the noise, at random settings, and what a wrong implementation would do.

Each check is a p-value from the sampling distribution of n normals with known mean and variance,
and fails below `ALPHA`. The examples are derandomised, so nothing flickers; were they drawn
afresh, the chance of one false alarm in a whole run of about 400 checks would be about 4e-4. Every
check is also run on the noise of implementations that are wrong in ways found in the wild, and must
fail on them.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from libraries import Library
from scipy import stats

import gradnoise_core as gn
from gradnoise_core.noise import NoiseState
from gradnoise_core.random import leaf_key, standard_normal

ALPHA = 1e-6
SIZE = 1 << 14


def p_values(noise: Any, sigma: float) -> dict[str, float]:
    """Return how likely the mean, variance, kurtosis and distribution of the noise are."""
    z = np.asarray(noise, np.float64).reshape(-1) / sigma
    n = z.size
    spread = stats.chi2(n)
    total = float(np.sum(z * z))
    return {
        "mean": float(2 * stats.norm.sf(abs(z.mean()) * np.sqrt(n))),
        "variance": float(2 * min(spread.cdf(total), spread.sf(total))),
        "kurtosis": float(stats.kurtosistest(z).pvalue),
        "distribution": float(stats.kstest(z, "norm").pvalue),
    }


def correlation_p(a: Any, b: Any) -> float:
    """Return how likely the correlation of two noises of known mean is, if independent."""
    a, b = (np.asarray(x, np.float64).reshape(-1) for x in (a, b))
    r = float(np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b)))
    return float(2 * stats.norm.sf(abs(r) * np.sqrt(a.size)))


def sigma_at(eta: float, gamma: float, t: int) -> float:
    return float(np.sqrt(eta / (1 + t) ** gamma))


def drawn(library: Library, shape: Any, t: int, path: str = "w", **options: Any) -> Any:
    zeros = {path: library.array(np.zeros(shape))}
    out, _ = gn.add_gradient_noise(**options).update(zeros, NoiseState(t))
    return library.numpy(out[path])


SEEDS = st.integers(0, 2**64 - 1)
STEPS = st.integers(0, 100_000)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(
    eta=st.floats(1e-4, 10),
    gamma=st.floats(0, 1),
    t=STEPS,
    seed=SEEDS,
    axes=st.lists(st.integers(0, 7), max_size=2).map(lambda e: [*(2**i for i in e), -1]),
)
def test_mean_variance_kurtosis_and_distribution(
    library: Library, eta: float, gamma: float, t: int, seed: int, axes: list[int]
) -> None:
    shape = np.zeros(SIZE).reshape(axes).shape
    noise = drawn(library, shape, t, eta=eta, gamma=gamma, seed=seed)
    assert noise.shape == shape
    p = p_values(noise, sigma_at(eta, gamma, t))
    assert min(p.values()) > ALPHA, p


def _z(eta: float, gamma: float, t: int, seed: int) -> Any:
    return standard_normal(leaf_key(seed, "w", t), (SIZE,))


def variance_as_deviation(eta: float, gamma: float, t: int, seed: int) -> Any:
    """optax up to 0.1.0, ESPnet."""
    return eta / (1 + t) ** gamma * _z(eta, gamma, t, seed)


def steps_from_one(eta: float, gamma: float, t: int, seed: int) -> Any:
    """Chainer's hook on a rule, a Julia port."""
    return np.sqrt(eta / (2 + t) ** gamma) * _z(eta, gamma, t, seed)


def truncated(eta: float, gamma: float, t: int, seed: int) -> Any:
    """TensorFlow's contrib and tensor2tensor: redrawn beyond two deviations."""
    low, high = float(stats.norm.cdf(-2)), float(stats.norm.cdf(2))
    uniform = stats.norm.cdf(_z(eta, gamma, t, seed))
    return sigma_at(eta, gamma, t) * stats.norm.ppf(low + (high - low) * uniform)


def truncated_of_the_right_variance(eta: float, gamma: float, t: int, seed: int) -> Any:
    return truncated(eta, gamma, t, seed) / stats.truncnorm(-2, 2).std()


def uniform(eta: float, gamma: float, t: int, seed: int) -> Any:
    """Of the right mean and variance."""
    u = stats.norm.cdf(_z(eta, gamma, t, seed))
    return sigma_at(eta, gamma, t) * np.sqrt(12) * (u - 0.5)


def constant_variance(eta: float, gamma: float, t: int, seed: int) -> Any:
    return np.sqrt(eta) * _z(eta, gamma, t, seed)


def magnitudes(eta: float, gamma: float, t: int, seed: int) -> Any:
    return sigma_at(eta, gamma, t) * np.abs(_z(eta, gamma, t, seed))


#: a wrong implementation, and what must notice it.
WRONG: list[tuple[Callable[..., Any], set[str]]] = [
    (variance_as_deviation, {"variance", "distribution"}),
    (steps_from_one, {"variance"}),
    (truncated, {"variance", "kurtosis", "distribution"}),
    (truncated_of_the_right_variance, {"kurtosis"}),
    (uniform, {"kurtosis", "distribution"}),
    (constant_variance, {"variance", "distribution"}),
    (magnitudes, {"mean", "distribution"}),
]


@pytest.mark.parametrize(("wrong", "noticed"), WRONG)
@settings(max_examples=20)
@given(eta=st.floats(1e-4, 0.3), gamma=st.floats(0.4, 1), t=st.integers(0, 2), seed=SEEDS)
def test_the_checks_fail_on_wrong_noise(
    wrong: Callable[..., Any], noticed: set[str], eta: float, gamma: float, t: int, seed: int
) -> None:
    t = t + 1 if wrong is constant_variance else t
    p = p_values(wrong(eta, gamma, t, seed), sigma_at(eta, gamma, t))
    assert {name for name in p if p[name] <= ALPHA} >= noticed


def test_the_controls_differ_from_the_right_noise_in_what_they_say_alone(library: Library) -> None:
    """With sigma_t in place of the mistake each control passes: it is no other mistake."""
    right = drawn(library, (SIZE,), 1, eta=0.3, gamma=0.55, seed=5)
    assert min(p_values(right, sigma_at(0.3, 0.55, 1)).values()) > ALPHA
    np.testing.assert_allclose(right, sigma_at(0.3, 0.55, 1) * _z(0.3, 0.55, 1, 5), rtol=1e-6)


def of(
    library: Library, path: str = "w", t: int = 3, seed: int = 9, domain: str = "gradient-noise"
) -> Any:
    return drawn(library, (1 << 15,), t, path, eta=1.0, gamma=0.0, seed=seed, domain=domain)


#: What the noise must be independent over: pairs of settings that are near one another.
NEAR: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("leaves", {"path": "layers/0"}, {"path": "layers/1"}),
    ("leaves whose names look alike", {"path": "w"}, {"path": "w "}),
    ("steps", {"t": 3}, {"t": 4}),
    ("far steps", {"t": 0}, {"t": 2**32}),
    ("seeds", {"seed": 9}, {"seed": 10}),
    ("high words of seeds", {"seed": 9}, {"seed": 9 + 2**32}),
    ("domains", {"domain": "gradient-noise"}, {"domain": "weight-noise"}),
    ("seed and step", {"seed": 9, "t": 4}, {"seed": 10, "t": 3}),
    ("seed and leaf", {"seed": 0, "path": "1"}, {"seed": 1, "path": "0"}),
]


@pytest.mark.parametrize(
    ("over", "one", "other"), NEAR, ids=lambda x: x if isinstance(x, str) else ""
)
def test_noise_is_independent_over(
    library: Library, over: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    """The correlation, and that with a shift by one, is within its sampling distribution."""
    a, b = of(library, **one), of(library, **other)
    assert correlation_p(a, b) > ALPHA
    assert correlation_p(a[1:], b[:-1]) > ALPHA
    assert correlation_p(a[::2], b[1::2]) > ALPHA
    assert correlation_p(a * a - 1, b * b - 1) > ALPHA


#: Settings near one another, to draw pairs from: what a weak key schedule would confuse.
SETTINGS = st.fixed_dictionaries(
    {
        "path": st.sampled_from(["w", "w ", "layers/0", "layers/1", "0", ""]),
        "t": st.one_of(st.integers(0, 3), STEPS),
        "seed": st.one_of(st.integers(0, 3), SEEDS),
        "domain": st.sampled_from(["gradient-noise", "weight-noise"]),
    }
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(one=SETTINGS, other=SETTINGS)
def test_noise_of_any_two_settings_is_independent(
    library: Library, one: dict[str, Any], other: dict[str, Any]
) -> None:
    assume(one != other)
    a, b = of(library, **one), of(library, **other)
    assert correlation_p(a, b) > ALPHA
    assert correlation_p(a[1:], b[:-1]) > ALPHA
    assert correlation_p(a * a - 1, b * b - 1) > ALPHA


def test_the_check_of_independence_fails_on_shared_noise(library: Library) -> None:
    """One key for two leaves, a shift of it, its mirror, its scale, and a tenth of it mixed in."""
    a = of(library)
    other = of(library, path="other")
    assert correlation_p(a, a) <= ALPHA
    assert correlation_p(a, -a) <= ALPHA
    assert correlation_p(a[1:], np.roll(a, 1)[1:][::1]) > ALPHA  # the shift shows in the shift
    assert correlation_p(a[:-1], np.roll(a, 1)[1:]) <= ALPHA
    assert correlation_p(a, 0.1 * a + other) <= ALPHA
    assert correlation_p(a * a - 1, (np.abs(a) * np.sign(other)) ** 2 - 1) <= ALPHA


def test_elements_of_a_leaf_are_independent(library: Library) -> None:
    a = of(library)
    for lag in (1, 2, 3, 128, 1 << 14):
        assert correlation_p(a[lag:], a[:-lag]) > ALPHA


def test_leaves_of_one_tree_are_independent(library: Library) -> None:
    """Drawn in one call, small and large: the same noise on two leaves must not come back."""
    shapes: dict[str, Any] = {"a": (4096,), "b": (4096,), "c": (64, 64), "d": [(4096,), (4096,)]}
    zeros = {
        k: [library.array(np.zeros(s)) for s in v]
        if isinstance(v, list)
        else library.array(np.zeros(v))
        for k, v in shapes.items()
    }
    out, _ = gn.add_gradient_noise(1.0, 0.0, seed=4).update(zeros, NoiseState(0))
    leaves = [library.numpy(x) for x in (out["a"], out["b"], out["c"], *out["d"])]
    for x, y in itertools.combinations(leaves, 2):
        assert correlation_p(x, y) > ALPHA


def test_the_steps_of_one_element_are_normal(library: Library) -> None:
    """Over t, not over elements: the variance falls as the law says, at every t."""
    noise = gn.add_gradient_noise(0.5, 0.55, seed=17)
    g = library.array(np.zeros(64))
    path = [library.numpy(noise.update(g, NoiseState(t))[0]) for t in range(100)]
    sigma = np.sqrt(0.5 / (1 + np.arange(100)) ** 0.55)[:, None]
    assert min(p_values(np.stack(path) / sigma, 1.0).values()) > ALPHA
    late = np.stack(path)[50:]
    assert p_values(late, sigma_at(0.5, 0.55, 0))["variance"] <= ALPHA
