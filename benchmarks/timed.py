"""Contestants timed in turn at each size, or at each number of leaves, or of runs, of one size."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks.place import Place
from benchmarks.records import Found, Note, Ratio, Time
from benchmarks.sections import contestants
from benchmarks.summary import ratios, summarize
from benchmarks.task import Task
from benchmarks.timing import CLOCKS, Call, Samples, alternate, warm_up
from benchmarks.work import Contestant, Work

__all__ = ["Entry", "pairs", "run"]


class Entry(NamedTuple):
    """A contestant at a number of leaves."""

    contestant: Contestant
    leaves: int = 1

    @property
    def label(self) -> str:
        """A name that is unique among what is timed in turn."""
        return f"{self.contestant.name}, leaves: {self.leaves}"


def run(task: Task, place: Place) -> Found:
    """Return the times and ratios of a section."""
    found = Found()
    everyone = contestants(task.of, place.library)
    for size in task.sizes:
        leaves = task.leaves if task.of.how in ("leaves", "replicas") else [1]
        entries = [Entry(c, n) for n in leaves if n <= size for c in everyone]
        calls = dict(_ready(task, place, size, entries, found))
        entries = [e for e in entries if e.label in calls]
        if entries:
            _measure(task, place, size, entries, calls, found)
    return found


def pairs(entries: Sequence[Entry]) -> list[tuple[Entry, Entry]]:
    """Return whose times are divided: ours by each peer's, and many leaves by one."""
    out = []
    for a, b in itertools.product(entries, entries):
        peer = a.contestant.ours and not b.contestant.ours and a.leaves == b.leaves
        alone = a.contestant is b.contestant and a.leaves > b.leaves == 1
        if peer or alone:
            out.append((a, b))
    return out


def _ready(
    task: Task, place: Place, size: int, entries: Sequence[Entry], found: Found
) -> Iterator[tuple[str, Call]]:
    """Yield the calls, made and warmed up; one that fails is noted and the others go on."""
    for entry in entries:
        try:
            call = entry.contestant.make(place, Work(size, entry.leaves))
            warm_up(call, place.wait)
        except Exception as error:  # noqa: BLE001 - a compiler or an allocator raises what it likes
            what = f"{task.label}: {entry.label}, size: {size}"
            found.failed.append(Note(what, f"{type(error).__name__}: {error}"[:500]))
        else:
            yield entry.label, call


def _measure(
    task: Task,
    place: Place,
    size: int,
    entries: Sequence[Entry],
    calls: dict[str, Call],
    found: Found,
) -> None:
    compared = pairs(entries)
    labels = [(a.label, b.label) for a, b in compared]
    samples = alternate(calls, place.wait, task.budget, CLOCKS[task.clock], labels)
    found.times += [_time(task, size, entry, samples[entry.label]) for entry in entries]
    found.ratios += [_ratio(task, size, a, b, samples) for a, b in compared]


def _time(task: Task, size: int, entry: Entry, samples: Samples) -> Time:
    return Time(
        task.section,
        task.variant,
        entry.contestant.name,
        entry.contestant.ours,
        size,
        entry.leaves,
        samples.calls,
        summarize(samples.seconds),
    )


def _ratio(task: Task, size: int, a: Entry, b: Entry, samples: dict[str, Samples]) -> Ratio:
    by_round = ratios(samples[a.label].seconds, samples[b.label].seconds)
    return Ratio(
        task.section,
        task.variant,
        a.contestant.name,
        a.leaves,
        b.contestant.name,
        b.leaves,
        size,
        summarize(by_round),
    )
