"""Initial weights: their distribution, their bits, and how far they carry a gradient."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from gradnoise_core.random import leaf_key, standard_normal
from gradnoise_reference_models import initializers
from gradnoise_reference_models.initializers import INITIALIZERS
from gradnoise_reference_models.models import mlp

# fan_in is small, so that each scale is far from the others; n = 60,000 samples.
FAN_IN, FAN_OUT = 20, 3000

#: The standard deviation each is documented to have at FAN_IN, from its paper's formula.
STANDARD_DEVIATIONS = {
    "simple": 0.1,
    "he": (2 / FAN_IN) ** 0.5,
    "random-walk": (2 / FAN_IN) ** 0.5 * math.exp(1.2 / (FAN_IN - 2.4)),
}


def _follows(w: Any, std: float) -> bool:
    """Whether mean, variance and distribution of w are those of N(0, std**2).

    At n samples the mean has standard error std/sqrt(n), the variance std**2 sqrt(2/n), and the
    Kolmogorov distance exceeds 1.95/sqrt(n) once in 1,000; four standard errors are allowed.
    """
    w = np.asarray(w, dtype=np.float64).reshape(-1)
    mean = abs(w.mean()) < 4 * std / math.sqrt(w.size)
    variance = abs(w.var() / std**2 - 1) < 4 * math.sqrt(2 / w.size)
    distance = stats.kstest(w, stats.norm(0, std).cdf).statistic < 1.95 / math.sqrt(w.size)
    return bool(mean and variance and distance)


@pytest.mark.parametrize("name", STANDARD_DEVIATIONS)
def test_weights_follow_the_normal_of_the_documented_scale(name: str) -> None:
    w = INITIALIZERS[name](1, "layers/0/weight", (FAN_IN, FAN_OUT))
    assert _follows(w, STANDARD_DEVIATIONS[name])


@pytest.mark.parametrize("name", STANDARD_DEVIATIONS)
def test_the_check_refuses_what_is_wrong(name: str) -> None:
    std = STANDARD_DEVIATIONS[name]
    w = INITIALIZERS[name](1, "layers/0/weight", (FAN_IN, FAN_OUT))
    uniform = np.random.default_rng(0).uniform(-1, 1, w.shape) * std * 3**0.5
    others = [s for other, s in STANDARD_DEVIATIONS.items() if other != name]
    assert not _follows(w, std**2)
    assert not _follows(w + std / 50, std)
    assert not _follows(uniform, std)
    assert not any(_follows(w, other) for other in others)
    assert not _follows(INITIALIZERS[name](1, "layers/0/weight", (5, FAN_OUT)), std) or name == (
        "simple"
    )


@pytest.mark.parametrize("name", STANDARD_DEVIATIONS)
def test_weights_are_the_streams_normals_of_domain_init_at_step_0(name: str) -> None:
    path, shape = "layers/3/weight", (7, 5)
    z = standard_normal(leaf_key(9, path, 0, domain="init"), shape)
    fan_in_scale = {
        "simple": 0.1,
        "he": (2 / 7) ** 0.5,
        "random-walk": (2 / 7) ** 0.5 * math.exp(1.2 / 4.6),
    }
    np.testing.assert_allclose(
        INITIALIZERS[name](9, path, shape), fan_in_scale[name] * z, rtol=1e-6
    )


def test_random_walk_takes_a_width_below_6_as_6() -> None:
    w = initializers.random_walk()(0, "w", (3, 50))
    z = standard_normal(leaf_key(0, "w", 0, domain="init"), (3, 50))
    np.testing.assert_allclose(w, z * (2 / 3) ** 0.5 * math.exp(1.2 / 3.6), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", [5, (5, 6)], ids=["solo", "ensemble"])
@pytest.mark.parametrize("name", INITIALIZERS)
def test_the_bits_are_those_of_numpy(library: Any, name: str, seed: Any, dtype: str) -> None:
    xp = library.xp
    w = INITIALIZERS[name](
        seed, "w", (6, 5), xp=xp, dtype=getattr(xp, dtype), device=library.device
    )
    expected = INITIALIZERS[name](seed, "w", (6, 5), dtype=np.dtype(dtype))
    assert w.dtype == getattr(xp, dtype)
    assert library.numpy(w).tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", INITIALIZERS)
def test_float16_is_float32_rounded_once(name: str) -> None:
    wide = INITIALIZERS[name](2, "w", (40, 30))
    narrow = INITIALIZERS[name](2, "w", (40, 30), dtype=np.dtype(np.float16))
    assert wide.dtype == np.float32
    np.testing.assert_array_equal(narrow, wide.astype(np.float16), strict=True)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_replica_r_is_the_solo_run_with_seed_r(name: str) -> None:
    seeds = (3, 0, 2**40 + 1)
    together = INITIALIZERS[name](seeds, "w", (4, 5))
    alone = [INITIALIZERS[name](s, "w", (4, 5)) for s in seeds]
    np.testing.assert_array_equal(together, np.stack(alone), strict=True)
    assert name == "zero" or not np.any(together[0] == together[1])


def test_zero_is_zero() -> None:
    w = INITIALIZERS["zero"]((1, 2), "w", (4, 5))
    assert w.shape == (2, 4, 5)
    assert not w.any()


def _log_norms(initializer: initializers.Initializer, width: int, replicas: int) -> Any:
    """Return, for each replica, how much 99 layers change the log-norm of a gradient."""
    depth = 100
    params = mlp.init(initializer, range(replicas), [width] * (depth + 2))
    random = np.random.default_rng(width)
    x, dlogits = random.standard_normal((2, replicas, 1, width)).astype(np.float32)
    grads, _ = mlp.backward(params, mlp.forward(params, x)[1], dlogits)
    # For a batch of one, a bias's gradient is the back-propagated gradient at its layer.
    first, last = (
        np.linalg.norm(grads["layers"][i]["bias"].astype(np.float64), axis=-1)
        for i in (0, depth - 1)
    )
    return np.log(first) - np.log(last)


@pytest.mark.parametrize(("width", "replicas"), [(20, 100), (50, 60)])
def test_random_walk_keeps_the_log_norm_of_the_gradient_from_drifting(
    width: int, replicas: int
) -> None:
    change = _log_norms(initializers.random_walk(), width, replicas)
    error = change.std() / math.sqrt(replicas)
    assert abs(change.mean()) < 3 * error

    # Without the correction of g it falls by about 1.25 / width a layer, many standard errors.
    change = _log_norms(initializers.he_normal(), width, replicas)
    assert change.mean() < -10 * error
    assert change.mean() == pytest.approx(-99 * 1.25 / width, abs=5 * error)

    # g = 1, far too small.
    change = _log_norms(initializers.gaussian(std=width**-0.5), width, replicas)
    assert change.mean() < -100 * error


@pytest.mark.parametrize("width", [20, 50, 200, 1000])
def test_the_drift_agrees_with_the_exact_expectation(width: int) -> None:
    # With k of the units active, |delta|**2 is multiplied by std**2 chi2_k a layer, and
    # E log chi2_k = digamma(k / 2) + log 2.
    k = np.arange(1, width + 1)
    active = stats.binom.pmf(k, width, 0.5)
    expected_log = np.sum(active * (special.digamma(k / 2) + math.log(2))) / np.sum(active)

    def drift(initializer: initializers.Initializer) -> float:
        z = standard_normal(leaf_key(0, "w", 0, domain="init"), (width, 1))
        std = float(initializer(0, "w", (width, 1))[0, 0] / z[0, 0])
        return float(math.log(std**2) + expected_log) / 2

    # 1.2 in the formula of g stands for 1.25, so up to 0.05 / width is left: 1 % in 200 layers of
    # width 1000.
    assert abs(drift(initializers.random_walk())) < 0.055 / width
    assert drift(initializers.he_normal()) == pytest.approx(-1.25 / width, rel=0.15)


@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf])
def test_a_standard_deviation_must_be_finite_and_not_negative(bad: float) -> None:
    with pytest.raises(ValueError, match=r"`std` must be a finite number >= 0, got"):
        initializers.gaussian(bad)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_integer_and_complex_weights_are_refused_by_path(name: str) -> None:
    for bad in (np.dtype(np.int32), np.dtype(np.complex64)):
        with pytest.raises(ValueError, match=r"`dtype` must be a real floating.*layers/0/weight"):
            INITIALIZERS[name](0, "layers/0/weight", (2, 3), dtype=bad)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_seeds_outside_64_bits_are_refused(name: str) -> None:
    for bad in (-1, 2**64, (0, 2**64)):
        with pytest.raises(ValueError, match=r"must be in \[0, 2\*\*64\)"):
            INITIALIZERS[name](bad, "w", (2, 3))


@pytest.mark.parametrize("name", ["he", "random-walk"])
@pytest.mark.parametrize("shape", [(3,), (0, 3)])
def test_fan_in_must_be_known(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"`shape` must be .*fan_in.*'b'"):
        INITIALIZERS[name](0, "b", shape)
