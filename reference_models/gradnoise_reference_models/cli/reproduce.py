"""``gradnoise reproduce``: the paper's experiments."""

from pathlib import Path
from typing import Any

import click

from gradnoise_reference_models.cli._backends import names
from gradnoise_reference_models.cli._compare import compare
from gradnoise_reference_models.cli._train import train
from gradnoise_reference_models.cli.ablations import annealed_vs_fixed, batch_noise
from gradnoise_reference_models.cli.cost import cost
from gradnoise_reference_models.cli.language_model import language_model
from gradnoise_reference_models.cli.table1 import table1
from gradnoise_reference_models.cli.table2 import table2
from gradnoise_reference_models.data import LOADERS, load
from gradnoise_reference_models.experiments.zero_init import DEFAULT_STEPS, ZeroInit

__all__ = ["reproduce"]


@click.group()
def reproduce() -> None:
    """Run an experiment of the paper, and set our figures beside the paper's."""


_STEPS = ", ".join(f"{n:,} on {name}" for name, n in DEFAULT_STEPS.items())


@reproduce.command("zero-init")
@click.option(
    "--data",
    "data_name",
    type=click.Choice(list(LOADERS)),
    default="auto",
    show_default=True,
    help="The data set; auto takes MNIST if it is found, else digits.",
)
@click.option(
    "--runs", type=click.IntRange(1), default=1, show_default=True, help="Restarts of each setting."
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    help=f"Steps of training, rounded up to whole epochs; by default {_STEPS}.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="Examples a step.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the first restart."
)
@click.option(
    "--backend",
    type=click.Choice([*names(), "all"]),
    default="numpy",
    show_default=True,
    help="The array library; all compares every installed one on a short run.",
)
@click.option(
    "--device", help="Such as cuda (the first one) or cuda:1; the backend's own default otherwise."
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64"]),
    default="float32",
    show_default=True,
    help="Of the parameters and the data.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("results") / "zero-init",
    show_default=True,
    help="Folder for the table, the plot and the checkpoint.",
)
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in the results folder.")
def zero_init(
    data_name: str, backend: str, device: str | None, results: Path, resume: bool, **options: Any
) -> None:
    """Train 20 ReLU layers of 50 whose weights all start at zero, with and without noise.

    Table 1, experiment 6. Plain SGD, rate 0.1, gradient clipped to global norm 10; then once
    without and once with annealed gradient noise (eta = 0.01, gamma = 0.55). Without noise no
    signal ever passes. `--backend all` runs a short float64 trajectory on every installed array
    library instead, whatever `--steps` says, and prints how far each is from NumPy. Nothing
    is learned before some 28,000 steps, so a short run shows two networks at chance.
    """
    try:
        settings = ZeroInit(load(data_name), **options)
        click.echo(f"Data: {settings.data.title}\n  source: {settings.data.source}")
        click.echo(f"  why: {settings.data.reason}")
        if backend == "all":
            compare(settings)
        else:
            train(settings, backend, device, results, resume=resume)
    except (ImportError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


for command in (table1, table2, language_model, annealed_vs_fixed, batch_noise, cost):
    reproduce.add_command(command)
