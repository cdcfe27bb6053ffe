"""The table of an experiment whose arms are compared by test accuracy: ours beside the paper's."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gradnoise_reference_models.experiments.bootstrap import Interval, best_interval, mean_interval
from gradnoise_reference_models.experiments.report import LAST
from gradnoise_reference_models.experiments.table1 import ARMS, EXPERIMENTS, Paper, paper
from gradnoise_reference_models.runner import Record

__all__ = ["COLUMNS", "NOTE", "Row", "csv_of", "json_of", "labels", "rows"]

#: What the columns mean.
NOTE = (
    "Test accuracy in %: best and average are over the runs, at the last epoch, runs that diverged "
    "included. Intervals are bootstrapped at 95 %, each learning rate resampled in itself. The "
    f"median is each run's over its last {LAST} epochs, averaged over the runs. The paper's "
    "figures are over 40 runs on MNIST."
)

COLUMNS = (
    "experiment",
    "setting",
    "runs",
    "diverged",
    "best",
    "best from",
    "best to",
    "average",
    "average from",
    "average to",
    "median",
    "average by rate",
    "paper best",
    "paper average",
)

#: Of a setting: the row's place in the table, and what that decides.
_PLACE = ("experiment", "arm", "learning_rate", "init", "clip", "hidden_layers")

#: What an arm may decide.
_OF_ARM = ("eta", "gamma", "dropout_rate")


@dataclass(frozen=True)
class Row:
    """An arm of an experiment, over its runs at all learning rates; accuracies are in %.

    `variant` is what else the runs have in common, `by_rate` the accuracies at each rate.
    """

    experiment: str
    arm: str
    variant: Mapping[str, Any]
    by_rate: Mapping[float, Sequence[float]]
    diverged: int
    median: float
    records: Sequence[Record] = field(repr=False)

    @property
    def values(self) -> list[float]:
        """The accuracies of all runs."""
        return [value for group in self.by_rate.values() for value in group]

    @property
    def best(self) -> tuple[float, Interval | None]:
        """The best run, and its interval."""
        return max(self.values), best_interval(list(self.by_rate.values()))

    @property
    def average(self) -> tuple[float, Interval | None]:
        """The average, and its interval."""
        return _mean(self.values), mean_interval(list(self.by_rate.values()))

    @property
    def paper(self) -> Paper | None:
        """The paper's figures, if it has some."""
        return paper(self.experiment, self.arm)


def rows(records: Iterable[Record]) -> list[Row]:
    """Return the rows, in the order of the paper's table; trials that failed have no result."""
    cells: dict[str, list[Record]] = {}
    for record in records:
        if record.status != "failed":
            where = record.setting["experiment"], record.setting["arm"], _variant(record)
            cells.setdefault(json.dumps(where, sort_keys=True), []).append(record)
    return sorted(map(_row, cells.values()), key=_order)


def labels(table: Sequence[Row]) -> list[tuple[str, str]]:
    """Return each row's experiment and arm in words, with what tells it from rows like it."""
    return [
        (
            "; ".join([EXPERIMENTS[row.experiment].label, *_differences(table, row, of_arm=False)]),
            "; ".join([row.arm, *_differences(table, row, of_arm=True)]),
        )
        for row in table
    ]


def csv_of(table: Sequence[Row]) -> bytes:
    """Return the table as CSV; what is in the settings comes after the figures."""
    names = sorted({name for row in table for name in row.variant})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *(name.replace("_", " ") for name in names)])
    for label, row in zip(labels(table), table, strict=True):
        figures = [f"{x:.2f}" if isinstance(x, float) else x for x in _cells(label, row)]
        writer.writerow([*figures, *(row.variant.get(name) for name in names)])
    return text.getvalue().encode()


def json_of(table: Sequence[Row], about: Mapping[str, Any]) -> bytes:
    """Return the table as JSON, with what `about` says of the run."""
    found = [
        dict(zip(COLUMNS, _cells(label, row), strict=True)) | {"common": dict(row.variant)}
        for label, row in zip(labels(table), table, strict=True)
    ]
    return (json.dumps({**about, "score": NOTE, "table": found}, indent=1) + "\n").encode()


def _variant(record: Record) -> dict[str, Any]:
    kept = {k: v for k, v in record.setting.items() if k not in _PLACE}
    return {**kept, **record.conditions}


def _row(records: Sequence[Record]) -> Row:
    by_rate: dict[float, list[float]] = {}
    for record in sorted(records, key=lambda r: (-r.setting["learning_rate"], r.seed)):
        percent = 100.0 * record.metrics["test_accuracy"]
        by_rate.setdefault(float(record.setting["learning_rate"]), []).append(percent)
    return Row(
        experiment=records[0].setting["experiment"],
        arm=records[0].setting["arm"],
        variant=_variant(records[0]),
        by_rate=by_rate,
        diverged=sum(record.status == "diverged" for record in records),
        median=100.0 * _mean([record.metrics["median_test_accuracy"] for record in records]),
        records=records,
    )


def _order(row: Row) -> tuple[Any, ...]:
    arm = ARMS.index(row.arm) if row.arm in ARMS else len(ARMS)
    variant = [row.variant[name] for name in sorted(row.variant)]
    return list(EXPERIMENTS).index(row.experiment), arm, row.arm, variant


def _differences(table: Sequence[Row], row: Row, *, of_arm: bool) -> list[str]:
    """Return what differs among the rows of the same experiment and arm, as ``batch size 25``."""
    same = [r for r in table if (r.experiment, r.arm) == (row.experiment, row.arm)]
    return [
        f"{name.replace('_', ' ')} {value}"
        for name, value in sorted(row.variant.items())
        if (name in _OF_ARM) == of_arm and any(r.variant.get(name) != value for r in same)
    ]


def _cells(label: tuple[str, str], row: Row) -> list[Any]:
    """Return the figures under `COLUMNS`."""
    (best, best_in), (average, average_in) = row.best, row.average
    return [
        *label,
        len(row.values),
        row.diverged,
        best,
        *(best_in or (None, None)),
        average,
        *(average_in or (None, None)),
        row.median,
        ", ".join(f"{_mean(values):.1f} at {rate:g}" for rate, values in row.by_rate.items()),
        *(row.paper or (None, None)),
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
