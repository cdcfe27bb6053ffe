"""``gradnoise reproduce table2``."""

from pathlib import Path
from typing import Any

import click

from gradnoise_reference_models.cli._backends import names
from gradnoise_reference_models.cli._memory import (
    STAGES,
    plan_of,
    reproduced,
    stage_option,
    task_option,
)
from gradnoise_reference_models.cli._several import Several
from gradnoise_reference_models.cli._sweep import sweep_options
from gradnoise_reference_models.data import STORY_SOURCES
from gradnoise_reference_models.experiments._memory_plan import FULL, USUAL
from gradnoise_reference_models.experiments._memory_setting import NORMS
from gradnoise_reference_models.experiments.table2 import ARMS, ETAS, settings
from gradnoise_reference_models.layers.sentence_encoding import KINDS
from gradnoise_reference_models.models.memory_network import TYINGS

__all__ = ["table2"]


@click.command()
@task_option
@stage_option(tuple(STAGES))
@click.option(
    "--arm",
    "arms",
    type=Several(click.Choice(ARMS)),
    default=ARMS,
    help="Only these of what is compared.",
)
@click.option(
    "--eta",
    "etas",
    type=Several(click.FloatRange(0, min_open=True)),
    default=(ETAS[0],),
    help=f"Of the annealed noise: {ETAS[0]} by default, the paper's choice among "
    f"{' and '.join(map(str, ETAS))}.",
)
@click.option(
    "--restarts",
    type=click.IntRange(1),
    help=f"Of each setting: {USUAL.restarts} by default. The one of the lowest training error is "
    "chosen.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help=f"With softmax attention: {USUAL.epochs} by default.",
)
@click.option(
    "--full",
    is_flag=True,
    help=f"All of it: bAbI's {len(FULL.tasks)} tasks, {FULL.restarts} restarts, {FULL.epochs} "
    "epochs, where not given.",
)
@click.option("--hops", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--encoding",
    type=click.Choice(KINDS),
    default="position",
    show_default=True,
    help="Of sentences.",
)
@click.option(
    "--tying",
    type=click.Choice(TYINGS),
    default="adjacent",
    show_default=True,
    help="How hops share embeddings.",
)
@click.option(
    "--norm",
    type=click.Choice(NORMS),
    default="frobenius",
    show_default=True,
    help="By which a matrix is clipped; spectral is that of Sukhbaatar's program.",
)
@click.option(
    "--data",
    type=click.Choice(STORY_SOURCES),
    help="bAbI, or stories that we generate; by default bAbI where it is found, and with --full "
    "nothing else.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the first restart.",
)
@click.option(
    "--backend",
    type=click.Choice(names()),
    default="numpy",
    show_default=True,
    help="The array library.",
)
@click.option("--device", help="Such as cuda (the first one); the backend's own by default.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64"]),
    default="float32",
    show_default=True,
    help="Of the parameters and the data.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the table and the plot; results/table2 by default.",
)
@sweep_options
def table2(
    tasks: tuple[str, ...] | None,
    stages: tuple[str, ...],
    arms: tuple[str, ...],
    etas: tuple[float, ...],
    restarts: int | None,
    epochs: int | None,
    full: bool,
    hops: int,
    encoding: str,
    tying: str,
    norm: str,
    data: str | None,
    seed: int,
    dtype: str,
    **where: Any,
) -> None:
    """Train memory networks on bAbI in one and in two stages, with and without noise.

    Table 2: end-to-end memory networks of Sukhbaatar et al. (2015), a network for each task. Of
    each task's restarts the one of the lowest training error is chosen. Without bAbI at hand the
    questions are about stories that we generate, whose errors are not to be set beside the paper's.
    The restarts of a setting train side by side; a rerun does only what is missing.
    """
    try:
        found, plan = plan_of(
            tasks=tasks,
            data=data,
            restarts=restarts,
            epochs=epochs,
            full=full,
            etas=etas,
            seed=seed,
            hops=hops,
            encoding=encoding,
            tying=tying,
            norm=norm,
            dtype=dtype,
        )
        procedures = [STAGES[stage] for stage in stages]
        code = reproduced(
            "table2", settings(plan, [*found], procedures, arms), plan, found, **where
        )
    except (ImportError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.get_current_context().exit(code)
