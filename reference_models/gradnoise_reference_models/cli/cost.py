"""``gradnoise reproduce cost``."""

import csv
import io
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from gradnoise_reference_models.checkpoint import written_whole
from gradnoise_reference_models.cli._backends import choose, choose_device, names
from gradnoise_reference_models.experiments.cost import CLOCKS, Cost, costs
from gradnoise_reference_models.runner._limits import limited

__all__ = ["cost"]

#: Of what is written to a file.
WIDTH = 120

COLUMNS = ("table", "grid", "runs", "updates a run", "ms an update and run", "hours")


@click.command()
@click.option(
    "--backend",
    type=click.Choice(names()),
    default="numpy",
    show_default=True,
    help="The array library.",
)
@click.option("--device", help="Such as cuda (the first one); the backend's own by default.")
@click.option(
    "--steps", type=click.IntRange(2), default=20, show_default=True, help="That are timed."
)
@click.option(
    "--clock",
    type=click.Choice(list(CLOCKS)),
    default="wall",
    show_default=True,
    help="cpu on a machine with other work.",
)
@click.option(
    "--csv",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file for the table as well.",
)
def cost(backend: str, device: str | None, steps: int, clock: str, path: Path | None) -> None:
    """Say what the full grids of tables 1 to 5 cost, in hours of one worker with one thread.

    The time of a step is measured here and now, on random data of the true shape, with as many
    runs side by side as the tables' own commands have. Where a table's model is not here yet, or the number of its updates is not known,
    that is said, and there is no figure.
    """
    chosen = choose(backend)
    _, handle = choose_device(chosen, device)
    if path is not None and not path.parent.is_dir():
        message = f"the folder {path.parent} is not there; make it first"
        raise click.BadParameter(message, param_hint="--csv")
    with limited(1):
        rows = [_row(found) for found in costs(chosen, handle, steps, clock)]
    if path is not None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
        with written_whole(path) as file:
            file.write(text.getvalue().encode())
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)


def _row(found: Cost) -> tuple[str, ...]:
    grid = found.grid
    updates = "not known" if grid.updates is None else f"{grid.updates:,}"
    if found.hours is None or found.seconds is None:
        why = "no model here yet" if grid.measure is None else ""
        return grid.table, grid.what, f"{grid.runs:,}", updates, why, "not measured"
    measured = f"{1e3 * found.seconds:.3f}", f"{found.hours:,.1f}"
    return grid.table, grid.what, f"{grid.runs:,}", updates, *measured
