"""What ``gradnoise reproduce language-model`` runs, prints and writes."""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from gradnoise_reference_models.checkpoint import written_whole
from gradnoise_reference_models.cli._accuracy import WIDTH, _command_line, _records, _seconds
from gradnoise_reference_models.cli._backends import choose, choose_device
from gradnoise_reference_models.cli._sweep import sweep
from gradnoise_reference_models.data import TextData
from gradnoise_reference_models.data.text import NAMES
from gradnoise_reference_models.experiments import report
from gradnoise_reference_models.experiments._language_compare import comparisons
from gradnoise_reference_models.experiments._language_plan import (
    FULL,
    USUAL,
    LanguagePlan,
    stretched,
    trials,
)
from gradnoise_reference_models.experiments._language_plot import draw
from gradnoise_reference_models.experiments._language_rows import Row, labels, rows
from gradnoise_reference_models.experiments._language_table import NOTE, csv_of, json_of
from gradnoise_reference_models.experiments._language_text import load_words
from gradnoise_reference_models.experiments._language_trials import train
from gradnoise_reference_models.experiments.bootstrap import Interval
from gradnoise_reference_models.experiments.language_model import NAME, settings
from gradnoise_reference_models.runner import Record, ensembles

__all__ = ["plan_of", "reproduced"]

#: Runs that train side by side. More are no faster on a CPU, and leave one of two cores idle.
GROUP = 2


def plan_of(
    *,
    corpus: str | None,
    vocabulary: int | None,
    hidden: int | None,
    layers: int,
    epochs: int | None,
    runs: int | None,
    full: bool,
    **options: Any,
) -> tuple[TextData, LanguagePlan]:
    """Return the text and how much is run on it; what is not given is as usual."""
    usual = FULL if full else USUAL
    found = load_words(corpus or usual.corpus, vocabulary)
    if corpus is None:
        found = replace(
            found, reason=f"the default{' of --full' if full else ''}; --corpus chooses"
        )
    recipe = stretched(usual.recipe, epochs or usual.recipe.epochs)
    plan = LanguagePlan(
        found.name,
        len(found.vocabulary),
        replace(recipe, units=hidden or recipe.units, layers=layers),
        runs=runs or usual.runs,
        **options,
    )
    return found, plan


def reproduced(
    corpus: str | None,
    plan: LanguagePlan,
    found: TextData,
    *,
    backend: str,
    device: str | None,
    results: Path | None,
    store_path: Path,
    **options: Any,
) -> int:
    """Run what is missing, print the table, write its files; return the exit code."""
    folder = results or Path("results") / NAME
    # What would be refused is refused before anything is written, or trained.
    device, _ = choose_device(choose(backend), device)
    wanted = trials(NAME, list(settings(plan)), plan, found, backend, device)
    report.drawable()
    report.writable(folder)
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    _say_data(console, found)
    own = corpus is not None and corpus not in NAMES
    # Workers may have other folders than this process.
    where = str(Path(corpus).expanduser().absolute()) if own and corpus else plan.corpus
    function = partial(train, corpus=where)
    summary = sweep(wanted, function, store_path=store_path, grouping=ensembles(GROUP), **options)
    records = _records(store_path, NAME, wanted)
    if records:
        table = rows(records)
        about = {
            "experiment": NAME,
            "command": _command(own),
            "data": {"title": found.title, "name": found.name, "floor": found.floor},
            "trials": {"asked for": len(wanted), "with a result": len(records)},
            "seconds": round(_seconds(records), 1),
        }
        _print(console, table)
        _write(console, folder, table, records, about)
    return summary.exit_code


def _say_data(console: Console, found: TextData) -> None:
    console.print(f"Data: {found.title}\n  source: {found.source}", highlight=False, markup=False)
    console.print(f"  why: {found.reason}", highlight=False, markup=False)
    if found.floor is not None:
        console.print(
            f"  The text has perplexity {found.floor:.1f} under the grammar that it was drawn from: "
            "no model does better on text that it has not seen, but by luck.",
            highlight=False,
        )


def _command(own: bool) -> str:
    """Return the command that runs this again; of a folder its name, and not where it is."""
    context = click.get_current_context()
    if own:
        context.params["corpus"] = Path(context.params["corpus"]).expanduser().absolute().name
    return _command_line(context)


def _print(console: Console, table: Sequence[Row]) -> None:
    """Print a table for each text and network, what it means, and the differences."""
    named = list(zip(labels(table), table, strict=True))
    for title in dict.fromkeys(title for (title, _), _ in named):
        same = [(setting, row) for (other, setting), row in named if other == title]
        console.print(_table(title, same))
    console.print(NOTE, highlight=False)
    for comparison in comparisons(table):
        console.print(comparison.sentence, highlight=False, markup=False)


def _table(title: str, same: Sequence[tuple[str, Row]]) -> Table:
    drawn = Table(title=f"Perplexity: {title}", title_justify="left")
    drawn.add_column("setting")
    for column in ("runs", "test", "validation", "best validation", "train", "sd of E", "paper"):
        drawn.add_column(column, justify="right")
    for setting, row in same:
        runs = len(row.records)
        drawn.add_row(
            setting,
            f"{runs} ({row.diverged} diverged)" if row.diverged else str(runs),
            _figure(*row.average("test")),
            *(_figure(row.average(name)[0]) for name in ("validation", "best validation", "train")),
            f"{row.spread:.3g}",
            "" if row.paper is None else f"{row.paper:.0f}",
        )
    return drawn


def _figure(value: float, interval: Interval | None = None) -> str:
    if interval is None:
        return _perplexity(value)
    return rf"{_perplexity(value)} \[{_perplexity(interval.low)}, {_perplexity(interval.high)}]"


def _perplexity(value: float) -> str:
    return f"{value:.1f}" if value < 1e5 or not math.isfinite(value) else f"{value:.2g}"


def _write(
    console: Console,
    folder: Path,
    table: Sequence[Row],
    records: Sequence[Record],
    about: dict[str, Any],
) -> None:
    parts: dict[str, Callable[[], bytes]] = {
        "table.csv": lambda: csv_of(table),
        "table.json": lambda: json_of(table, about),
        "perplexity.png": lambda: _png(records),
    }
    for name, content in parts.items():  # the plot last, for the others need no library
        made = content()
        with written_whole(folder / name) as file:
            file.write(made)
    console.print("Written: " + ", ".join(str(folder / name) for name in parts), markup=False)


def _png(records: Sequence[Record]) -> bytes:
    out = io.BytesIO()
    draw(records).savefig(out, format="png")
    return out.getvalue()
