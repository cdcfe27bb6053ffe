"""The table of an experiment with memory networks: ours beside the papers', task by task."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gradnoise_reference_models.experiments._memory_compare import REDUCTIONS, comparisons
from gradnoise_reference_models.experiments._memory_rows import FIGURES, Row, labels
from gradnoise_reference_models.experiments._restarts import interval
from gradnoise_reference_models.experiments.bootstrap import Interval
from gradnoise_reference_models.experiments.table1 import NO_NOISE
from gradnoise_reference_models.experiments.table2 import JOINT, Paper, paper, published

__all__ = ["COLUMNS", "NOTE", "Line", "csv_of", "json_of", "lines"]

#: What the columns mean.
NOTE = (
    "Errors in % after the last epoch. Best is the restart of the lowest training error (of equal "
    "ones that of the lowest training loss), mean is over all restarts; a restart that diverged "
    "counts as 100 %. Training error is the running one of the last epoch, on examples with random "
    "times before each update; validation and test error are over all held-out questions. "
    "Intervals are bootstrapped at 95 %, the restarts of each task resampled in themselves: they "
    "say nothing of how few the questions are. The paper's figures are means over the tasks of "
    "bAbI, each of the best of 10 restarts of 200 epochs; published are test errors by Sukhbaatar "
    "et al. (2015) without noise, of one task each, and in one stage without random times."
)

COLUMNS = (
    "task",
    "procedure",
    "setting",
    "restarts",
    "diverged",
    *(
        f"{of} {figure}{end}"
        for of in REDUCTIONS
        for figure in FIGURES
        for end in ("", " from", " to")
    ),
    "paper train",
    "paper validation",
    "published test",
)

#: An error in %, and its interval.
Figure = tuple[float, Interval | None]


@dataclass(frozen=True)
class Line:
    """A line of the table: one task, or the mean over several.

    `figures` are by "best" or "mean" and by error.
    """

    task: str
    procedure: str
    setting: str
    restarts: int
    diverged: int
    figures: Mapping[tuple[str, str], Figure]
    paper: Paper | None
    published: float | None
    variant: Mapping[str, Any]

    @property
    def cells(self) -> list[Any]:
        """The figures under `COLUMNS`."""
        figures = [x for value, found in self.figures.values() for x in (value, *(found or _NONE))]
        return [
            self.task,
            self.procedure,
            self.setting,
            self.restarts,
            self.diverged,
            *figures,
            *(self.paper or _NONE),
            self.published,
        ]


_NONE = (None, None)


def lines(table: Sequence[Row]) -> list[Line]:
    """Return the lines: means over tasks first, then the tasks in their order."""
    tasks = list(dict.fromkeys(task for row in table for task in row.cells))
    tasks.sort(key=lambda task: int(task) if task.isdigit() else 0)
    return [*_means(table), *(line for task in tasks for line in _of_task(table, task))]


def csv_of(table: Sequence[Row]) -> bytes:
    """Return the table as CSV; what is in the settings comes after the figures."""
    names = sorted({name for row in table for name in row.variant})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *(name.replace("_", " ") for name in names)])
    for line in lines(table):
        cells = [f"{x:.2f}" if isinstance(x, float) else x for x in line.cells]
        writer.writerow([*cells, *(line.variant.get(name) for name in names)])
    return text.getvalue().encode()


def json_of(table: Sequence[Row], about: Mapping[str, Any]) -> bytes:
    """Return the table and the comparisons as JSON, with what `about` says of the run."""
    found = [
        dict(zip(COLUMNS, line.cells, strict=True)) | {"common": dict(line.variant)}
        for line in lines(table)
    ]
    compared = [
        asdict(comparison) | {"sentence": comparison.sentence} for comparison in comparisons(table)
    ]
    document = {**about, "score": NOTE, "table": found, "comparisons": compared}
    return (json.dumps(document, indent=1) + "\n").encode()


def _means(table: Sequence[Row]) -> Iterator[Line]:
    for (procedure, setting), row in zip(labels(table), table, strict=True):
        if len(row.cells) > 1 or JOINT in row.cells:
            what = JOINT if JOINT in row.cells else f"mean of {len(row.cells)}"
            yield _line(
                what, procedure, setting, row, list(row.cells), paper(row.procedure, row.arm)
            )


def _of_task(table: Sequence[Row], task: str) -> Iterator[Line]:
    for (procedure, setting), row in zip(labels(table), table, strict=True):
        if task in row.cells and task != JOINT:
            # A single task is all there is to set beside the paper's mean.
            ours = paper(row.procedure, row.arm) if len(row.cells) == 1 else None
            yield _line(task, procedure, setting, row, [task], ours)


def _line(
    what: str,
    procedure: str,
    setting: str,
    row: Row,
    tasks: Sequence[str],
    ours: Paper | None,
) -> Line:
    figures: dict[tuple[str, str], Figure] = {}
    for of, reduce in REDUCTIONS.items():
        for figure in FIGURES:
            restarts = row.restarts(figure, tasks)
            figures[of, figure] = reduce(restarts), interval(restarts, reduce)
    cells = [row.cells[task] for task in tasks]
    # Those of a task are of bAbI's own questions.
    comparable = row.arm == NO_NOISE and row.variant["data"] == "babi"
    return Line(
        task=what,
        procedure=procedure,
        setting=setting,
        restarts=max(len(cell.records) for cell in cells),
        diverged=sum(cell.diverged for cell in cells),
        figures=figures,
        paper=ours,
        published=published(row.procedure, what) if comparable else None,
        variant=row.variant,
    )
