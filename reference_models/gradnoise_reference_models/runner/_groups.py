"""Which trials train together."""

from collections.abc import Callable, Iterable, Sequence

from gradnoise_reference_models.runner._frozen import canonical
from gradnoise_reference_models.runner._trial import Trial

__all__ = ["Grouping", "ensembles", "solo"]

#: Sorts trials into the groups that train together.
Grouping = Callable[[Iterable[Trial]], list[tuple[Trial, ...]]]


def solo(trials: Iterable[Trial]) -> list[tuple[Trial, ...]]:
    """Return each trial as a group of its own."""
    return [(trial,) for trial in trials]


def ensembles(size: int, *, across: Sequence[str] = ()) -> Grouping:
    """Return a grouping: trials that differ in nothing but the seed train together.

    Parameters
    ----------
    size : int
        The most that a group holds.
    across : sequence of str
        Names in the setting that may differ within a group too, as ``("eta",)``.

    Examples
    --------
    >>> trials = [Trial("e", {"eta": eta}, seed) for eta in (0.0, 0.01) for seed in range(3)]
    >>> [[t.seed for t in group] for group in ensembles(2)(trials)]
    [[0, 1], [2], [0, 1], [2]]
    >>> [len(group) for group in ensembles(20, across=("eta",))(trials)]
    [6]
    """
    if size < 1:
        message = f"`size` must be at least 1, got {size}."
        raise ValueError(message)

    def grouping(trials: Iterable[Trial]) -> list[tuple[Trial, ...]]:
        alike: dict[str, list[Trial]] = {}
        for trial in trials:
            fixed = {k: v for k, v in trial.setting.items() if k not in across}
            parts = [
                trial.experiment,
                trial.version,
                trial.conditions,
                fixed,
                sorted(trial.setting),
            ]
            alike.setdefault(canonical("trial", parts), []).append(trial)
        return [
            tuple(same[i : i + size]) for same in alike.values() for i in range(0, len(same), size)
        ]

    return grouping
