"""The restart of the lowest training error, how far to trust it, and exact tests of pairs."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gradnoise_core.typing import Array
from gradnoise_reference_models.experiments.bootstrap import LEVEL, RESAMPLES, Interval

__all__ = [
    "Restarts",
    "chosen",
    "difference_interval",
    "interval",
    "mean",
    "sign_flip_test",
]


class Restarts(NamedTuple):
    """The restarts of one setting on one task, by seed.

    Attributes
    ----------
    order : integer array of shape (R,)
        Place of each restart by training error, then training loss, then seed: 0 is chosen.
    values : array of shape (R,)
        What is looked at: an error.
    """

    order: Array
    values: Array


#: `chosen` or `mean`.
Reduce = Callable[[Sequence[Restarts]], float]


def chosen(tasks: Sequence[Restarts]) -> float:
    """Return the mean over tasks of the value of the restart that was chosen for each."""
    return float(np.mean([task.values[np.argmin(task.order)] for task in tasks]))


def mean(tasks: Sequence[Restarts]) -> float:
    """Return the mean over tasks of the mean over restarts."""
    return float(np.mean([np.mean(task.values) for task in tasks]))


def interval(tasks: Sequence[Restarts], reduce: Reduce) -> Interval | None:
    """Return the percentile bootstrap interval, at 95 %, of ``reduce(tasks)``.

    The restarts of each task are resampled in themselves; the choice is made anew in each resample.

    Parameters
    ----------
    tasks : sequence of Restarts
    reduce : callable
        `chosen` or `mean`.

    Returns
    -------
    Interval or None
        None if a task has one restart only.
    """
    return _interval([tasks], reduce)


def difference_interval(
    tasks: Sequence[Restarts], others: Sequence[Restarts], reduce: Reduce
) -> Interval | None:
    """Return that of the difference, ``reduce(tasks) - reduce(others)``, of pairs.

    Restarts of the same seed are resampled together, for they start alike and see the same
    examples.

    Raises
    ------
    ValueError
        If the restarts are not as many.
    """
    if [len(t.values) for t in tasks] != [len(o.values) for o in others]:
        message = "`others` must have as many restarts of each task as `tasks`, got others."
        raise ValueError(message)
    return _interval([tasks, others], reduce)


def sign_flip_test(differences: Sequence[int]) -> float:
    """Return the exact two-sided p-value of paired differences, which are integers.

    If it made no difference which of a pair is which, every sign of every difference would be as
    likely as the other: p is the share of the 2**n assignments of signs for which the sum is at
    least as far from 0 as it is. All of them are counted, by the distribution of the sum.

    Parameters
    ----------
    differences : sequence of int
        As in numbers of wrong answers.

    Raises
    ------
    TypeError
        If they are no integers.

    References
    ----------
    Fisher, The design of experiments (1935), section 21.

    Examples
    --------
    >>> sign_flip_test([3, 1, 2, 5, 1])
    0.0625
    """
    values = np.asarray(differences)
    if values.size == 0:
        return 1.0
    if values.dtype.kind not in "iu":
        message = f"`differences` must be integers, got dtype {values.dtype}. Count wrong answers."
        raise TypeError(message)
    sizes = np.abs(values[values != 0].astype(np.int64))
    total = int(sizes.sum())
    chance = np.ones(1)
    for size in sizes.tolist():  # of the sum of the sizes whose sign is +
        longer = np.zeros(len(chance) + size)
        longer[: len(chance)] += 0.5 * chance
        longer[size:] += 0.5 * chance
        chance = longer
    sums = np.abs(2 * np.arange(total + 1) - total)
    return float(min(1.0, chance[sums >= abs(int(values.sum()))].sum()))


def _interval(arms: Sequence[Sequence[Restarts]], reduce: Reduce) -> Interval | None:
    """Return the interval of `reduce` of the first arm, less that of the second if there is one."""
    counts = [len(task.values) for task in arms[0]]
    if not counts or min(counts) < 2:
        return None
    rng = np.random.default_rng(0)  # the same runs have the same interval
    drawn = [rng.integers(0, n, (RESAMPLES, n)) for n in counts]
    found = [_resampled(tasks, drawn, reduce is chosen) for tasks in arms]
    statistic = found[0] if len(found) == 1 else found[0] - found[1]
    tail = (1.0 - LEVEL) / 2
    low, high = np.quantile(statistic, [tail, 1.0 - tail])
    return Interval(float(low), float(high))


def _resampled(tasks: Sequence[Restarts], drawn: Sequence[Array], choose: bool) -> Array:
    """Return the statistic of each resample, (RESAMPLES,)."""
    total = np.zeros(RESAMPLES)
    for task, rows in zip(tasks, drawn, strict=True):
        values = task.values[rows]
        if choose:
            best = np.argmin(task.order[rows], axis=-1)
            total += np.take_along_axis(values, best[:, None], axis=-1)[:, 0]
        else:
            total += values.mean(axis=-1)
    return total / len(tasks)
