"""What decides the outcome of a run of a multilayer perceptron, besides its seed and its data."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import gradnoise_core as gn
from gradnoise_reference_models.data import ClassificationData

__all__ = ["MlpSetting"]


@dataclass(frozen=True)
class MlpSetting:
    """The setting of a trial; `as_dict` is what `Trial` takes.

    Parameters
    ----------
    experiment, arm : str
        What the run is part of: a row of the paper's table, and what is compared within it.
    data : str
        A name in `LOADERS`.
    init : str
        A name in `INITIALIZERS`.
    clip : float or None
        The largest global norm of the gradient.
    learning_rate : float
    eta, gamma : float
        Of the annealed noise; eta 0 is none, and gamma 0 a variance that stays eta.
    dropout_rate : float
    batch_size, epochs : int
    hidden_layers, width : int
    dtype : str
        "float32" or "float64".
    """

    experiment: str
    arm: str
    data: str
    init: str
    clip: float | None
    learning_rate: float
    eta: float
    gamma: float
    dropout_rate: float
    batch_size: int
    epochs: int
    hidden_layers: int
    width: int
    dtype: str

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON."""
        return asdict(self)

    def sizes(self, data: ClassificationData) -> tuple[int, ...]:
        """Return the features of each layer."""
        hidden = (self.width,) * self.hidden_layers
        return (data.train_x.shape[1], *hidden, data.classes)

    def optimizer(self, seeds: Sequence[int]) -> gn.GradientTransformation:
        """Return SGD behind clipping and noise: the noise is that of each replica's seed."""
        several = list(seeds)
        if self.eta:
            return gn.noisy(
                gn.sgd(self.learning_rate), self.eta, self.gamma, clip=self.clip, seed=several
            )
        if self.clip is None:
            return gn.sgd(self.learning_rate)
        return gn.chain(
            gn.clip_by_global_norm(self.clip, replicas=True), gn.sgd(self.learning_rate)
        )
