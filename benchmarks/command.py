"""What the command does: check the options, measure, print, write JSON and a plot."""

import functools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.environment import ROOT
from benchmarks.place import VARIANTS
from benchmarks.plot import plot
from benchmarks.records import Document, Found, Machine
from benchmarks.run import measure
from benchmarks.sections import SECTIONS
from benchmarks.settings import Settings
from benchmarks.tables import TABLES, Table, header, targets
from benchmarks.targets import judge
from benchmarks.timing import CLOCKS
from gradnoise_reference_models.checkpoint import written_whole
from gradnoise_reference_models.experiments.report import writable

__all__ = ["RESULTS", "load", "run"]

RESULTS = ROOT / "benchmarks" / "results"
WIDTH = 132  # of what is written to a file
DEVICES = ("cpu", "cuda")


def run(results: Path | None, *, check: bool, add: bool = False, **options: Any) -> int:
    """Measure, or with `check` only judge what was measured before; return the exit code."""
    folder = RESULTS if results is None else results
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    if check:
        documents = load(folder)
        for document in documents:
            console.print(header(document), markup=False)
        _print(console, targets(judge(documents)))
        return 0
    settings = _settings(options)
    writable(folder)
    path = folder / f"{settings.device}.json"
    before = Document.from_json(path.read_text("utf-8")) if add and path.exists() else None
    for document in measure(settings, functools.partial(_show, console), before):
        with written_whole(path) as file:
            file.write(document.to_json().encode())
    picture = path.with_suffix(".png")
    with written_whole(picture) as file:
        file.write(plot(document))
    _print(console, targets(judge([document])))
    console.print(f"Written: {path}, {picture}", markup=False)
    return 1 if document.found.failed else 0


def load(folder: Path) -> list[Document]:
    """Return the documents of a folder.

    Raises
    ------
    ValueError
        If there is none, or one is of another schema.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        message = f"`--results` must hold figures to check, got {str(folder)!r}, which has none."
        raise ValueError(message)
    try:
        return [Document.from_json(path.read_text("utf-8")) for path in paths]
    except json.JSONDecodeError as error:
        message = f"`--results` must hold JSON documents of this command, got {folder}: {error}."
        raise ValueError(message) from error


def _settings(options: Mapping[str, Any]) -> Settings:
    """Return the settings; what was not given is as usual."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    for name, known in (("sections", SECTIONS), ("variants", VARIANTS)):
        _known(name, given.get(name, ()), known)
    _known("clock", [given["clock"]] if "clock" in given else [], CLOCKS)
    _known("device", [given["device"]] if "device" in given else [], DEVICES)
    return Settings(**given)


def _known(name: str, values: Iterable[str], known: Iterable[str]) -> None:
    for value in values:
        if value not in known:
            message = (
                f"`--{name.removesuffix('s')}` must be one of {', '.join(known)}, got {value}."
            )
            raise ValueError(message)


def _show(console: Console, label: str, found: Found, rates: Machine | None) -> None:
    console.rule(label)
    for name, make in TABLES.items():
        table = make(found, rates)
        if table.rows and (name != "machine" or found.machine):
            _print(console, table)


def _print(console: Console, table: Table) -> None:
    drawn = RichTable(title=table.title, title_justify="left")
    for column in table.columns:
        drawn.add_column(column, overflow="fold")
    for row in table.rows:
        drawn.add_row(*(cell.replace("[", r"\[") for cell in row))
    console.print(drawn)
