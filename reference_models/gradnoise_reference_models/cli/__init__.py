"""The command line: a group of commands, one file each."""

import click

from gradnoise_reference_models.cli.backends import backends
from gradnoise_reference_models.cli.bench import bench
from gradnoise_reference_models.cli.data import data
from gradnoise_reference_models.cli.judge import judge
from gradnoise_reference_models.cli.reproduce import reproduce
from gradnoise_reference_models.cli.results import results
from gradnoise_reference_models.cli.vectors import vectors

__all__ = ["cli"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="gradnoise-core")
def cli() -> None:
    """Annealed gradient noise: reproduce the paper, look at backends and data."""


cli.add_command(backends)
cli.add_command(bench)
cli.add_command(data)
cli.add_command(judge)
cli.add_command(reproduce)
cli.add_command(results)
cli.add_command(vectors)
