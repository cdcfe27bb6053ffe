"""``gradnoise data``: what data there is, and how to get it."""

from pathlib import Path

import click

from gradnoise_reference_models.data import DOWNLOADERS, LOADERS, load

__all__ = ["data"]


@click.group()
def data() -> None:
    """List and download the data of the experiments."""


@data.command("list")
def list_() -> None:
    """Say for each data set whether it is found, and where."""
    for name in LOADERS:
        try:
            found = load(name)
        except (ImportError, ValueError, OSError) as error:
            click.echo(f"{name}: {error}")
        else:
            click.echo(f"{name}: {found.title} ({found.source})")


@data.command()
@click.argument("name", type=click.Choice(sorted(DOWNLOADERS)))
@click.option("--folder", type=click.Path(path_type=Path), help="Instead of the cache.")
def download(name: str, folder: Path | None) -> None:
    """Download a data set into the cache; every file's SHA-256 is verified."""
    try:
        where = DOWNLOADERS[name](folder)
    except (ImportError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{name} is in {where}")
