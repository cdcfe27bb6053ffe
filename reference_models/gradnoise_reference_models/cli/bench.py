"""``gradnoise bench``: our time beside that of peers, measured here and now."""

import importlib
import sys
from pathlib import Path
from typing import Any

import click

__all__ = ["bench"]

#: The root of the repository, if this package runs from a checkout.
ROOT = Path(__file__).parents[3]


def _numbers(context: click.Context, parameter: click.Parameter, text: str | None) -> Any:
    """Return ``1e3,1e4`` as whole numbers."""
    if text is None:
        return None
    try:
        found = [float(word) for word in text.split(",")]
    except ValueError:
        found = []
    if not found or any(n < 1 or n != int(n) for n in found):
        message = f"must be whole numbers from 1 up, as in 1e3,1e4; got {text!r}"
        raise click.BadParameter(message)
    return tuple(sorted({int(n) for n in found}))


@click.command()
@click.option("--section", "sections", multiple=True, help="Only this; may be repeated.")
@click.option("--variant", "variants", multiple=True, help="Only this; may be repeated.")
@click.option("--sizes", callback=_numbers, help="Elements; 1e3,1e4,1e5,1e6,1e7 by default.")
@click.option("--leaves", callback=_numbers, help="Leaves; 1,10,100,1000 by default.")
@click.option(
    "--budget", type=click.FloatRange(0, min_open=True), help="Seconds a timing; 3 by default."
)
@click.option("--clock", help="wall (the default), or cpu on a machine with other work.")
@click.option("--threads", type=click.IntRange(1), help="Of every library; 1 by default.")
@click.option("--device", help="cpu (the default) or cuda.")
@click.option("--timeout", type=click.FloatRange(1), help="Seconds a process; 3600 by default.")
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the figures and the plot; benchmarks/results by default.",
)
@click.option(
    "--add", is_flag=True, help="Keep what the folder has of other sections, of the same machine."
)
@click.option("--check", is_flag=True, help="Measure nothing: judge the figures in the folder.")
def bench(results: Path | None, check: bool, add: bool, **options: Any) -> None:
    """Measure our time, memory and first call beside those of peers.

    Ours and its peers are timed in turn, in one process a section and an array library, each
    pinned to as many cores as it has threads. Ratios with their quartiles, nanoseconds an element
    beside what the machine can do, and the figures to reach are printed and written as JSON, with
    a plot. Sections: normals, noise, adam, noise-leaves, adam-leaves, ensembles,
    memory-network, language-model, memory, first-call.
    Variants: numpy, numpy-numba, torch, jax, cupy. The exit code is 1 if anything failed.
    """
    suite = _suite()
    try:
        code = suite.run(results, check=check, add=add, **options)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    raise SystemExit(code)


def _suite() -> Any:
    """Return the suite, which is in the repository and in no wheel."""
    if not (ROOT / "benchmarks" / "command.py").is_file():
        message = (
            "The benchmarks live in the repository, not in the package. Clone it, install it with "
            'pip install --editable ".[models]", and run the command again.'
        )
        raise click.ClickException(message)
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    return importlib.import_module("benchmarks.command")
