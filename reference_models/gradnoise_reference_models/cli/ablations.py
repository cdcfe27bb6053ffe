"""``gradnoise reproduce annealed-vs-fixed`` and ``batch-noise``."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click
from click.core import ParameterSource

from gradnoise_reference_models.cli import _memory
from gradnoise_reference_models.cli._accuracy import accuracy_options, plan_of, reproduced
from gradnoise_reference_models.cli._memory import STAGES, stage_option, task_option
from gradnoise_reference_models.cli._several import Several
from gradnoise_reference_models.data import LOADERS, STORY_SOURCES
from gradnoise_reference_models.experiments._memory_plan import FULL, USUAL
from gradnoise_reference_models.experiments._plan import BATCH_SIZE
from gradnoise_reference_models.experiments.ablations import (
    ABLATIONS,
    MEMORY_NETWORK,
    MLP,
    Ablation,
    on_model,
)
from gradnoise_reference_models.experiments.table1 import EXPERIMENTS

__all__ = ["annealed_vs_fixed", "batch_noise"]

#: Where the noise matters: without it these networks do not learn, or seldom.
_USUAL = ("1", "6")


_OF_MLP = (
    click.option(
        "--batch-size",
        type=click.IntRange(1),
        default=BATCH_SIZE,
        show_default=True,
        help="Examples a step, of mlp.",
    ),
    click.option(
        "--experiment",
        "experiments",
        type=Several(click.Choice(list(EXPERIMENTS))),
        default=_USUAL,
        help=f"Starting points of table 1: {','.join(_USUAL)} by default.",
    ),
)

#: Options that only one of the models has.
_OF_MODEL = {MLP: ("experiments", "batch_size"), MEMORY_NETWORK: ("tasks", "stages")}


#: What the common options mean for memory networks.
_OF_MEMORY = {
    "data": f"Of {MEMORY_NETWORK}: bAbI where it is found, else stories that we generate.",
    "runs": f"Of {MEMORY_NETWORK}: restarts, {USUAL.restarts} by default.",
    "epochs": f"Of {MEMORY_NETWORK}: {USUAL.epochs}.",
    "full": f"Of {MEMORY_NETWORK}: bAbI's {len(FULL.tasks)} tasks, {FULL.restarts} restarts, "
    f"{FULL.epochs} epochs.",
}


def _command(ablation: Ablation, text: str) -> click.Command:
    """Return the command of an ablation."""

    def run(
        model: str, data: str | None, full: bool, seed: int, dtype: str, **options: Any
    ) -> None:
        common = {"data": data, "full": full, "seed": seed, "dtype": dtype}
        try:
            _refuse_others(model, ablation.models)
            code = _RUNS[model](ablation, common, **options)
        except (ImportError, ValueError, OSError) as error:
            raise click.ClickException(str(error)) from error
        click.get_current_context().exit(code)

    of_memory = MEMORY_NETWORK in ablation.models
    decorated = accuracy_options(run)
    for option in (
        *((stage_option(("one",)), task_option) if of_memory else ()),
        *_OF_MLP,
        click.option(
            "--model",
            type=click.Choice(list(ablation.models)),
            default=next(iter(ablation.models)),
            show_default=True,
            help="Of which table of the paper: mlp is table 1, memory-network table 2.",
        ),
    ):
        decorated = option(decorated)
    command = click.command(ablation.name, help=text)(decorated)
    for parameter in command.params if of_memory else ():
        if isinstance(parameter, click.Option) and parameter.name in _OF_MEMORY:
            parameter.help = f"{parameter.help} {_OF_MEMORY[parameter.name]}"
        if parameter.name == "data":
            parameter.type = click.Choice(list(dict.fromkeys((*LOADERS, *STORY_SOURCES))))
    return command


def _refuse_others(model: str, models: Iterable[str]) -> None:
    """Refuse an option that was given and is not the model's."""
    context = click.get_current_context()
    for other in models:
        for name in _OF_MODEL[other] if other != model else ():
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                option = next(p.opts[0] for p in context.command.params if p.name == name)
                message = f"is an option of --model {other}, not of {model}"
                raise click.BadParameter(message, param_hint=option)


def _run_mlp(
    ablation: Ablation,
    common: dict[str, Any],
    *,
    experiments: Sequence[str],
    batch_size: int,
    runs: int | None,
    epochs: int | None,
    tasks: Sequence[str] | None = None,
    stages: Sequence[str] = (),
    **where: Any,
) -> int:
    found, plan = plan_of(**common, runs=runs, epochs=epochs, batch_sizes=(batch_size,))
    settings = ablation.models[MLP](plan, experiments, found)
    return reproduced(on_model(ablation.name, MLP), settings, plan, found, **where)


def _run_memory_network(
    ablation: Ablation,
    common: dict[str, Any],
    *,
    tasks: Sequence[str] | None,
    stages: Sequence[str],
    runs: int | None,
    epochs: int | None,
    experiments: Sequence[str] = (),
    batch_size: int = 0,
    **where: Any,
) -> int:
    found, plan = _memory.plan_of(**common, tasks=tasks, restarts=runs, epochs=epochs)
    procedures = [STAGES[stage] for stage in stages]
    settings = ablation.models[MEMORY_NETWORK](plan, [*found], procedures)
    name = on_model(ablation.name, MEMORY_NETWORK)
    return _memory.reproduced(name, settings, plan, found, **where)


_RUNS: Mapping[str, Callable[..., int]] = {MLP: _run_mlp, MEMORY_NETWORK: _run_memory_network}


annealed_vs_fixed = _command(
    ABLATIONS["annealed-vs-fixed"],
    """Compare annealed noise with noise of a constant variance.

    Section 4.6. The constants are 1e-4, 1e-3, 1e-2 and 1e-1, the range that the paper draws its own
    from: the best of them is what annealing has to beat. Of memory networks the paper has one
    constant, 0.001: it is taken as a variance and as a standard deviation; --runs are restarts.
    """,
)

batch_noise = _command(
    ABLATIONS["batch-noise"],
    """Compare noise with smaller batches, whose gradients are noisier by themselves.

    Section 4.6: batches of 10, 25 and 50 without noise, with as many updates each as the runs with
    noise make.
    """,
)
