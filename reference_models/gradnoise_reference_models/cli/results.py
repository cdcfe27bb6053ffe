"""``gradnoise results``: look at what is stored, export it, draw it; nothing is run."""

import importlib
import json
import pkgutil
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradnoise_reference_models import experiments
from gradnoise_reference_models._extras import require
from gradnoise_reference_models.checkpoint import written_whole
from gradnoise_reference_models.cli._sweep import store_option
from gradnoise_reference_models.runner import STATUSES, Record, Store, plot_of
from gradnoise_reference_models.runner._export import (
    csv_text,
    curve_columns,
    export,
    trial_columns,
)

__all__ = ["results"]

C = TypeVar("C", bound=Callable[..., Any])


@click.group()
def results() -> None:
    """Results of trials: list, sum up, export, draw. Works while a run is writing them."""


def _where(context: click.Context, parameter: click.Parameter, words: Sequence[str]) -> Any:
    """Return ``eta=0.01`` as a setting; a value that is no JSON is text."""
    setting = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            message = f"must be NAME=VALUE, as in eta=0.01; got {word!r}"
            raise click.BadParameter(message)
        try:
            setting[name] = json.loads(text)
        except ValueError:
            setting[name] = text
    return setting


_FILTERS = (
    store_option,
    click.option("--experiment", help="Only those of this experiment."),
    click.option(
        "--where",
        "where",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_where,
        help="Only those whose setting, or conditions, have this, as eta=0.01; may be repeated.",
    ),
    click.option("--status", type=click.Choice(STATUSES), help="Only those that ended so."),
)


def _filtered(command: C) -> C:
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def _records(store_path: Path, **wanted: Any) -> list[Record]:
    try:
        with Store(store_path, read_only=True) as store:
            return store.records(**wanted)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


@results.command("list")
@_filtered
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="csv and json have all there is but the curves.",
)
def list_(form: str, **wanted: Any) -> None:
    """List the stored trials, one a line."""
    records = _records(**wanted)
    if form == "csv":
        click.echo(csv_text(trial_columns(records)), nl=False)
    elif form == "json":
        click.echo(json.dumps([_plain(record) for record in records], indent=2))
    else:
        table = Table("key", "experiment", "setting", "seed", "status", "metrics", "seconds")
        for r in records:
            row = (r.key[:10], r.experiment, _pairs(r.setting), str(r.seed), r.status)
            table.add_row(*map(Text, row), Text(_pairs(r.metrics)), f"{r.seconds:.1f}")
        _show(table)
        click.echo(f"{len(records)} trials")


@results.command()
@_filtered
def summary(**wanted: Any) -> None:
    """Sum up the trials of each setting: how many ended how, and each metric's mean and range."""
    table = Table("experiment", "setting", "trials", *STATUSES, "metric", "mean", "least", "most")
    for (experiment, setting, _), same in _by_setting(_records(**wanted)).items():
        ends = [str(sum(r.status == status for r in same)) for status in STATUSES]
        head: list[Text | str] = [
            Text(experiment),
            Text(_pairs(json.loads(setting))),
            str(len(same)),
            *ends,
        ]
        for name, values in _metrics(same).items():
            figures = statistics.fmean(values), min(values), max(values)
            table.add_row(*head, Text(name), *(f"{x:.4g}" for x in figures))
            head = [""] * len(head)
        if head[0]:
            table.add_row(*head)
    _show(table)
    click.echo(
        "Means and ranges are over the trials that are done; those that diverged, or failed, are not."
    )


@results.command()
@click.argument("key")
@store_option
def show(key: str, store_path: Path) -> None:
    """Show all of one trial as JSON, with its curves; the first letters of its KEY are enough."""
    found = _records(store_path, keys=[key], curves=True)
    if len(found) != 1:
        message = f"KEY must be the beginning of one trial's key, got {key!r}: {len(found)} match."
        raise click.ClickException(message)
    curves = {name: values.tolist() for name, values in found[0].curves.items()}
    click.echo(json.dumps(_plain(found[0]) | {"curves": curves}, indent=2))


@results.command("export")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@_filtered
@click.option("--curves", is_flag=True, help="One row a point of each curve, not one a trial.")
def export_(path: Path, curves: bool, **wanted: Any) -> None:
    """Write the trials to PATH, which ends in .csv or .parquet."""
    records = _records(**wanted, curves=curves)
    columns = curve_columns(records) if curves else trial_columns(records)
    try:
        export(path, columns)
    except (ImportError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{len(columns['key'])} rows in {path}")


@results.command()
@click.argument("experiment")
@store_option
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file in a format that Matplotlib knows by its ending; EXPERIMENT.png beside the store.",
)
def plot(experiment: str, store_path: Path, output: Path | None) -> None:
    """Draw the stored trials of EXPERIMENT again, as the experiment itself does."""
    for module in pkgutil.iter_modules(experiments.__path__, f"{experiments.__name__}."):
        importlib.import_module(module.name)  # where plots are registered
    try:
        require("matplotlib.figure", purpose="draw the results")
        draw = plot_of(experiment)
        records = _records(store_path, experiment=experiment, curves=True)
        if not records:
            message = f"{store_path} has no trials of {experiment!r}."
            raise click.ClickException(message)
        path = output or store_path.with_name(f"{experiment}.png")
        figure = draw(records)
        with written_whole(path) as file:
            figure.savefig(file, format=path.suffix.removeprefix(".") or "png")
    except KeyError as error:
        raise click.ClickException(str(error.args[0])) from error
    except (ImportError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{len(records)} trials in {path}")


def _by_setting(records: Iterable[Record]) -> dict[tuple[str, str, str], list[Record]]:
    """Return the trials that differ in nothing but the seed under what they share."""
    out: dict[tuple[str, str, str], list[Record]] = {}
    for r in records:
        rest = json.dumps([r.version, r.conditions], sort_keys=True)
        key = r.experiment, json.dumps(r.setting, sort_keys=True), rest
        out.setdefault(key, []).append(r)
    return out


def _metrics(records: Iterable[Record]) -> dict[str, list[float]]:
    out: dict[str, list[float]] = {}
    for r in records:
        if r.status == "done":
            for name, value in r.metrics.items():
                out.setdefault(name, []).append(value)
    return out


def _plain(record: Record) -> dict[str, Any]:
    fields = {k: v for k, v in vars(record).items() if k != "curves"}
    times = {name: fields[name].isoformat() for name in ("started", "finished")}
    # JSON has neither NaN nor infinity.
    metrics = {k: v if abs(v) < float("inf") else str(v) for k, v in record.metrics.items()}
    return fields | times | {"metrics": metrics}


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{k}={v:.5g}" if isinstance(v, float) else f"{k}={v}" for k, v in values.items()
    )


def _show(table: Table) -> None:
    """Print a table, whole where it goes to a file."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
