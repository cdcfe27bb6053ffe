"""What decides the outcome of a run of a memory network, besides its seed and its data."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import gradnoise_core as gn
from gradnoise_reference_models.data import StoryData
from gradnoise_reference_models.memory_training import Stages, network_for
from gradnoise_reference_models.models import memory_network
from gradnoise_reference_models.models.memory_network import MemoryNetwork

__all__ = ["NORMS", "MemorySetting"]

#: What a matrix of the gradient is clipped by: "frobenius", the plain reading of the paper; or
#: "spectral", with the gradient of null words in it, as in the authors' program.
NORMS = ("frobenius", "spectral")


@dataclass(frozen=True)
class MemorySetting:
    """The setting of a trial; `as_dict` is what `Trial` takes.

    Parameters
    ----------
    task, procedure, arm : str
        What the run is part of: a task of bAbI, or "joint"; how it is trained; and what is compared.
    data : str
        "babi" or "stories".
    eta, gamma : float
        Of the annealed noise; eta 0 is none, and gamma 0 a variance that stays eta.
    epochs, learning_rate, halving
        Of the stage with softmax attention, as in `Stages`.
    linear_epochs, linear_rate
        Of the stage with linear attention before it, as in `Stages`.
    clip : float
        The largest norm of each matrix of the gradient.
    norm : str
        One of `NORMS`.
    size, hops, tying
        As in `MemoryNetwork`.
    encoding : str
        The `kind` of `MemoryNetwork`.
    random_times : float
        As in `MemoryTrainer`.
    batch_size : int
    dtype : str
        "float32" or "float64".
    """

    task: str
    procedure: str
    arm: str
    data: str
    eta: float
    gamma: float
    epochs: int
    learning_rate: float
    halving: int
    linear_epochs: int
    linear_rate: float
    clip: float
    norm: str
    size: int
    hops: int
    tying: str
    encoding: str
    random_times: float
    batch_size: int
    dtype: str

    def __post_init__(self) -> None:
        """Refuse a norm that there is not."""
        if self.norm not in NORMS:
            message = f"`norm` must be one of {', '.join(NORMS)}, got {self.norm!r}."
            raise ValueError(message)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON."""
        return asdict(self)

    def network(self, data: StoryData) -> MemoryNetwork:
        """Return the network for a data set."""
        return network_for(
            data,
            size=self.size,
            hops=self.hops,
            tying=self.tying,
            kind=self.encoding,
            null=self.norm == "spectral",
        )

    @property
    def stages(self) -> Stages:
        """How long the stages are, and their rates."""
        return Stages(
            epochs=self.epochs,
            rate=self.learning_rate,
            halving=self.halving,
            linear_epochs=self.linear_epochs,
            linear_rate=self.linear_rate,
        )

    def optimizer(self, seeds: Sequence[int], updates: int) -> gn.GradientTransformation:
        """Return clipping, then noise, then gradient descent, for `updates` an epoch.

        Each distinct matrix is clipped by itself, and gets one noise, that of each replica's seed;
        its t counts the updates of both stages.
        """
        links = [
            memory_network.clip_by_spectral_norm(self.clip)
            if self.norm == "spectral"
            else gn.clip_by_norm(self.clip, replicas=True)
        ]
        if self.eta:
            links.append(gn.add_gradient_noise(self.eta, self.gamma, seed=list(seeds)))
        return gn.chain(*links, gn.sgd(self.stages.schedule(updates)))
