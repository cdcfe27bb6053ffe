"""A run: a process for each section on each variant; the results are written after every one."""

import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import first_call, memory
from benchmarks.environment import ROOT, child_environment, describe
from benchmarks.place import VARIANTS, missing
from benchmarks.records import SCHEMA, Document, FirstCall, Found, Machine, Note, read
from benchmarks.sections import SECTIONS, contestants
from benchmarks.settings import Settings
from benchmarks.task import MACHINE, Task
from gradnoise_reference_models.runner._limits import KEPT_MEMORY

__all__ = ["kept", "measure"]

#: Processes that a first call with caches is the median of; a cold one is made once.
CACHED = 3


def measure(
    settings: Settings,
    show: Callable[[str, Found, Machine | None], None],
    before: Document | None = None,
) -> Iterator[Document]:
    """Yield the document as it grows, after each process.

    Parameters
    ----------
    settings : Settings
    show : callable
        Called with a task's label, what it found, and the machine's rates.
    before : Document, optional
        A run whose figures of other sections are kept.

    Raises
    ------
    ValueError
        If it was made with other versions, on another machine, or with other settings.
    """
    date = datetime.now(UTC).isoformat(timespec="seconds")
    command, environment, found = settings.command, describe(), Found()
    if before is not None:
        _check_like(before, settings, environment)
        command = f"{before.command}\n{command} --add"
        found = kept(before.found, settings.sections)
    document = Document(SCHEMA, command, date, False, settings.as_dict(), environment, found)
    for label, found in _parts(settings):
        document.found.add(found)
        show(label, found, document.found.rates)
        yield document
    yield dataclasses.replace(document, complete=True)


def kept(found: Found, sections: Sequence[str]) -> Found:
    """Return what was found of other sections than these, and not of the machine."""

    def of_another(record: Any) -> bool:
        section = record.what.split(",")[0] if isinstance(record, Note) else record.section
        return section not in sections

    names = ("times", "ratios", "memory", "first_calls", "absent", "failed")
    return Found(**{name: list(filter(of_another, getattr(found, name))) for name in names})


def _check_like(before: Document, settings: Settings, environment: Mapping[str, str]) -> None:
    """Refuse to put figures beside those of another machine, or taken otherwise."""
    same = {name: getattr(settings, name) for name in ("clock", "threads", "device")}
    told = {name: before.settings[name] for name in same}
    differ = sorted(
        name
        for name in {*before.environment, *environment}
        if before.environment.get(name) != environment.get(name)
    )
    if told != same or differ:
        message = (
            "`--add` keeps figures of the same machine, versions, clock and threads only; these "
            f"differ: {', '.join(differ) or 'the settings'}. Measure all sections again."
        )
        raise ValueError(message)


def _parts(settings: Settings) -> Iterator[tuple[str, Found]]:
    yield MACHINE, _child(settings.task(MACHINE, ""), settings.timeout)
    for section in settings.sections:
        for name in settings.variants:
            variant = VARIANTS[name]
            why = missing(variant, settings.device)
            if why is not None:
                label = f"{section}, {name}"
                yield label, Found(absent=[Note(label, why)])
                continue
            how = SECTIONS[section].how
            if how in ("timed", "leaves", "replicas", "model"):
                task = settings.task(section, name)
                extra = (
                    KEPT_MEMORY if how in ("replicas", "model") else None
                )  # as where training runs
                yield task.label, _child(task, settings.timeout, extra)
                continue
            for who in contestants(SECTIONS[section], variant.library):
                task = settings.task(section, name, who.name)
                alone = _first_call if SECTIONS[section].how == "first-call" else _memory
                yield task.label, alone(task, settings.timeout)


def _memory(task: Task, timeout: float) -> Found:
    return _child(task, timeout, memory.ENVIRONMENT)


def _first_call(task: Task, timeout: float) -> Found:
    """Measure once with empty caches, then with what that left there."""
    with tempfile.TemporaryDirectory() as folder:
        caches = first_call.cache_environment(Path(folder))
        cold = _child(task, timeout, caches)
        if not cold.first_calls:
            return cold
        cached = [_child(task, timeout, caches) for _ in range(CACHED)]
    out = Found(first_calls=[_joined("cold", cold.first_calls)])
    records = [record for found in cached for record in found.first_calls]
    if records:
        out.first_calls.append(_joined("cached", records))
    out.failed += [note for found in cached for note in found.failed]
    return out


def _joined(cache: str, records: list[FirstCall]) -> FirstCall:
    """Return the medians over processes."""
    timed = ("import_library", "import_ours", "first_call", "second_call")
    medians = {name: statistics.median(getattr(r, name) for r in records) for name in timed}
    return dataclasses.replace(records[0], cache=cache, processes=len(records), **medians)


def _child(task: Task, timeout: float, extra: Mapping[str, str] | None = None) -> Found:
    """Measure a task in a process of its own; if it ends badly, say with what words."""
    wanted = dict(task.on.environment) if task.variant else {}
    environment = child_environment(task.threads, task.device, {**wanted, **(extra or {})})
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "found.json")
        words = [sys.executable, "-m", "benchmarks.worker"]
        words += [json.dumps(dataclasses.asdict(task)), str(out)]
        try:
            ended = subprocess.run(
                words, env=environment, timeout=timeout, capture_output=True, text=True, check=False
            )
        except subprocess.TimeoutExpired:
            return Found(failed=[Note(task.label, f"took longer than {timeout:g} s")])
        if ended.returncode or not out.exists():
            why = f"exit code {ended.returncode}: {_last_words(ended.stderr)}"
            return Found(failed=[Note(task.label, why)])
        return read(Found, json.loads(out.read_text("utf-8")))


def _last_words(errors: str) -> str:
    """Return the end of a traceback without its frames and their paths."""
    lines = [line for line in errors.splitlines() if line.strip() and not line.startswith(" ")]
    return " ".join(lines[-3:]).replace(str(ROOT), ".")[-1000:]
