"""Section 4.6: does the noise have to be annealed, and do small batches make up for it?

An ablation is a function of a plan and of starting points, one for each model that it is asked of.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradnoise_reference_models.data import ClassificationData, steps_per_epoch
from gradnoise_reference_models.experiments._mlp_setting import MlpSetting
from gradnoise_reference_models.experiments._plan import Plan
from gradnoise_reference_models.experiments.table1 import ANNEALED, EXPERIMENTS, NO_NOISE, RATES

__all__ = ["ABLATIONS", "BATCH_SIZES", "FIXED_VARIANCES", "Ablation", "fixed_variance"]

#: Constant variances. The paper draws its own log-uniformly from 1e-4 to 0.1; these are that range
#: in steps of ten, so that the best of them is the best of a grid and not of a draw.
FIXED_VARIANCES = (1e-4, 1e-3, 1e-2, 1e-1)

#: Of the runs without noise: the paper's.
BATCH_SIZES = (10, 25, 50)

#: Yields what is to be run: ``(plan, experiments, data) -> settings``.
MlpSettings = Callable[[Plan, Sequence[str], ClassificationData], Iterator[MlpSetting]]


@dataclass(frozen=True)
class Ablation:
    """A question, and how it is asked of each model.

    Attributes
    ----------
    name, title : str
    models : mapping of str to callable
        By model: ``(plan, experiments, data) -> settings``.
    """

    name: str
    title: str
    models: Mapping[str, MlpSettings]


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
            {"mlp": _annealed_vs_fixed},
        ),
        Ablation("batch-noise", "noise against smaller batches", {"mlp": _batch_noise}),
    )
}
