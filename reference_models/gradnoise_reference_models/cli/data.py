"""``gradnoise data``: what data there is, how to get it, and what it looks like."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from gradnoise_reference_models.data import DATA_SETS, DOWNLOADERS

__all__ = ["data"]

T = TypeVar("T")

#: What a loader or a download raises that a user can do something about.
_TROUBLE = (ImportError, ValueError, OSError)


@click.group()
def data() -> None:
    """List, download and show the data of the experiments."""


@data.command("list")
def list_() -> None:
    """Say for each data set whether it is found, and where."""
    for name, data_set in DATA_SETS.items():
        whole = data_set.variants[-1] if data_set.variants else None
        try:
            found = data_set.load(whole, None)
        except _TROUBLE as error:
            click.echo(f"{name}: {error}")
        else:
            click.echo(f"{name}: {found.title} ({found.source})")


@data.command()
@click.argument("name", type=click.Choice(sorted(DOWNLOADERS)))
@click.option("--folder", type=click.Path(path_type=Path), help="Instead of the cache.")
def download(name: str, folder: Path | None) -> None:
    """Download a data set into the cache; every file's SHA-256 is verified."""
    where = _or_exit(lambda: DOWNLOADERS[name](folder))
    click.echo(f"{name} is in {where}")


@data.command()
@click.argument("name", type=click.Choice(list(DATA_SETS)))
@click.argument("variant", required=False)
@click.option(
    "--count",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Examples to show.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="The only place to look in; by default GRADNOISE_DATA, then the cache.",
)
def show(name: str, variant: str | None, count: int, folder: Path | None) -> None:
    """Show the first training examples of a data set, as a model gets them.

    VARIANT is a task's number, or joint, where the data set has several tasks.
    """
    data_set = DATA_SETS[name]
    if variant is not None and variant not in data_set.variants:
        known = ", ".join(data_set.variants) or "left out"
        message = f"VARIANT of {name} must be {known}, got {variant!r}."
        raise click.UsageError(message)
    found: Any = _or_exit(lambda: data_set.load(variant, folder))
    click.echo(f"{found.title} ({found.source})\n")
    for line in data_set.samples(found, count):
        click.echo(line)


def _or_exit(action: Callable[[], T]) -> T:
    """Return what `action` does; end the command with a message where that fails."""
    try:
        return action()
    except _TROUBLE as error:
        raise click.ClickException(str(error)) from error
