"""Train an ensemble of classifiers as one array program: a replica is a setting and a seed.

All replicas see their own minibatches, in the order of their seed, and make their steps side by
side along the leading axis; replica r equals the solo run with its seed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import gradnoise_core as gn
from gradnoise_core.backend import Backend
from gradnoise_core.typing import Array, Device, Step, Tree
from gradnoise_reference_models.data import ClassificationData, epoch_order, steps_per_epoch
from gradnoise_reference_models.data.batches import batches
from gradnoise_reference_models.models import mlp
from gradnoise_reference_models.models.mlp import Dropout

__all__ = ["EpochRecord", "Progress", "Trainer", "TrainingState"]


class EpochRecord(NamedTuple):
    """What an epoch came to, for each of R replicas."""

    epoch: int
    step: int
    loss: tuple[float, ...]
    test_accuracy: tuple[float, ...]


class TrainingState(NamedTuple):
    """All that a run needs to go on, besides its settings: nothing random is in it.

    `step` counts within the epoch; a checkpoint is of a whole epoch, where it is 0.
    """

    epoch: int
    step: int
    params: Tree
    optimizer: Any


#: Test examples at a time, so that what a network of many replicas remembers of them fits.
_PIECE = 1000

#: Told after each step: epochs done before this one, and steps done in it.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Trainer:
    """How a network is trained on data with an optimizer.

    Parameters
    ----------
    data : ClassificationData
    seeds : sequence of int
        One a replica; they order the minibatches.
    optimizer : GradientTransformation
    batch_size : int
        Examples a step and replica.
    backend : Backend
    dtype : str
        Of the parameters and the data: "float32" or "float64".
    device : optional
        Where to train: one of the backend's devices; its own default if None.
    compiled : bool
        Whether the step is compiled by the backend.
    dropout_rate : float
        The probability that a hidden unit is dropped, in [0, 1); the masks are those of the seeds.
    """

    data: ClassificationData
    seeds: Sequence[int]
    optimizer: Any
    batch_size: int
    backend: Backend
    dtype: str = "float32"
    device: Device = None
    compiled: bool = False
    dropout_rate: float = 0.0

    @property
    def steps_per_epoch(self) -> int:
        """Steps an epoch; the last partial batch is left out."""
        return steps_per_epoch(len(self.data.train_y), self.batch_size)

    def start(self, initializer: Any, sizes: Sequence[int]) -> TrainingState:
        """Return the state before the first step."""
        xp = self.backend.namespace
        params = mlp.init(
            initializer,
            list(self.seeds),
            sizes,
            xp=xp,
            dtype=getattr(xp, self.dtype),
            device=self.device,
        )
        return TrainingState(0, 0, params, self.optimizer.init(params))

    def epochs(
        self, state: TrainingState, count: int, progress: Progress = lambda epoch, step: None
    ) -> Iterator[tuple[TrainingState, EpochRecord]]:
        """Train up to epoch `count`; yield the state and what was seen after each epoch."""
        accuracy = self.backend.jit(mlp.accuracy) if self.compiled else mlp.accuracy
        test = list(self._test())
        total: Any = 0.0
        for now, loss in self.steps(state, count, progress):
            total = total + loss
            if now.step == 0:
                scores = [self.backend.to_numpy(accuracy(now.params, *piece)) for piece in test]
                yield now, self._record(now, total, scores)
                total = 0.0

    def steps(
        self, state: TrainingState, count: int, progress: Progress = lambda epoch, step: None
    ) -> Iterator[tuple[TrainingState, Array]]:
        """Train from a whole epoch up to epoch `count`; yield the state and the loss of each step."""
        step = self.backend.jit(self.step) if self.compiled else self.step
        train = self._place(self.data.train_x, self.data.train_y)
        params, optimizer = state.params, state.optimizer
        for epoch in range(state.epoch, count):
            order = epoch_order(list(self.seeds), epoch, len(self.data.train_y))
            for i, rows in enumerate(batches(order, self.batch_size), 1):
                made = epoch * self.steps_per_epoch + i - 1
                chosen = self._indices(rows)
                params, optimizer, loss = step(params, optimizer, *train, chosen, made)
                progress(epoch, i)
                whole = i == self.steps_per_epoch
                yield TrainingState(epoch + whole, 0 if whole else i, params, optimizer), loss

    def step(
        self,
        params: Tree,
        optimizer: Any,
        train_x: Array,
        train_y: Array,
        chosen: Array,
        made: Step,
    ) -> tuple[Tree, Any, Array]:
        """Return parameters and optimizer state after a step on the chosen rows, and the loss.

        `made` is the number of updates made before, which decides the masks of dropout.
        """
        xp = self.backend.namespace
        flat = xp.reshape(chosen, (-1,))
        x = xp.reshape(xp.take(train_x, flat, axis=0), (*chosen.shape, train_x.shape[-1]))
        y = xp.reshape(xp.take(train_y, flat, axis=0), chosen.shape)
        rate, seeds = self.dropout_rate, list(self.seeds)
        dropout = Dropout(rate, seeds, made) if rate else None
        loss, grads = mlp.loss_and_grads(params, x, y, dropout=dropout)
        params, optimizer = gn.apply_gradients(self.optimizer, grads, optimizer, params)
        return params, optimizer, loss

    def _place(self, x: Array, y: Array) -> tuple[Array, Array]:
        place = self.backend.from_host
        return place(x.astype(self.dtype), device=self.device), place(y, device=self.device)

    def _indices(self, rows: Array) -> Array:
        return self.backend.from_host(np.ascontiguousarray(rows, np.int32), device=self.device)

    def _test(self) -> Iterator[tuple[Array, Array]]:
        """Yield the test data in pieces, on the device."""
        x, y = self.data.test_x, self.data.test_y
        for i in range(0, len(y), _PIECE):
            yield self._place(x[i : i + _PIECE], y[i : i + _PIECE])

    def _record(self, state: TrainingState, total: Array, scores: list[Array]) -> EpochRecord:
        steps, examples = self.steps_per_epoch, len(self.data.test_y)
        sizes = [min(_PIECE, examples - i) for i in range(0, examples, _PIECE)]
        accuracy = np.average(scores, axis=0, weights=sizes) if len(scores) > 1 else scores[0]
        losses = self.backend.to_numpy(total) / steps
        return EpochRecord(
            state.epoch,
            state.epoch * steps,
            tuple(float(x) for x in losses),
            tuple(float(x) for x in accuracy),
        )
