"""The trials of memory networks as rows: a procedure, an arm, and the restarts of each task."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from gradnoise_core.typing import Array
from gradnoise_reference_models.experiments._restarts import Restarts
from gradnoise_reference_models.experiments.table2 import ARMS, JOINT, PROCEDURES, TASKS
from gradnoise_reference_models.runner import Record

__all__ = ["FIGURES", "OF_ARM", "Cell", "Row", "labels", "rows"]

#: The errors that a restart has.
FIGURES = ("train", "validation", "test")

#: What an arm may decide.
OF_ARM = ("eta", "gamma")

#: Of a setting and its conditions: the row's place in the table, and what the task decides.
_PLACE = ("task", "procedure", "arm", "data_sha256")


@dataclass(frozen=True)
class Cell:
    """The restarts of a task under one procedure and arm, by seed."""

    records: Sequence[Record]

    @property
    def seeds(self) -> list[int]:
        """Seed of each restart."""
        return [record.seed for record in self.records]

    @property
    def diverged(self) -> int:
        """How many restarts ended in numbers that are not finite: their errors are 100 %."""
        return sum(record.status == "diverged" for record in self.records)

    @cached_property
    def order(self) -> Array:
        """Place of each restart by training error, then training loss, then seed."""
        losses = np.asarray([r.metrics["train_loss"] for r in self.records])
        losses = np.where(np.isnan(losses), np.inf, losses)
        ranked = np.lexsort((np.asarray(self.seeds), losses, self.wrong("train")))
        return np.argsort(ranked)

    def wrong(self, figure: str) -> Array:
        """Return how many answers of each restart are wrong."""
        n = self.answers(figure)
        return np.asarray([round(r.metrics[f"{figure}_error"] * n) for r in self.records])

    def answers(self, figure: str) -> int:
        """Return how many answers an error is of."""
        return int(self.records[0].metrics[f"{figure}_answers"])

    def restarts(self, figure: str) -> Restarts:
        """Return the errors in %."""
        return Restarts(self.order, 100.0 * self.wrong(figure) / self.answers(figure))


@dataclass(frozen=True)
class Row:
    """An arm under one procedure: a cell a task. `variant` is what else the runs have in common."""

    procedure: str
    arm: str
    variant: Mapping[str, Any]
    cells: Mapping[str, Cell] = field(repr=False)

    def restarts(self, figure: str, tasks: Iterable[str] | None = None) -> list[Restarts]:
        """Return the errors in % for each of the tasks; of all by default."""
        return [self.cells[task].restarts(figure) for task in (tasks or self.cells)]


def rows(records: Iterable[Record]) -> list[Row]:
    """Return the rows, in the order of the paper's table; trials that failed have no result."""
    found: dict[str, list[Record]] = {}
    for record in records:
        if record.status != "failed":
            where = record.setting["procedure"], record.setting["arm"], _variant(record)
            found.setdefault(json.dumps(where, sort_keys=True), []).append(record)
    return sorted(map(_row, found.values()), key=_order)


def labels(table: Sequence[Row]) -> list[tuple[str, str]]:
    """Return each row's procedure and arm in words, with what tells it from rows like it."""
    return [
        (
            "; ".join([row.procedure, *_differences(table, row, of_arm=False)]),
            "; ".join([row.arm, *_differences(table, row, of_arm=True)]),
        )
        for row in table
    ]


def _variant(record: Record) -> dict[str, Any]:
    whole = {**record.setting, **record.conditions}
    return {name: value for name, value in whole.items() if name not in _PLACE}


def _row(records: Sequence[Record]) -> Row:
    tasks: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda r: r.seed):
        tasks.setdefault(record.setting["task"], []).append(record)
    first = records[0]
    return Row(
        procedure=first.setting["procedure"],
        arm=first.setting["arm"],
        variant=_variant(first),
        cells={task: Cell(tasks[task]) for task in (*TASKS, JOINT) if task in tasks},
    )


def _order(row: Row) -> tuple[Any, ...]:
    arm = ARMS.index(row.arm) if row.arm in ARMS else len(ARMS)
    variant = [str(row.variant[name]) for name in sorted(row.variant)]
    return list(PROCEDURES).index(row.procedure), arm, row.variant["eta"], variant


def _differences(table: Sequence[Row], row: Row, *, of_arm: bool) -> list[str]:
    """Return what differs among the rows of the same procedure and arm, as ``hops 1``."""
    same = [r for r in table if (r.procedure, r.arm) == (row.procedure, row.arm)]
    return [
        f"{name.replace('_', ' ')} {value}"
        for name, value in sorted(row.variant.items())
        if (name in OF_ARM) == of_arm and any(r.variant.get(name) != value for r in same)
    ]
