"""``gradnoise reproduce table1``."""

from typing import Any

import click

from gradnoise_reference_models.cli._accuracy import accuracy_options, plan_of, reproduced
from gradnoise_reference_models.cli._several import Positive, Several
from gradnoise_reference_models.experiments._plan import BATCH_SIZE, DROPOUT_RATE
from gradnoise_reference_models.experiments.table1 import ARMS, ETAS, EXPERIMENTS, settings

__all__ = ["table1"]


@click.command()
@click.option(
    "--experiment",
    "experiments",
    type=Several(click.Choice(list(EXPERIMENTS))),
    default=tuple(EXPERIMENTS),
    help="Only these, as in 1,6.",
)
@click.option(
    "--arm",
    "arms",
    type=Several(click.Choice(ARMS)),
    default=ARMS,
    help="Only these of what is compared; dropout, without noise, is in experiment 1.",
)
@click.option(
    "--batch-size",
    "batch_sizes",
    type=Several(click.IntRange(1)),
    default=(BATCH_SIZE,),
    help=f"Examples a step: {BATCH_SIZE} by default. The paper does not say.",
)
@click.option(
    "--dropout-rate",
    "dropout_rates",
    type=Several(click.FloatRange(0, 1, min_open=True, max_open=True)),
    default=(DROPOUT_RATE,),
    help=f"Of hidden units, where there is dropout: {DROPOUT_RATE} by default.",
)
@click.option(
    "--eta",
    "etas",
    type=Several(Positive()),
    default=(ETAS[0],),
    help=f"Of the annealed noise: {ETAS[0]} by default, the paper's choice among "
    f"{' and '.join(map(str, ETAS))}.",
)
@accuracy_options
def table1(
    experiments: tuple[str, ...],
    arms: tuple[str, ...],
    batch_sizes: tuple[int, ...],
    dropout_rates: tuple[float, ...],
    etas: tuple[float, ...],
    data: str | None,
    runs: int | None,
    epochs: int | None,
    full: bool,
    seed: int,
    dtype: str,
    **where: Any,
) -> None:
    """Train deep networks from good and poor starting points, with and without noise.

    Table 1: 20 hidden layers of 50 ReLUs (and 5, where noise does not help), SGD at rates 0.1 and
    0.01, half of the runs each. Several values of an option are several variants. The runs of a
    setting train side by side; a rerun does only what is missing.
    """
    try:
        found, plan = plan_of(
            data=data,
            runs=runs,
            epochs=epochs,
            full=full,
            seed=seed,
            dtype=dtype,
            batch_sizes=batch_sizes,
            dropout_rates=dropout_rates,
            etas=etas,
        )
        code = reproduced("table1", settings(plan, experiments, arms), plan, found, **where)
    except (ImportError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.get_current_context().exit(code)
