"""What the commands have in common that train memory networks."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from gradnoise_reference_models.checkpoint import written_whole
from gradnoise_reference_models.cli._accuracy import (
    WIDTH,
    _command_line,
    _figure,
    _records,
    _seconds,
)
from gradnoise_reference_models.cli._backends import choose, choose_device
from gradnoise_reference_models.cli._several import Several
from gradnoise_reference_models.cli._sweep import sweep
from gradnoise_reference_models.data import StoryData
from gradnoise_reference_models.experiments import report
from gradnoise_reference_models.experiments._memory_compare import comparisons
from gradnoise_reference_models.experiments._memory_plan import (
    FULL,
    USUAL,
    MemoryPlan,
    load_tasks,
    trials,
    usual_tasks,
)
from gradnoise_reference_models.experiments._memory_plot import draw
from gradnoise_reference_models.experiments._memory_rows import FIGURES, Row, rows
from gradnoise_reference_models.experiments._memory_setting import MemorySetting
from gradnoise_reference_models.experiments._memory_table import NOTE, csv_of, json_of, lines
from gradnoise_reference_models.experiments._memory_trials import train
from gradnoise_reference_models.experiments.table2 import JOINT, PROCEDURES, TASKS
from gradnoise_reference_models.runner import Record, ensembles

__all__ = ["STAGES", "plan_of", "reproduced", "stage_option", "task_option"]

C = TypeVar("C", bound=Callable[..., Any])

#: Restarts that train side by side: the paper's.
GROUP = 10

#: Columns of the table that is shown; the files have more.
_FIGURES = (
    "runs",
    "best: train,\nvalidation, test",
    "mean: validation",
    "paper: train,\nvalidation",
    "published:\ntest",
)

#: Said where it is so.
_STORIES = (
    "The questions are about generated stories and not bAbI's: what noise and stages change can be "
    "seen here, but these errors are not to be set beside the paper's."
)

#: The errors that the paper has.
_OF_PAPER = ("train", "validation")

#: Procedures by the number of their stages.
STAGES = {name.removesuffix("-stage"): name for name in PROCEDURES}

task_option = click.option(
    "--task",
    "tasks",
    type=Several(click.Choice([*TASKS, JOINT])),
    help=f"Tasks of bAbI, as in 1,16, or {JOINT}; {','.join(USUAL.tasks)} by default, and each of "
    "them with --full.",
)


def stage_option(default: Sequence[str]) -> Callable[[C], C]:
    """Return ``--stages``."""
    return click.option(
        "--stages",
        type=Several(click.Choice(list(STAGES))),
        default=tuple(default),
        help="Softmax attention from the start (one), or linear attention first (two); "
        f"{','.join(default)} by default.",
    )


def plan_of(
    *,
    tasks: Sequence[str] | None,
    data: str | None,
    restarts: int | None,
    epochs: int | None,
    full: bool,
    **options: Any,
) -> tuple[dict[str, StoryData], MemoryPlan]:
    """Return the data by task and how much is run on it; what is not given is as usual."""
    usual = FULL if full else USUAL
    source = data or ("babi" if full else "auto")
    found = load_tasks(tasks or (FULL.tasks if full else usual_tasks(source)), source)
    plan = MemoryPlan(
        data=next(iter(found.values())).name,
        restarts=restarts or usual.restarts,
        epochs=epochs or usual.epochs,
        **options,
    )
    return found, plan


def reproduced(
    name: str,
    settings: Iterable[MemorySetting],
    plan: MemoryPlan,
    found: Mapping[str, StoryData],
    *,
    backend: str,
    device: str | None,
    results: Path | None,
    store_path: Path,
    **options: Any,
) -> int:
    """Run what is missing, print the table, write its files; return the exit code."""
    folder = results or Path("results") / name
    # What would be refused is refused before anything is written, or trained.
    device, _ = choose_device(choose(backend), device)
    wanted = trials(name, list(settings), plan, found, backend, device)
    report.drawable()
    report.writable(folder)
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    first = next(iter(found.values()))
    title = "bAbI" if plan.data == "babi" else "generated stories like bAbI"
    tasks = f"{title}, {'task' if len(found) == 1 else 'tasks'} {', '.join(found)}"
    console.print(f"Data: {tasks}\n  source: {first.source}", highlight=False)
    console.print(f"  why: {first.reason}", highlight=False)
    summary = sweep(wanted, train, store_path=store_path, grouping=ensembles(GROUP), **options)
    records = _records(store_path, name, wanted)
    if records:
        about = {
            "experiment": name,
            "command": _command_line(click.get_current_context()),
            "data": {"title": tasks, "name": first.name},
            "trials": {"asked for": len(wanted), "with a result": len(records)},
            "seconds": round(_seconds(records), 1),
        }
        table = rows(records)
        _print(console, table, tasks)
        _write(console, folder, table, records, about)
    return summary.exit_code


def _print(console: Console, table: Sequence[Row], title: str) -> None:
    drawn = Table(title=f"Errors in %: {title}", title_justify="left")
    for column in ("task", "procedure", "setting"):
        drawn.add_column(column)
    for column in _FIGURES:
        drawn.add_column(column, justify="right", no_wrap=True)
    before = ""
    for line in lines(table):
        if line.task != before and before:
            drawn.add_section()
        count = line.restarts
        drawn.add_row(
            "" if line.task == before else line.task,
            line.procedure,
            line.setting,
            f"{count} ({line.diverged} diverged)" if line.diverged else str(count),
            ", ".join(f"{line.figures['best', figure][0]:.1f}" for figure in FIGURES),
            _figure(*line.figures["mean", "validation"]),
            "" if line.paper is None else "{:.1f}, {:.1f}".format(*line.paper),
            "" if line.published is None else f"{line.published:.1f}",
        )
        before = line.task
    console.print(drawn)
    console.print(NOTE, highlight=False)
    if any(row.variant["data"] != "babi" for row in table):
        console.print(_STORIES, highlight=False)
    for comparison in comparisons(table):
        if comparison.figure in _OF_PAPER:
            console.print(comparison.sentence, highlight=False)


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
        "error.png": lambda: _png(records),
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
