"""Does noise help a language model? Each noise against none, seed by seed."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from gradnoise_reference_models._extras import require
from gradnoise_reference_models.experiments._language_rows import Row, labels
from gradnoise_reference_models.experiments.bootstrap import LEVEL, Interval
from gradnoise_reference_models.experiments.language_model import label, percent

__all__ = ["COMPARED", "Comparison", "comparisons", "student_interval"]

#: The figures that are compared.
COMPARED = ("test", "validation")


@dataclass(frozen=True)
class Comparison:
    """How far a noise is above none, in % of the perplexity without: below 0 is better.

    Attributes
    ----------
    title : str
        The text and the network.
    setting : str
        The noise.
    figure : str
        One of `COMPARED`.
    percent : float
        The mean over the pairs; infinite where a run with noise diverged, NaN where one without did.
    interval : Interval or None
        `student_interval` of the pairs; None for one pair, or where the mean is not finite.
    pairs : int
        Seeds that have a run with and one without: they start alike.
    paper : float or None
        The paper's.
    """

    title: str
    setting: str
    figure: str
    percent: float
    interval: Interval | None
    pairs: int
    paper: float | None

    @property
    def sentence(self) -> str:
        """What it came to, in words, with what the interval says."""
        without = label(0.0)
        head = f"{self.title}: {self.figure} perplexity with {self.setting}"
        paper = "" if self.paper is None else f" The paper: {self.paper:+.1f} %."
        if not math.isfinite(self.percent):
            return f"{head} cannot be compared with {without}: a run diverged.{paper}"
        head = f"{head} is {self.percent:+.1f} % beside {without}"
        if self.interval is None:
            return f"{head}; one pair says nothing of how sure that is.{paper}"
        low, high = self.interval
        if low > 0:
            says = "noise does harm here"
        elif high < 0:
            says = "noise helps here"
        else:
            says = "0 is inside: no difference is shown"
        return f"{head} ({self.pairs} pairs, 95 %: {low:+.1f} to {high:+.1f}): {says}.{paper}"


def comparisons(table: Sequence[Row]) -> list[Comparison]:
    """Return every noise against none, where both ran on the same."""
    named = list(zip(labels(table), table, strict=True))
    return [
        _comparison(title, setting, figure, row, base)
        for (title, setting), row in named
        for base in table
        if row.eta and not base.eta and row.variant == base.variant
        if set(row.seeds) & set(base.seeds)
        for figure in COMPARED
    ]


def student_interval(values: Sequence[float]) -> Interval | None:
    """Return Student's interval, at 95 %, of the mean of which a few values are a sample.

    ``mean +- t_{n - 1} s / sqrt(n)``. A bootstrap interval lies within the values: that of three
    which differ by chance from 0 would leave it out each fourth time.

    Returns
    -------
    Interval or None
        None for one value.

    Examples
    --------
    >>> low, high = student_interval([1.0, 2.0, 3.0])
    >>> round(low, 2), round(high, 2)
    (-0.48, 4.48)
    """
    n = len(values)
    if n < 2:
        return None
    stats = require("scipy.stats", purpose="find the intervals")
    quantile = float(stats.t.ppf((1.0 + LEVEL) / 2, n - 1))
    mean, reach = statistics.fmean(values), quantile * statistics.stdev(values) / math.sqrt(n)
    return Interval(mean - reach, mean + reach)


def _comparison(title: str, setting: str, figure: str, row: Row, base: Row) -> Comparison:
    without = dict(zip(base.seeds, base.values(figure), strict=True))
    differences = [
        100.0 * (value / without[seed] - 1.0) if math.isfinite(without[seed]) else math.nan
        for seed, value in zip(row.seeds, row.values(figure), strict=True)
        if seed in without
    ]
    mean = sum(differences) / len(differences)
    return Comparison(
        title,
        setting,
        figure,
        mean,
        student_interval(differences) if math.isfinite(mean) else None,
        len(differences),
        percent(row.eta),
    )
