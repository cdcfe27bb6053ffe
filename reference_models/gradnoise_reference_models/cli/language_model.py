"""``gradnoise reproduce language-model``."""

from pathlib import Path
from typing import Any

import click

from gradnoise_reference_models.cli._backends import names
from gradnoise_reference_models.cli._language import plan_of, reproduced
from gradnoise_reference_models.cli._several import Several
from gradnoise_reference_models.cli._sweep import sweep_options
from gradnoise_reference_models.data.text import NAMES
from gradnoise_reference_models.experiments._language_plan import FULL, USUAL
from gradnoise_reference_models.experiments.language_model import ETAS, TRIED

__all__ = ["language_model"]

_OF_USUAL, _OF_FULL = USUAL.recipe, FULL.recipe


@click.command("language-model")
@click.option(
    "--corpus",
    metavar="NAME|PATH",
    help=f"One of {', '.join(NAMES)}; or a folder of Penn Treebank files (ptb.train.txt, "
    f"ptb.valid.txt, ptb.test.txt). {USUAL.corpus} by default, which needs no files.",
)
@click.option(
    "--eta",
    "etas",
    type=Several(click.FloatRange(0)),
    default=ETAS,
    help=f"Of the annealed noise; 0 is none. {','.join(f'{eta:g}' for eta in ETAS)} by default: the "
    f"better of the paper's {' and '.join(map(str, TRIED))}, and a smaller one.",
)
@click.option(
    "--vocabulary",
    type=click.IntRange(3),
    help="Most words, the others being <unk>; by default the text's own number.",
)
@click.option(
    "--hidden",
    type=click.IntRange(1),
    help=f"Units of a layer, and of the embedding: {_OF_USUAL.units} by default.",
)
@click.option("--layers", type=click.IntRange(1), default=2, show_default=True)
@click.option(
    "--dropout",
    "dropout_rates",
    type=Several(click.FloatRange(0, 1, max_open=True)),
    default=(0.0,),
    help="Of connections that are not recurrent; none by default.",
)
@click.option(
    "--bound",
    "bounds",
    type=Several(click.FloatRange(0, min_open=True)),
    default=(_OF_FULL.bound,),
    help=f"Weights start in U(-a, a), with a = {_OF_FULL.bound} by default.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help=f"{_OF_USUAL.epochs} by default; the schedule of the rate is stretched to as many.",
)
@click.option(
    "--runs",
    type=click.IntRange(1),
    help=f"Of each setting: {USUAL.runs} by default.",
)
@click.option(
    "--full",
    is_flag=True,
    help=f"The published small network, where not given: {_OF_FULL.units} units, {_OF_FULL.epochs} "
    f"epochs, {FULL.runs} runs, on {FULL.corpus}.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the first run.",
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
    help="Of the parameters.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the table and the plot; results/language-model by default.",
)
@sweep_options
def language_model(
    corpus: str | None,
    etas: tuple[float, ...],
    vocabulary: int | None,
    hidden: int | None,
    layers: int,
    dropout_rates: tuple[float, ...],
    bounds: tuple[float, ...],
    epochs: int | None,
    runs: int | None,
    full: bool,
    seed: int,
    dtype: str,
    **where: Any,
) -> None:
    """Train LSTM language models with and without noise, which does not help them.

    Section 4.6, a negative result: 2 layers of 200 units on the Penn Treebank, as Zaremba et al.
    (2014) trained them. That text is licensed; --corpus takes the folder of your copy. Without it
    texts in the public domain stand in, or one that we generate, whose perplexities are not to be
    set beside the paper's. Several values of an option are several variants. Runs of a setting
    train side by side, two at a time; a rerun does only what is missing.
    """
    try:
        found, plan = plan_of(
            corpus=corpus,
            vocabulary=vocabulary,
            hidden=hidden,
            layers=layers,
            epochs=epochs,
            runs=runs,
            full=full,
            etas=etas,
            dropout_rates=dropout_rates,
            bounds=bounds,
            seed=seed,
            dtype=dtype,
        )
        code = reproduced(corpus, plan, found, **where)
    except (ImportError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.get_current_context().exit(code)
