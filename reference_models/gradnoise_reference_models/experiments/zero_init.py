"""Table 1, experiment 6: a 20-layer network whose weights all start at zero.

Section 4.1 of Neelakantan et al. (2017). With all weights at zero no signal passes and no gradient
but the last bias's is other than zero: plain SGD stays at chance for ever. Gradient noise makes
the weights walk at random until their scale is near ``sqrt(2 / 50)``; then signal passes, and the
network learns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradnoise_core as gn
from gradnoise_core.backend import Backend
from gradnoise_core.typing import Device
from gradnoise_reference_models.data import ClassificationData, steps_per_epoch
from gradnoise_reference_models.initializers import INITIALIZERS
from gradnoise_reference_models.training import Trainer, TrainingState

__all__ = ["ARMS", "DEFAULT_STEPS", "Arm", "ZeroInit"]


@dataclass(frozen=True)
class Arm:
    """A setting of the experiment, with the paper's figures for it (test accuracy in %)."""

    name: str
    eta: float
    paper_best: float
    paper_average: float


ARMS = (
    Arm("no noise", 0.0, 11.4, 10.1),
    Arm("annealed noise", 0.01, 94.5, 49.7),
)

#: The number of steps, not of epochs, decides when the network starts to learn.
DEFAULT_STEPS = {"digits": 40_000, "mnist": 54_000}


@dataclass(frozen=True)
class ZeroInit:
    """The settings of a run; the defaults are the paper's where it gives them.

    Parameters
    ----------
    data : ClassificationData
    runs : int
        Random restarts of each arm: seeds `seed`, `seed` + 1, ...
    steps : int, optional
        Of training, rounded up to whole epochs; by the data set if None.
    batch_size : int
        The paper does not say; 50.
    seed : int
        Of the first restart.
    learning_rate, clip, gamma : float
        0.1, 10 and 0.55.
    hidden_layers, width : int
        20 and 50.
    init : str
        A name in `INITIALIZERS`.
    dtype : str
        "float32" or "float64".
    """

    data: ClassificationData
    runs: int = 1
    steps: int | None = None
    batch_size: int = 50
    seed: int = 0
    learning_rate: float = 0.1
    clip: float = 10.0
    gamma: float = 0.55
    hidden_layers: int = 20
    width: int = 50
    init: str = "zero"
    dtype: str = "float32"

    @property
    def seeds(self) -> list[int]:
        """The seed of each replica: every arm has the same ones."""
        return [self.seed + r for _ in ARMS for r in range(self.runs)]

    @property
    def arms(self) -> list[Arm]:
        """The arm of each replica."""
        return [arm for arm in ARMS for _ in range(self.runs)]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Features of each layer."""
        hidden = (self.width,) * self.hidden_layers
        return (self.data.train_x.shape[1], *hidden, self.data.classes)

    @property
    def epochs(self) -> int:
        """Whole epochs that hold the steps asked for."""
        steps = DEFAULT_STEPS[self.data.name] if self.steps is None else self.steps
        return -(-steps // steps_per_epoch(len(self.data.train_y), self.batch_size))

    def settings(self) -> dict[str, Any]:
        """Return what decides a run's numbers, its length excepted, as plain JSON."""
        kept = {k: v for k, v in asdict_without_data(self).items() if k != "steps"}
        return {"experiment": "zero-init", "data": self.data.name, **kept}

    def optimizer(self) -> gn.GradientTransformation:
        """Return SGD behind clipping and noise, with the noise of each replica's arm."""
        return gn.noisy(
            gn.sgd(self.learning_rate),
            eta=[arm.eta for arm in self.arms],
            gamma=self.gamma,
            clip=self.clip,
            seed=self.seeds,
        )

    def trainer(self, backend: Backend, device: Device = None, *, compiled: bool) -> Trainer:
        """Return the trainer of all replicas on a backend."""
        return Trainer(
            self.data,
            self.seeds,
            self.optimizer(),
            self.batch_size,
            backend,
            self.dtype,
            device,
            compiled,
        )

    def start(self, trainer: Trainer) -> TrainingState:
        """Return the state before the first step."""
        return trainer.start(INITIALIZERS[self.init], self.sizes)


def asdict_without_data(settings: ZeroInit) -> dict[str, Any]:
    """Return the fields but the data."""
    return {name: value for name, value in vars(settings).items() if name != "data"}


def by_arm(values: Sequence[float]) -> dict[str, list[float]]:
    """Return the replicas' values under the names of their arms."""
    runs = len(values) // len(ARMS)
    return {arm.name: list(values[i * runs : (i + 1) * runs]) for i, arm in enumerate(ARMS)}
