"""The process that measures: ``python -m benchmarks.worker TASK OUT``, both JSON.

Its environment sets the threads before anything is imported; it pins itself to its cores first.
"""

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import environment

if TYPE_CHECKING:
    from benchmarks.records import Found
    from benchmarks.task import Task

__all__ = ["main"]


def main(task_text: str, out: str) -> None:
    """Measure one task and write what is found."""
    data = json.loads(task_text)
    environment.pin(data["threads"])

    from benchmarks.place import Absent
    from benchmarks.records import Found, Note
    from benchmarks.task import Task

    task = Task(**data)
    try:
        found = _measure(task)
    except Absent as absence:
        found = Found(absent=[Note(task.label, str(absence))])
    Path(out).write_text(json.dumps(dataclasses.asdict(found)), "utf-8")


def _measure(task: "Task") -> "Found":
    from benchmarks import first_call, machine, memory, timed
    from benchmarks.place import open_place, wrong_numba
    from benchmarks.records import Found, Note
    from benchmarks.task import MACHINE

    if task.section == MACHINE:
        return machine.run(task)
    if task.of.how == "first-call":
        found = first_call.run(task)
    else:
        place = open_place(task.on, task.device, task.threads)
        found = (memory if task.of.how == "memory" else timed).run(task, place)
    wrong = wrong_numba(task.on) if _ours(found) else None
    if wrong:
        return Found(failed=[*found.failed, Note(task.label, f"figures discarded: {wrong}")])
    return found


def _ours(found: "Found") -> bool:
    """Return whether anything of ours was measured."""
    records: list[Any] = [*found.times, *found.memory, *found.first_calls]
    return any(record.ours for record in records)


if __name__ == "__main__":
    main(*sys.argv[1:])
