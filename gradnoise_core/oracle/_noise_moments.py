"""Mean, variance at each step and on each leaf, skewness and kurtosis of the noise."""

from typing import Any

import numpy as np

from gradnoise_core.oracle._evidence import Evidence, chi_square, normal
from gradnoise_core.oracle._laws import explain
from gradnoise_core.oracle._noise_sample import Sample

__all__ = ["higher_moments", "mean", "scale", "spread"]


def mean(sample: Sample, z: Any) -> Evidence:
    """Claim that the mean is 0: in each call, on each leaf, and at each element over the calls."""
    steps, paths = sample.plan.steps, sample.plan.like.paths
    calls, n = z.shape
    leaves = [np.sum(z[:, s]) / np.sqrt(calls * (s.stop - s.start)) for s in sample.plan.slices]
    scores = np.concatenate(
        [np.sum(z, 1) / np.sqrt(n), leaves, np.sum(z, 0) / np.sqrt(calls), [z.sum() / z.size**0.5]]
    )

    def describe(i: int) -> tuple[str, str]:
        if i < calls:
            where = f"at t = {steps[i]}"
        elif i < calls + len(paths):
            where = f"on leaf {paths[i - calls]!r}"
        elif i < scores.size - 1:
            where = f"at {place(sample, i - calls - len(paths))}"
        else:
            where = "over all"
        return f"{scores[i]:+.3g} standard errors {where}", "0"

    def cause() -> str:
        if np.min(z) >= 0 or np.max(z) <= 0:
            return "the noise has one sign only"
        return ""

    return Evidence("its mean is 0", normal(scores), describe, cause)


def scale(sample: Sample, eta: float | None, gamma: float | None) -> Evidence:
    """Claim that the variance is the law's at each step, on gradients that are 0.

    There a wrong mean does not count as variance; `additive` judges the others.
    """
    quiet = np.flatnonzero(sample.kinds == "zero")
    steps = [sample.plan.steps[k] for k in quiet]
    z = sample.z[quiet]
    n = z.shape[1]
    ratios = np.mean(z * z, axis=1)

    def describe(i: int) -> tuple[str, str]:
        return f"{ratios[i]:.4g} of what is due at t = {steps[i]}", f"1 +- {8 * np.sqrt(2 / n):.2g}"

    def cause() -> str:
        if eta is None or gamma is None:
            return "" if np.any(z) else "it is zero: no noise reaches the result"
        variances = [float(r) for r in ratios * sample.plan.sigmas[quiet] ** 2]
        return explain(steps, variances, eta, gamma, 8.0 * np.sqrt(2 / n))

    name = "its variance is the law's" if eta is None else "its variance is eta / (1 + t)**gamma"
    return Evidence(f"{name} at each t", chi_square(ratios * n, n), describe, cause)


def spread(sample: Sample, z: Any) -> Evidence:
    """Claim that the variance is the same on each leaf, and at each element over the calls."""
    paths, slices = sample.plan.like.paths, sample.plan.slices
    squares = z * z
    calls = len(z)
    totals = np.concatenate([[np.sum(squares[:, s]) for s in slices], np.sum(squares, 0)])
    counts = np.concatenate(
        [[calls * (s.stop - s.start) for s in slices], np.full(z.shape[1], calls)]
    )
    p = chi_square(totals, counts)
    leaves = len(paths)

    def describe(i: int) -> tuple[str, str]:
        where = f"leaf {paths[i]!r}" if i < leaves else place(sample, i - leaves)
        return f"{totals[i] / counts[i]:.4g} of what is due on {where}", "1"

    def cause() -> str:
        silent = [path for path, total in zip(paths, totals, strict=False) if total == 0.0]
        if 0 < len(silent) < leaves:
            return f"no noise reaches {', '.join(map(repr, silent))}"
        still = np.flatnonzero(totals[leaves:] == 0.0)
        if 0 < still.size < z.shape[1] and not silent:
            return f"no noise reaches {place(sample, int(still[0]))} and {still.size - 1} others"
        return ""

    return Evidence("its variance is the same on all leaves and elements", p, describe, cause)


def higher_moments(sample: Sample, z: Any) -> Evidence:
    """Claim that the third and fourth moments are a normal's, by Hermite polynomials."""
    squares = z * z
    third = np.sum((squares - 3.0) * z) / np.sqrt(6.0 * z.size)
    fourth = np.sum(squares * squares - 6.0 * squares + 3.0) / np.sqrt(24.0 * z.size)
    scores = np.asarray([third, fourth])
    values = (float(np.mean(squares * z)), float(np.mean(squares * squares)))

    def describe(i: int) -> tuple[str, str]:
        name, due = (("third", "0"), ("fourth", "3"))[i]
        return f"{name} moment {values[i]:.4g}, {scores[i]:+.3g} standard errors off", due

    def cause() -> str:
        if abs(values[1] - 1.8) < 0.05:
            return "it is uniform, or nearly so"
        if scores[1] < -5:
            return "its tails are too short: is it truncated, clipped, or a sum of few numbers?"
        if scores[1] > 5:
            return "its tails are too long: is it Laplace's, or a mixture of scales?"
        return ""

    p = normal(scores, longer_tails=True)
    return Evidence("its third and fourth moments are a normal's", p, describe, cause)


def place(sample: Sample, element: int) -> str:
    """Return where an element lies, in words."""
    for path, s in zip(sample.plan.like.paths, sample.plan.slices, strict=True):
        if element < s.stop:
            return f"element {element - s.start} of {path!r}"
    message = f"there is no element {element}"
    raise IndexError(message)
