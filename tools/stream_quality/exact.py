"""A sample against the standard normal distribution itself, without approximation of it.

The Kolmogorov distance sup |F_n(x) - Phi(x)| is known within two bounds that always hold. On the
borders of the cells it is exact, which makes the lower one. Within a cell from a to b both F_n and
Phi only rise, so that there neither F_n(x) - Phi(x) is above F_n(b) - Phi(a) nor Phi(x) - F_n(x)
above Phi(b) - F_n(a), which makes the upper one. They differ by at most the mass of a cell,
2**-20 / sqrt(2 pi) = 3.8e-7, or 4 % of the distance that is to be expected of 1e10 values.
"""

import math
from typing import Any

import numpy as np
from scipy.special import kolmogorov, ndtr
from scipy.stats import binom

from .tally import EDGE, PER_UNIT, POWERS, Tally

__all__ = ["ALPHA", "checks", "distance", "moments", "passed", "tails"]

#: A p-value below this fails. Of the 19, one falls below it by chance in 5,000 samples.
ALPHA = 1e-5
BEYOND = (3.0, 4.0, 5.0, 5.5, 6.0)


def checks(found: Tally) -> dict[str, Any]:
    """Return the findings on a sample, and whether all of them pass."""
    out = {"kolmogorov": distance(found), "moments": moments(found), "tails": tails(found)}
    return {**out, "alpha": ALPHA, "passed": passed(out)}


def passed(findings: dict[str, Any]) -> bool:
    """Whether no p-value is below `ALPHA`; one that is not a number is no pass."""
    p = [row["p"] for row in (*findings["moments"], *findings["tails"])]
    return all(x >= ALPHA for x in (findings["kolmogorov"]["p_at_least"], *p))


def distance(found: Tally) -> dict[str, float]:
    """Return the Kolmogorov distance and its p-value, each as its two bounds."""
    below = np.concatenate([[0], np.cumsum(found.cells)]) / found.size
    phi = ndtr(np.arange(below.size) / PER_UNIT - EDGE)
    phi[0], phi[-1] = 0.0, 1.0  # the outermost cells have no end
    low = float(np.max(np.abs(below - phi)))
    high = float(max(np.max(below[1:] - phi[:-1]), np.max(phi[1:] - below[:-1])))
    root = math.sqrt(found.size)
    return {
        "at_least": low,
        "at_most": high,
        "p_at_least": float(kolmogorov(root * high)),
        "p_at_most": float(kolmogorov(root * low)),
    }


def moments(found: Tally) -> list[dict[str, float]]:
    """Return the raw moments 1 to 8 with z-scores by their exact standard errors."""
    rows = []
    for order in range(1, POWERS + 1):
        expected = _moment(order)
        error = math.sqrt((_moment(2 * order) - expected**2) / found.size)
        value = found.sums[order - 1] / found.size
        z = (value - expected) / error
        row = {"order": order, "value": value, "expected": expected, "standard_error": error}
        rows.append({**row, "z": z, "p": math.erfc(abs(z) / math.sqrt(2))})
    return rows


def _moment(order: int) -> int:
    """Return E z**order: (order - 1)!! for an even order."""
    return 0 if order % 2 else math.prod(range(1, order, 2))


def tails(found: Tally) -> list[dict[str, Any]]:
    """Return the counts below -x and from x on, with exact binomial p-values of both sides."""
    rows = []
    for x in BEYOND:
        border = int((EDGE - x) * PER_UNIT)
        probability = float(ndtr(-x))
        for side, cells in (("below", found.cells[:border]), ("above", found.cells[-border:])):
            count = int(cells.sum())
            fewer = binom.cdf(count, found.size, probability)
            more = binom.sf(count - 1, found.size, probability)
            row = {"beyond": x, "side": side, "count": count, "expected": found.size * probability}
            rows.append({**row, "p": min(1.0, 2 * float(min(fewer, more)))})
    return rows
