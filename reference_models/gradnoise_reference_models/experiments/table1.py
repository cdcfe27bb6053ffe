"""Table 1: deep networks on MNIST from good and from poor starting points, with and without noise.

Section 4.1 of Neelakantan et al. (2017): 20 hidden layers of 50 ReLUs, SGD without momentum at two
fixed rates, 20 runs at each. The registry holds the experiments and the paper's figures; runs,
tables and pages are made of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gradnoise_reference_models.experiments._mlp_setting import MlpSetting
from gradnoise_reference_models.experiments._plan import Plan
from gradnoise_reference_models.experiments.zero_init import ARMS as ZERO_INIT

__all__ = [
    "ANNEALED",
    "ARMS",
    "DROPOUT",
    "ETAS",
    "EXPERIMENTS",
    "NO_NOISE",
    "RATES",
    "Experiment",
    "Paper",
    "paper",
    "settings",
]

#: The learning rates: half of the runs have the one, half the other.
RATES = (0.1, 0.01)

#: The paper's choice of eta was made among these; 0.01 it is.
ETAS = (0.01, 1.0)

NO_NOISE, ANNEALED, DROPOUT = "no noise", "annealed noise", "dropout"

#: What is compared in an experiment; there is no noise beside dropout.
ARMS = (NO_NOISE, ANNEALED, DROPOUT)


class Paper(NamedTuple):
    """The paper's test accuracy in %, over 40 runs: the best of them and their average."""

    best: float
    average: float


@dataclass(frozen=True)
class Experiment:
    """A row of the table.

    Attributes
    ----------
    name, title : str
    init : str
        A name in `INITIALIZERS`.
    clip : float or None
        The largest global norm of the gradient.
    hidden_layers : int
    arms : tuple of str
        Of `ARMS`, those that the paper has here.
    paper : mapping of str to Paper
        By arm; empty where the paper gives no figures.
    """

    name: str
    title: str
    init: str
    clip: float | None
    paper: Mapping[str, Paper]
    hidden_layers: int = 20
    arms: tuple[str, ...] = (NO_NOISE, ANNEALED)

    @property
    def label(self) -> str:
        """The number, if it has one, and the title."""
        return f"{self.name} {self.title}" if self.name.isdigit() else self.title


def _experiment(
    name: str, title: str, init: str, clip: float | None, *figures: tuple[float, float]
) -> Experiment:
    found = {arm: Paper(*pair) for arm, pair in zip(ARMS, figures, strict=False)}
    return Experiment(name, title, init, clip, found, arms=tuple(found))


EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        _experiment(
            "1",
            "Simple Init, no clipping",
            "simple",
            None,
            (89.9, 43.1),
            (96.7, 52.7),
            (11.3, 10.8),
        ),
        _experiment("2", "Simple Init, clip 100", "simple", 100.0, (90.0, 46.3), (96.7, 52.3)),
        _experiment("3", "Simple Init, clip 10", "simple", 10.0, (95.7, 51.6), (97.0, 53.6)),
        _experiment("4", "Good Init 1, clip 10", "random-walk", 10.0, (97.4, 92.1), (97.5, 92.2)),
        _experiment("5", "Good Init 2, clip 10", "he", 10.0, (97.4, 91.7), (97.2, 91.7)),
        _experiment(
            "6",
            "Zero Init, clip 10",
            "zero",
            10.0,
            *((arm.paper_best, arm.paper_average) for arm in ZERO_INIT),
        ),
        # "Noise does not improve the training in that case", says the text; it gives no figures.
        Experiment("5-layer", "5 layers, Simple Init", "simple", None, {}, hidden_layers=5),
    )
}


def paper(experiment: str, arm: str) -> Paper | None:
    """Return the paper's figures, or None where it has none.

    Examples
    --------
    >>> paper("1", "annealed noise")
    Paper(best=96.7, average=52.7)
    """
    found = EXPERIMENTS.get(experiment)
    return found.paper.get(arm) if found else None


def settings(
    plan: Plan, experiments: Sequence[str] = tuple(EXPERIMENTS), arms: Sequence[str] = ARMS
) -> Iterator[MlpSetting]:
    """Yield what is to be run, each setting at each rate.

    Raises
    ------
    ValueError
        If none of the experiments has any of the arms.

    Examples
    --------
    >>> plan = Plan(data="digits", epochs=3)
    >>> [(s.arm, s.learning_rate, s.eta) for s in settings(plan, ["6"])][:2]
    [('no noise', 0.1, 0.0), ('no noise', 0.01, 0.0)]
    """
    chosen = [(EXPERIMENTS[e], arm) for e in experiments for arm in EXPERIMENTS[e].arms]
    chosen = [(experiment, arm) for experiment, arm in chosen if arm in arms]
    if not chosen:
        message = (
            f"`arms` must be among those of experiment {', '.join(experiments)}, got "
            f"{', '.join(arms)}. Dropout is compared in experiment 1 alone."
        )
        raise ValueError(message)
    for experiment, arm in chosen:
        yield from plan.settings(
            RATES,
            experiment=experiment.name,
            arm=arm,
            init=experiment.init,
            clip=experiment.clip,
            hidden_layers=experiment.hidden_layers,
            noise=arm == ANNEALED,
            dropout=arm == DROPOUT,
        )
