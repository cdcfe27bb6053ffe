"""What the commands have in common whose arms are compared by test accuracy."""

import io
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from rich.console import Console
from rich.table import Table

from gradnoise_reference_models.checkpoint import written_whole
from gradnoise_reference_models.cli._backends import choose, choose_device, names
from gradnoise_reference_models.cli._sweep import sweep, sweep_options
from gradnoise_reference_models.data import LOADERS, ClassificationData, load
from gradnoise_reference_models.experiments import report
from gradnoise_reference_models.experiments._accuracy_plot import draw
from gradnoise_reference_models.experiments._accuracy_table import (
    NOTE,
    Row,
    csv_of,
    json_of,
    labels,
    rows,
)
from gradnoise_reference_models.experiments._mlp_setting import MlpSetting
from gradnoise_reference_models.experiments._mlp_trials import train
from gradnoise_reference_models.experiments._plan import (
    BATCH_SIZE,
    FULL,
    RUNS,
    Plan,
    trials,
    usual_epochs,
)
from gradnoise_reference_models.experiments.bootstrap import Interval
from gradnoise_reference_models.runner import Record, Store, Trial, ensembles

__all__ = ["accuracy_options", "plan_of", "reproduced"]

C = TypeVar("C", bound=Callable[..., Any])

#: Runs that train side by side: the paper's, at one rate.
GROUP = 20

#: Of what is written to a file.
WIDTH = 120

#: Options that say where and how, not what.
_NO_OUTCOME = {"store_path", "workers", "threads", "scheduler", "retries", "results"}

_OPTIONS = (
    click.option(
        "--data",
        type=click.Choice(list(LOADERS)),
        help="The data set; digits by default, and mnist with --full.",
    ),
    click.option(
        "--runs",
        type=click.IntRange(2),
        help=f"Runs of each setting, half of them at each learning rate: {RUNS} by default.",
    ),
    click.option(
        "--epochs",
        type=click.IntRange(1),
        help="By default as many as hold the steps that Zero Init needs: 1,429 on digits.",
    ),
    click.option(
        "--full",
        is_flag=True,
        help=f"All of it: {FULL.data}, {FULL.runs} runs, {FULL.epochs} epochs, where not given.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="Of the first run at each rate.",
    ),
    click.option(
        "--backend",
        type=click.Choice(names()),
        default="numpy",
        show_default=True,
        help="The array library.",
    ),
    click.option("--device", help="Such as cuda (the first one); the backend's own by default."),
    click.option(
        "--dtype",
        type=click.Choice(["float32", "float64"]),
        default="float32",
        show_default=True,
        help="Of the parameters and the data.",
    ),
    click.option(
        "--results",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for the table and the plot; results/ and the command's name by default.",
    ),
)


def accuracy_options(command: C) -> C:
    """Add the options of data, of how much is run and where, and those of `sweep_options`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return sweep_options(command)


def plan_of(
    *,
    data: str | None,
    runs: int | None,
    epochs: int | None,
    full: bool,
    batch_sizes: Sequence[int] = (BATCH_SIZE,),
    **options: Any,
) -> tuple[ClassificationData, Plan]:
    """Return the data and how much is run on it; what is not given is as usual."""
    found = load(data or (FULL.data if full else "digits"))
    usual = FULL.epochs if full else usual_epochs(found, max(batch_sizes))
    plan = Plan(
        data=found.name,
        runs=runs or (FULL.runs if full else RUNS),
        epochs=epochs or usual,
        batch_sizes=batch_sizes,
        **options,
    )
    return found, plan


def reproduced(
    name: str,
    settings: Iterable[MlpSetting],
    plan: Plan,
    found: ClassificationData,
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
    console.print(f"Data: {found.title}\n  source: {found.source}", highlight=False)
    summary = sweep(wanted, train, store_path=store_path, grouping=ensembles(GROUP), **options)
    records = _records(store_path, name, wanted)
    if records:
        table = rows(records)
        about = {
            "experiment": name,
            "command": _command_line(click.get_current_context()),
            "data": {"title": found.title, "name": found.name},
            "trials": {"asked for": len(wanted), "with a result": len(records)},
            "seconds": round(_seconds(records), 1),
        }
        written = _write(folder, table, records, about)  # first: nobody may read what is printed
        _print(console, table, found)
        if len(records) < len(wanted):
            console.print(f"Not complete: {len(records)} of {len(wanted)} trials have a result.")
        console.print("Written: " + ", ".join(map(str, written)), markup=False)
    return summary.exit_code


def _command_line(context: click.Context) -> str:
    """Return the command that runs this again, without what decides no outcome."""
    words: list[str] = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not ParameterSource.COMMANDLINE or parameter.name in _NO_OUTCOME:
            continue
        value = context.params[parameter.name or ""]
        words.append(parameter.opts[0])
        if not (isinstance(parameter, click.Option) and parameter.is_flag):
            words.append(",".join(map(str, value)) if isinstance(value, tuple) else str(value))
    return f"{context.command_path} {shlex.join(words)}".rstrip()


def _records(store_path: Path, name: str, wanted: Sequence[Trial]) -> list[Record]:
    keys = {trial.key for trial in wanted}
    with Store(store_path, read_only=True) as store:
        found = store.records(experiment=name, keys=keys, curves=True)
    return [record for record in found if record.status != "failed"]


def _seconds(records: Sequence[Record]) -> float:
    """Return the time that the trials took, those of a group together."""
    return sum(record.seconds / record.group_size for record in records)


def _print(console: Console, table: Sequence[Row], found: ClassificationData) -> None:
    drawn = Table(title=f"Test accuracy in %: {found.title}", title_justify="left")
    drawn.add_column("experiment")
    drawn.add_column("setting")
    for column in ("runs", "best", "average", "median", "paper: best, average"):
        drawn.add_column(column, justify="right")
    before = ""
    for (title, arm), row in zip(labels(table), table, strict=True):
        runs = len(row.values)
        drawn.add_row(
            "" if title == before else title,
            arm,
            f"{runs} ({row.diverged} diverged)" if row.diverged else str(runs),
            _figure(*row.best),
            _figure(*row.average),
            f"{row.median:.1f}",
            "" if row.paper is None else "{:.1f}, {:.1f}".format(*row.paper),
        )
        before = title
    console.print(drawn)
    console.print(NOTE, highlight=False)


def _figure(value: float, interval: Interval | None) -> str:
    if interval is None:
        return f"{value:.1f}"
    return rf"{value:.1f} \[{interval.low:.1f}, {interval.high:.1f}]"


def _write(
    folder: Path,
    table: Sequence[Row],
    records: Sequence[Record],
    about: dict[str, Any],
) -> list[Path]:
    parts: dict[str, Callable[[], bytes]] = {
        "table.csv": lambda: csv_of(table),
        "table.json": lambda: json_of(table, about),
        "accuracy.png": lambda: _png(records),
    }
    for name, content in parts.items():  # the plot last, for the others need no library
        made = content()
        with written_whole(folder / name) as file:
            file.write(made)
    return [folder / name for name in parts]


def _png(records: Sequence[Record]) -> bytes:
    out = io.BytesIO()
    draw(records).savefig(out, format="png")
    return out.getvalue()
