"""Section 4.6: does the noise have to be annealed, and do small batches make up for it?

An ablation is a function of a plan, of starting points or of tasks, and of their data, one for each
model that it is asked of.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradnoise_reference_models.data import ClassificationData, steps_per_epoch
from gradnoise_reference_models.experiments._memory_plan import MemoryPlan
from gradnoise_reference_models.experiments._memory_setting import MemorySetting
from gradnoise_reference_models.experiments._mlp_setting import MlpSetting
from gradnoise_reference_models.experiments._plan import Plan
from gradnoise_reference_models.experiments.table1 import ANNEALED, EXPERIMENTS, NO_NOISE, RATES
from gradnoise_reference_models.experiments.table2 import PROCEDURES

__all__ = [
    "ABLATIONS",
    "BATCH_SIZES",
    "FIXED_VARIANCES",
    "MEMORY_NETWORK",
    "MEMORY_VARIANCES",
    "MLP",
    "Ablation",
    "fixed_variance",
    "on_model",
]

#: Models.
MLP, MEMORY_NETWORK = "mlp", "memory-network"

#: Constant variances. The paper draws its own log-uniformly from 1e-4 to 0.1; these are that range
#: in steps of ten, so that the best of them is the best of a grid and not of a draw.
FIXED_VARIANCES = (1e-4, 1e-3, 1e-2, 1e-1)

#: Of memory networks the paper says: "fixed eta = 0.001". Read as a variance, as eta is elsewhere;
#: and as a standard deviation, as others have read it.
MEMORY_VARIANCES = (1e-3, 1e-6)

#: Of the runs without noise: the paper's.
BATCH_SIZES = (10, 25, 50)

#: Yields what is to be run: ``(plan, experiments or tasks, data) -> settings``, of the model's kinds.
Settings = Callable[[Any, Sequence[str], Any], Iterator[Any]]


@dataclass(frozen=True)
class Ablation:
    """A question, and how it is asked of each model.

    Attributes
    ----------
    name, title : str
    models : mapping of str to callable
        By model: ``(plan, experiments, data) -> settings``; of memory networks
        ``(plan, tasks, procedures) -> settings``.
    """

    name: str
    title: str
    models: Mapping[str, Settings]


def on_model(name: str, model: str) -> str:
    """Return the name that the trials of an ablation have: that of the first model is its own."""
    return name if model == MLP else f"{name}-{model}"


def fixed_variance(variance: float) -> str:
    """Return the name of the arm with noise of a constant variance."""
    return f"fixed variance {variance:g}"


def _annealed_vs_fixed(
    plan: Plan, experiments: Sequence[str], data: ClassificationData
) -> Iterator[MlpSetting]:
    """Yield no noise, annealed noise, and each constant variance, which is gamma = 0."""
    for name in experiments:
        start = _start(name)
        yield from plan.settings(RATES, arm=NO_NOISE, **start)
        yield from plan.settings(RATES, arm=ANNEALED, noise=True, **start)
        for variance in FIXED_VARIANCES:
            arm = fixed_variance(variance)
            yield from plan.settings(RATES, arm=arm, eta=variance, gamma=0.0, **start)


def _annealed_vs_fixed_memory(
    plan: MemoryPlan, tasks: Sequence[str], procedures: Sequence[str]
) -> Iterator[MemorySetting]:
    """Yield no noise, annealed noise, and each constant variance, which is gamma = 0."""
    for name in procedures:
        procedure = PROCEDURES[name]
        start: dict[str, Any] = {
            "procedure": name,
            "linear": procedure.linear,
            "rate": procedure.rate,
        }
        for task in tasks:
            yield from plan.settings(task, arm=NO_NOISE, **start)
            yield from plan.settings(task, arm=ANNEALED, noise=True, **start)
            for variance in MEMORY_VARIANCES:
                arm = fixed_variance(variance)
                yield from plan.settings(task, arm=arm, eta=variance, gamma=0.0, **start)


def _batch_noise(
    plan: Plan, experiments: Sequence[str], data: ClassificationData
) -> Iterator[MlpSetting]:
    """Yield annealed noise, and no noise at each batch size, with about as many updates each.

    Updates and not epochs are held fixed, for they are what noise acts on; in whole epochs, rounded
    up.
    """
    (batch_size,) = plan.batch_sizes
    examples = len(data.train_y)
    updates = plan.epochs * steps_per_epoch(examples, batch_size)
    for name in experiments:
        start = _start(name)
        yield from plan.settings(RATES, arm=ANNEALED, noise=True, **start)
        for size in BATCH_SIZES:
            epochs = -(-updates // steps_per_epoch(examples, size))
            other = replace(plan, batch_sizes=(size,), epochs=epochs)
            yield from other.settings(RATES, arm=f"{NO_NOISE}, batch {size}", **start)


def _start(name: str) -> dict[str, Any]:
    """Return what an experiment of table 1 holds fixed."""
    found = EXPERIMENTS[name]
    return {
        "experiment": name,
        "init": found.init,
        "clip": found.clip,
        "hidden_layers": found.hidden_layers,
    }


#: By name; the models of later tables are added to an ablation's `models`.
ABLATIONS = {
    ablation.name: ablation
    for ablation in (
        Ablation(
            "annealed-vs-fixed",
            "annealed noise against noise of a constant variance",
            {MLP: _annealed_vs_fixed, MEMORY_NETWORK: _annealed_vs_fixed_memory},
        ),
        Ablation("batch-noise", "noise against smaller batches", {MLP: _batch_noise}),
    )
}
