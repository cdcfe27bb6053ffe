"""Medians and quartiles of times, and of the ratios of times measured in the same round."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Summary", "ratios", "settled", "summarize"]


@dataclass(frozen=True)
class Summary:
    """The median, the quartiles and the number of samples."""

    median: float
    q1: float
    q3: float
    count: int


def summarize(samples: Sequence[float]) -> Summary:
    """Return the median and the quartiles; of one sample, itself.

    Raises
    ------
    ValueError
        If there is no sample.
    """
    if not samples:
        message = "`samples` must hold at least one number, got none."
        raise ValueError(message)
    if len(samples) == 1:
        return Summary(samples[0], samples[0], samples[0], 1)
    q1, median, q3 = statistics.quantiles(samples, n=4, method="inclusive")
    return Summary(median, q1, q3, len(samples))


def ratios(ours: Sequence[float], peer: Sequence[float]) -> list[float]:
    """Return ours over the peer's, round by round.

    What slows a shared machine for a while slows both of a round; the ratio of two medians would
    not know which samples belong together.
    """
    return [a / b for a, b in zip(ours, peer, strict=True)]


def settled(samples: Sequence[float], tolerance: float = 0.005) -> bool:
    """Return whether the standard error of the median is below `tolerance` of it.

    The error is estimated from the quartiles: of n normal samples it is 1.25 standard deviations
    over the root of n, and the quartiles are 1.35 standard deviations apart.
    """
    found = summarize(samples)
    error = 1.25 / 1.35 * (found.q3 - found.q1) / math.sqrt(found.count)
    return error <= tolerance * found.median
