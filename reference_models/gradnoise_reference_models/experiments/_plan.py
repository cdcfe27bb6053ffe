"""How much is run: the choices that the paper leaves open, and how many runs there are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gradnoise_reference_models.data import ClassificationData, steps_per_epoch
from gradnoise_reference_models.experiments._mlp_setting import MlpSetting
from gradnoise_reference_models.experiments._mlp_trials import conditions
from gradnoise_reference_models.experiments.zero_init import DEFAULT_STEPS
from gradnoise_reference_models.runner import Trial

__all__ = [
    "BATCH_SIZE",
    "DROPOUT_RATE",
    "FULL",
    "GAMMA",
    "RUNS",
    "WIDTH",
    "Plan",
    "trials",
    "usual_epochs",
]

#: The paper does not say these; they are our choice.
BATCH_SIZE, DROPOUT_RATE = 50, 0.5

GAMMA, WIDTH = 0.55, 50

#: Enough for a first look: two at each rate.
RUNS = 4


class Full(NamedTuple):
    """What is run when all is: 20 runs at each rate. The paper does not say how many epochs."""

    data: str = "mnist"
    runs: int = 40
    epochs: int = 60


FULL = Full()


@dataclass(frozen=True)
class Plan:
    """What the trials of an experiment have in common. Several values are several variants.

    Parameters
    ----------
    data : str
    epochs : int
    runs : int
        Of each setting, over both learning rates: an even number.
    batch_sizes : sequence of int
    dropout_rates : sequence of float
        Of the arms with dropout.
    etas : sequence of float
        Of the arms with annealed noise.
    seed : int
        Of the first run at each rate.
    width : int
        Units of a hidden layer.
    dtype : str
    """

    data: str
    epochs: int
    runs: int = RUNS
    batch_sizes: Sequence[int] = (BATCH_SIZE,)
    dropout_rates: Sequence[float] = (DROPOUT_RATE,)
    etas: Sequence[float] = (0.01,)
    seed: int = 0
    width: int = WIDTH
    dtype: str = "float32"

    def __post_init__(self) -> None:
        """Check what the command line cannot."""
        if self.runs < 2 or self.runs % 2:
            message = (
                f"`runs` must be an even number from 2 up, for half of them have each rate, got "
                f"{self.runs}."
            )
            raise ValueError(message)

    def settings(
        self, rates: Sequence[float], *, noise: bool = False, dropout: bool = False, **fixed: Any
    ) -> Iterator[MlpSetting]:
        """Yield a setting for each variant and rate; what is in `fixed` is not varied."""
        for batch_size in self.batch_sizes:
            for eta in self.etas if noise else (0.0,):
                for dropout_rate in self.dropout_rates if dropout else (0.0,):
                    for rate in rates:
                        values = {
                            "data": self.data,
                            "batch_size": batch_size,
                            "epochs": self.epochs,
                            "eta": eta,
                            "gamma": GAMMA,
                            "dropout_rate": dropout_rate,
                            "learning_rate": rate,
                            "width": self.width,
                            "dtype": self.dtype,
                        }
                        yield MlpSetting(**{**values, **fixed})


def trials(
    name: str,
    settings: Sequence[MlpSetting],
    plan: Plan,
    found: ClassificationData,
    backend: str,
    device: str | None,
) -> list[Trial]:
    """Return the trials of an experiment: every setting with every seed of its rate.

    Raises
    ------
    ValueError
        If a batch holds more examples than there are.
    """
    for size in {setting.batch_size for setting in settings}:
        steps_per_epoch(len(found.train_y), size)
    around = conditions(found, backend, device)
    return [
        Trial(name, setting.as_dict(), plan.seed + run, conditions=around)
        for setting in settings
        for run in range(plan.runs // 2)
    ]


def usual_epochs(found: ClassificationData, batch_size: int) -> int:
    """Return the whole epochs that hold as many steps as Zero Init needs to learn."""
    return -(-DEFAULT_STEPS[found.name] // steps_per_epoch(len(found.train_y), batch_size))
