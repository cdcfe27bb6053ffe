"""``gradnoise reproduce annealed-vs-fixed`` and ``batch-noise``."""

from typing import Any

import click

from gradnoise_reference_models.cli._accuracy import accuracy_options, plan_of, reproduced
from gradnoise_reference_models.cli._several import Several
from gradnoise_reference_models.experiments._plan import BATCH_SIZE
from gradnoise_reference_models.experiments.ablations import ABLATIONS, Ablation
from gradnoise_reference_models.experiments.table1 import EXPERIMENTS

__all__ = ["annealed_vs_fixed", "batch_noise"]

#: Where the noise matters: without it these networks do not learn, or seldom.
_USUAL = ("1", "6")


def _command(ablation: Ablation, text: str) -> click.Command:
    """Return the command of an ablation."""

    @click.command(ablation.name, help=text)
    @click.option(
        "--model",
        type=click.Choice(list(ablation.models)),
        default=next(iter(ablation.models)),
        show_default=True,
        help="Of which table of the paper: mlp is table 1.",
    )
    @click.option(
        "--experiment",
        "experiments",
        type=Several(click.Choice(list(EXPERIMENTS))),
        default=_USUAL,
        help=f"Starting points of table 1: {','.join(_USUAL)} by default.",
    )
    @click.option(
        "--batch-size",
        type=click.IntRange(1),
        default=BATCH_SIZE,
        show_default=True,
        help="Examples a step.",
    )
    @accuracy_options
    def command(
        model: str,
        experiments: tuple[str, ...],
        batch_size: int,
        data: str | None,
        runs: int | None,
        epochs: int | None,
        full: bool,
        seed: int,
        dtype: str,
        **where: Any,
    ) -> None:
        try:
            found, plan = plan_of(
                data=data,
                runs=runs,
                epochs=epochs,
                full=full,
                seed=seed,
                dtype=dtype,
                batch_sizes=(batch_size,),
            )
            settings = ablation.models[model](plan, experiments, found)
            code = reproduced(ablation.name, settings, plan, found, **where)
        except (ImportError, ValueError, OSError) as error:
            raise click.ClickException(str(error)) from error
        click.get_current_context().exit(code)

    return command


annealed_vs_fixed = _command(
    ABLATIONS["annealed-vs-fixed"],
    """Compare annealed noise with noise of a constant variance.

    Section 4.6. The constants are 1e-4, 1e-3, 1e-2 and 1e-1, the range that the paper draws its own
    from: the best of them is what annealing has to beat.
    """,
)

batch_noise = _command(
    ABLATIONS["batch-noise"],
    """Compare noise with smaller batches, whose gradients are noisier by themselves.

    Section 4.6: batches of 10, 25 and 50 without noise, with as many updates each as the runs with
    noise make.
    """,
)
