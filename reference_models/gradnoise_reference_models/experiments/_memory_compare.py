"""Does noise help, does the linear start? Restart by restart and task by task."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradnoise_reference_models.experiments._memory_rows import FIGURES, OF_ARM, Row, labels
from gradnoise_reference_models.experiments._restarts import (
    Reduce,
    chosen,
    difference_interval,
    mean,
    sign_flip_test,
)
from gradnoise_reference_models.experiments.bootstrap import Interval
from gradnoise_reference_models.experiments.table1 import ANNEALED, NO_NOISE
from gradnoise_reference_models.experiments.table2 import ARMS, PROCEDURES

__all__ = ["REDUCTIONS", "Comparison", "comparisons"]

#: How the restarts of a task become one figure: by name.
REDUCTIONS: Mapping[str, Reduce] = {"best": chosen, "mean": mean}

#: What a procedure decides.
_OF_PROCEDURE = ("learning_rate", "linear_epochs")

#: Fewer pairs cannot come below p = 0.05, whatever they are.
_FEWEST = 6


@dataclass(frozen=True)
class Comparison:
    """A difference between two arms, or two procedures, in points of error: below 0 is better.

    Attributes
    ----------
    procedure, setting, against : str
        `against` is what the others are: the setting or the procedure that differs.
    figure : str
        "train", "validation" or "test".
    of : str
        "best": the chosen restart of each task; "mean": all restarts.
    tasks : int
    difference : float
    interval : Interval or None
        Bootstrapped at 95 %.
    pairs : int
        Tasks ("best"), or restarts of all tasks ("mean").
    p : float or None
        Of the exact paired test; None where there are too few pairs for it.
    """

    procedure: str
    setting: str
    against: str
    figure: str
    of: str
    tasks: int
    difference: float
    interval: Interval | None
    pairs: int
    p: float | None

    @property
    def sentence(self) -> str:
        """What it came to, in words, with what the interval says."""
        what = {"best": "the chosen restarts", "mean": "all restarts"}[self.of]
        head = (
            f"{self.procedure}, {self.setting}: {self.figure} error of {what} "
            f"{_points(self.difference)} than {self.against}"
        )
        if self.interval is None:
            return f"{head}; one restart says nothing of how sure that is."
        low, high = self.interval
        parts = [f"95 %: {low:+.1f} to {high:+.1f}"]
        if self.p is not None:
            parts.append(f"{self.pairs} pairs, p = {self.p:.2g}")
        sure = low > 0 or high < 0
        says = "0 is outside the interval" if sure else "0 is inside: no difference is shown"
        return f"{head} ({'; '.join(parts)}): {says}."


def comparisons(table: Sequence[Row]) -> list[Comparison]:
    """Return every arm with noise against none, fixed noise against annealed, two stages against one."""
    named = list(zip(labels(table), table, strict=True))
    return [
        comparison
        for label, row in named
        for base in table
        if (against := _against(row, base)) is not None
        for comparison in _of((*label, against), row, base)
    ]


def _against(row: Row, base: Row) -> str | None:
    """Return what a row is compared with a base for, in words; None if it is not."""
    if _alike(row) != _alike(base) or row.arm == base.arm == ANNEALED:
        return None
    if row.procedure == base.procedure:
        # Noise is compared with none, and noise of a constant variance with annealed noise too.
        others = {NO_NOISE: (), ANNEALED: (NO_NOISE,)}.get(row.arm, ARMS)
        return f"with {base.arm}" if base.arm in others else None
    first = next(iter(PROCEDURES))
    if row.arm == base.arm == NO_NOISE and base.procedure == first:
        return f"in {first.replace('-', ' ')}"
    return None


def _alike(row: Row) -> Mapping[str, Any]:
    """Return what two rows have to have in common."""
    return {k: v for k, v in row.variant.items() if k not in (*OF_ARM, *_OF_PROCEDURE)}


def _of(names: tuple[str, str, str], row: Row, base: Row) -> Iterator[Comparison]:
    """Yield the comparisons on the tasks that have the same restarts in both."""
    tasks = [
        task
        for task, cell in row.cells.items()
        if task in base.cells and cell.seeds == base.cells[task].seeds
    ]
    if not tasks:
        return
    for figure in FIGURES:
        ours, theirs = row.restarts(figure, tasks), base.restarts(figure, tasks)
        for of, reduce in REDUCTIONS.items():
            differences = _differences(row, base, figure, tasks, of)
            # Answers of different worth cannot be added up.
            alike = len({row.cells[task].answers(figure) for task in tasks}) == 1
            testable = alike and len(differences) >= _FEWEST
            yield Comparison(
                *names,
                figure,
                of,
                len(tasks),
                reduce(ours) - reduce(theirs),
                difference_interval(ours, theirs, reduce),
                len(differences),
                sign_flip_test(differences) if testable else None,
            )


def _differences(row: Row, base: Row, figure: str, tasks: Sequence[str], of: str) -> list[int]:
    """Return by how many wrong answers each pair differs."""
    out: list[int] = []
    for task in tasks:
        ours, theirs = row.cells[task], base.cells[task]
        wrong, other = ours.wrong(figure), theirs.wrong(figure)
        if of == "best":
            out.append(int(wrong[ours.order.argmin()] - other[theirs.order.argmin()]))
        else:
            out.extend((wrong - other).tolist())
    return out


def _points(difference: float) -> str:
    if round(difference, 1) == 0:
        return "no higher and no lower"
    return f"{abs(difference):.1f} points {'higher' if difference > 0 else 'lower'}"
