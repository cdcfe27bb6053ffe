"""How far the best and the average of a few runs are to be trusted."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gradnoise_core.typing import Array
from gradnoise_reference_models._extras import require

__all__ = ["LEVEL", "RESAMPLES", "Interval", "best_interval", "mean_interval"]

LEVEL, RESAMPLES = 0.95, 9999


class Interval(NamedTuple):
    """From `low` to `high`."""

    low: float
    high: float


def mean_interval(groups: Sequence[Sequence[float]]) -> Interval | None:
    """Return the percentile bootstrap interval, at 95 %, of the mean over all groups.

    Each group is resampled in itself, as it was sampled: the runs at one learning rate are not
    exchanged for those at another.

    Parameters
    ----------
    groups : sequence of sequences of float
        The runs at each rate. Groups without runs are left out.

    Returns
    -------
    Interval or None
        None if a group has one run only, which says nothing of how much runs differ.

    References
    ----------
    Efron & Tibshirani, An introduction to the bootstrap (1993), section 13.3.

    Examples
    --------
    >>> mean_interval([[1.0, 1.0, 1.0], [3.0, 3.0, 3.0]])
    Interval(low=2.0, high=2.0)
    >>> mean_interval([[1.0]]) is None
    True
    """
    return _interval(groups, np.mean)


def best_interval(groups: Sequence[Sequence[float]]) -> Interval | None:
    """Return the percentile bootstrap interval, at 95 %, of the best over all groups.

    No resample is better than the best run, so `high` is the best itself: read the interval as how
    low the best of as many runs may easily be.

    Parameters
    ----------
    groups : sequence of sequences of float
        As for `mean_interval`.

    Examples
    --------
    >>> best_interval([[90.0, 95.0, 10.0], [11.0, 12.0, 13.0]])
    Interval(low=13.0, high=95.0)
    """
    return _interval(groups, np.max)


def _interval(groups: Sequence[Sequence[float]], reduce: Any) -> Interval | None:
    samples = [np.asarray(group, np.float64) for group in groups if len(group)]
    if not samples or min(len(sample) for sample in samples) < 2:
        return None

    def statistic(*resampled: Array, axis: int) -> Array:
        return reduce(np.concatenate(resampled, axis=axis), axis=axis)

    stats = require("scipy.stats", purpose="bootstrap the intervals")
    found = stats.bootstrap(
        samples,
        statistic,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(0),  # the same runs have the same interval
    ).confidence_interval
    return Interval(float(found.low), float(found.high))
