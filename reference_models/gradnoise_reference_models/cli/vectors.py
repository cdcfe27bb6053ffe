"""``gradnoise vectors``: conformance vectors, and the verdict on what another program computed."""

from collections.abc import Iterable
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from gradnoise_core.oracle.vectors import (
    SETS,
    VectorSet,
    check_vectors,
    matching,
    published_vectors,
    write_vectors,
)

__all__ = ["vectors"]

_only = click.option(
    "--only",
    multiple=True,
    metavar="PATTERN",
    help="Only these, as in words, 'trajectories/*/torch' or '*/decay'; may be repeated.",
)


@click.group()
def vectors() -> None:
    """Conformance vectors of the noise, clipping and optimizers, for ports in any language."""


@vectors.command("list")
@_only
def list_(only: tuple[str, ...]) -> None:
    """List the vectors of the published set, and what is due of each."""
    try:
        published = VectorSet(published_vectors())
        names = matching(published.names, only)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    width = max(map(len, names))
    for name in names:
        due = published.entries(name, "outputs").items()
        forms = ", ".join(f"{output}: {e.dtype} {list(e.shape)}" for output, e in due)
        click.echo(f"{name:{width}}  {forms}")
    click.echo(f"{len(names)} vectors, in {published_vectors()}")


@vectors.command()
@click.argument("folder", type=click.Path(path_type=Path))
@_only
def write(folder: Path, only: tuple[str, ...]) -> None:
    """Compute the vectors with this installation and write them into a new or empty FOLDER."""
    try:
        written = VectorSet(write_vectors(folder, only=only))
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{_count(written.names)} in {folder}")


@vectors.command()
@click.argument("folder", type=click.Path(path_type=Path))
@_only
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    help="A folder with what is due; the published set by default.",
)
@click.option("--quiet", "-q", is_flag=True, help="Show the failures only.")
def check(folder: Path, only: tuple[str, ...], reference: Path | None, quiet: bool) -> None:
    """Judge what a program wrote into FOLDER, in the same format.

    Each vector passes or fails; of a failure the first element that differs is shown, with what is
    due. The exit code is 1 if any fails or is missing, or if the folder is refused.
    """
    try:
        report = check_vectors(folder, reference, only=only)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    console = Console(highlight=False)
    for claim in report.failures if quiet else report:
        style = "green" if claim.passed else "bold red"
        console.print(Text(str(claim), style), soft_wrap=True)
    failed = len(report.failures)
    total = _count(claim.name for claim in report)
    verdict = f"{failed} failed" if failed else "all passed"
    console.print(f"{total}: {verdict}", soft_wrap=True)
    if failed:
        raise SystemExit(1)


def _count(names: Iterable[str]) -> str:
    """Return how many vectors there are, and of what."""
    families = [name.partition("/")[0] for name in names]
    known = [f"{f} {families.count(f)}" for f in SETS if f in families]
    return f"{len(families)} vector{'s' * (len(families) != 1)} ({', '.join(known)})"
