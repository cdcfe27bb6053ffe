"""P-values of statistics of normals, and how a claim is made of them.

Every law is exact, or a bound that holds at every sample size, except where a function says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradnoise_core.oracle._report import Claim
from gradnoise_core.oracle._scipy import special

__all__ = [
    "FALSE_ALARM",
    "Evidence",
    "binomial",
    "chi_square",
    "claims_of",
    "kolmogorov",
    "massart",
    "normal",
    "poisson_above",
]

#: The chance that a right implementation fails a report, at most.
FALSE_ALARM = 1e-9


@dataclass(frozen=True)
class Evidence:
    """The p-values that speak for or against one claim.

    Parameters
    ----------
    name : str
        The claim.
    p : array of float
        How likely a right implementation is to look at least so wrong, for each statistic.
    describe : callable
        ``index -> (what was seen, what is due)`` of one statistic.
    cause : callable
        ``() -> str``: the likeliest mistake, looked for where the claim fails.
    """

    name: str
    p: Any
    describe: Callable[[int], tuple[str, str]]
    cause: Callable[[], str] = str

    def claim(self, share: float) -> Claim:
        """Return the claim, which may fail a right implementation with probability `share`."""
        p = np.ravel(np.asarray(self.p, np.float64))
        p = np.where(np.isnan(p), 0.0, p)  # a statistic that is not a number is no normal's
        worst = int(np.argmin(p))
        corrected = min(1.0, float(p[worst]) * p.size)
        passed = corrected >= share
        seen, due = self.describe(worst)
        return Claim(self.name, passed, seen, due, "" if passed else self.cause(), corrected)


def claims_of(evidence: list[Evidence], false_alarm: float) -> list[Claim]:
    """Return the claims; all of them together give a false alarm at most so often (Bonferroni)."""
    return [e.claim(false_alarm / len(evidence)) for e in evidence]


def normal(x: Any, *, longer_tails: bool = False) -> Any:
    """Return two-sided p-values of statistics that are N(0, 1).

    With `longer_tails` they are so only in the limit of many terms (third and fourth moments,
    products of squares), and are counted as two thirds of their size.
    """
    x = np.abs(np.asarray(x, np.float64))
    return np.minimum(1.0, 2.0 * special().ndtr(-(x / 1.5 if longer_tails else x)))


def chi_square(total: Any, n: Any) -> Any:
    """Return two-sided p-values of sums of squares of n standard normals."""
    total, n = np.asarray(total, np.float64), np.asarray(n, np.float64)
    below, above = special().chdtr(n, total), special().chdtrc(n, total)
    return np.minimum(1.0, 2.0 * np.minimum(below, above))


def binomial(count: Any, n: Any, probability: Any) -> Any:
    """Return two-sided p-values of how many of n trials came out."""
    k, n, p = (np.asarray(x, np.float64) for x in (count, n, probability))
    sp = special()
    at_least = np.where(k > 0, sp.betainc(np.maximum(k, 1.0), n - k + 1.0, p), 1.0)
    at_most = np.where(k < n, sp.betaincc(k + 1.0, np.maximum(n - k, 1.0), p), 1.0)
    return np.minimum(1.0, 2.0 * np.minimum(at_least, at_most))


def poisson_above(count: float, mean: float) -> float:
    """Return how likely a Poisson count of this mean is to be at least `count`."""
    return float(special().gammainc(count, mean)) if count > 0 else 1.0


def kolmogorov(z: Any) -> tuple[float, float]:
    """Return the Kolmogorov distance of z from N(0, 1), and a bound on its p-value."""
    # In float32, which sorts twice as fast: it moves a normal by less than 1e-6.
    u = special().ndtr(np.sort(np.asarray(z, np.float32), axis=None).astype(np.float64))
    n = u.size
    ranks = np.arange(n, dtype=np.float64)
    distance = float(max(np.max((ranks + 1.0) / n - u), np.max(u - ranks / n)))
    return distance, massart(distance, n)


def massart(distance: float, n: int) -> float:
    """Return a bound on the p-value of a Kolmogorov distance of n numbers.

    ``P(D > d) <= 2 exp(-2 n d**2)`` for every n (Massart, 1990).
    """
    return float(min(1.0, 2.0 * np.exp(-2.0 * n * distance**2)))
