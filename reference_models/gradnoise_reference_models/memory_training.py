"""Train an ensemble of memory networks as one array program, as Sukhbaatar et al. (2015) did.

Two stages: the attention is linear at first (or not at all), then a softmax; the rate is halved
from time to time in the second. An update is: clip each matrix by itself, add noise, descend, set
null's embeddings to zero. All restarts go side by side along the leading axis, each with its own
examples; replica r equals the solo run with its seed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

import gradnoise_core as gn
from gradnoise_core import _check
from gradnoise_core.backend import Backend
from gradnoise_core.schedules import piecewise_constant
from gradnoise_core.typing import Array, Device, Schedule, Tree
from gradnoise_reference_models.data import Stories, StoryData, steps_per_epoch
from gradnoise_reference_models.models import memory_network as model
from gradnoise_reference_models.models.memory_network import MemoryNetwork, Score
from gradnoise_reference_models.training import Progress, TrainingState

__all__ = ["MemoryRecord", "MemoryTrainer", "Stages", "network_for"]

#: Examples that are judged at a time, so that what is remembered of them fits.
_PIECE = 500


class MemoryRecord(NamedTuple):
    """What an epoch came to, for each of R replicas: errors are fractions of wrong answers.

    Training loss (nats an example) and training error are of the examples as they were trained on,
    each judged before its update, with random times; validation and test error are of the weights
    after the epoch, over all examples, and the test error is NaN in epochs that are not tested. A
    replica whose loss or weights are not finite has no answer right.
    """

    epoch: int
    step: int
    loss: tuple[float, ...]
    train_error: tuple[float, ...]
    validation_error: tuple[float, ...]
    test_error: tuple[float, ...]


@dataclass(frozen=True)
class Stages:
    """How long each stage is, and at what rates.

    Parameters
    ----------
    epochs : int
        Of the stage with softmax attention, >= 1.
    rate : float
        Learning rate at its start, per example: gradients are sums over a batch.
    halving : int
        The rate is halved at the start of the epochs `halving`, 2 `halving`..., counted from 1.
    linear_epochs : int
        Of the stage with linear attention before it; 0 for none.
    linear_rate : float
        Learning rate of that stage, never halved.

    Raises
    ------
    ValueError, TypeError
        If a number of epochs is no integer in its range, or a rate is not > 0.

    Examples
    --------
    >>> stages = Stages(epochs=60, rate=0.008, halving=25, linear_epochs=20, linear_rate=0.005)
    >>> rate = stages.schedule(updates=28)
    >>> [rate(28 * epoch) for epoch in (0, 19, 20, 43, 44, 69)]
    [0.005, 0.005, 0.008, 0.008, 0.004, 0.002]
    """

    epochs: int
    rate: float
    halving: int
    linear_epochs: int = 0
    linear_rate: float = 0.005

    def __post_init__(self) -> None:
        """Refuse what is no schedule."""
        for name, least in (("epochs", 1), ("halving", 1), ("linear_epochs", 0)):
            value = _check.integer_below(name, getattr(self, name), 31)
            if value < least:
                message = f"`{name}` must be an integer >= {least}, got {value}."
                raise ValueError(message)
        for name in ("rate", "linear_rate"):
            _check.positive(name, getattr(self, name))

    @property
    def total(self) -> int:
        """Epochs of both stages."""
        return self.linear_epochs + self.epochs

    def schedule(self, updates: int) -> Schedule:
        """Return the learning rate as a function of the updates made, `updates` an epoch."""
        # Of the second stage, as (epoch before it, rate).
        changes = [(0, self.rate)]
        for k, epoch in enumerate(range(self.halving, self.epochs + 1, self.halving), 1):
            if epoch == 1:
                changes[0] = (0, self.rate / 2)
            else:
                changes.append((epoch - 1, self.rate / 2**k))
        changes = [(self.linear_epochs + epoch, rate) for epoch, rate in changes]
        if self.linear_epochs:
            changes.insert(0, (0, self.linear_rate))
        return piecewise_constant(
            [rate for _, rate in changes], [updates * epoch for epoch, _ in changes[1:]]
        )


def network_for(data: StoryData, **options: Any) -> MemoryNetwork:
    """Return a network of a data set's sizes; `options` are its other settings."""
    return MemoryNetwork(
        words=len(data.vocabulary), width=data.width, memory=data.memory, **options
    )


@dataclass(frozen=True)
class MemoryTrainer:
    """How a memory network is trained on stories with an optimizer.

    Parameters
    ----------
    data : StoryData
    network : MemoryNetwork
        Of the data's sizes: `network_for` makes one.
    seeds : sequence of int
        One a replica; initial weights, examples and random times are drawn from them.
    stages : Stages
    optimizer : GradientTransformation
        What it counts goes on from stage to stage.
    backend : Backend
    batch_size : int
        Examples an update and replica, drawn with replacement.
    random_times : float
        How many empty statements, in proportion to the others, may stand among them in training.
    dtype : str
        Of the parameters and the bags of words: "float32" or "float64".
    device : optional
        Where to train: one of the backend's devices; its own default if None.
    compiled : bool
        Whether the step is compiled by the backend, once a stage.
    test_every : int
        Epochs from one test to the next; the last epoch of a stage is always tested.
    """

    data: StoryData
    network: MemoryNetwork
    seeds: Sequence[int]
    stages: Stages
    optimizer: Any
    backend: Backend
    batch_size: int = 32
    random_times: float = 0.1
    dtype: str = "float32"
    device: Device = None
    compiled: bool = False
    test_every: int = 1

    @property
    def updates_per_epoch(self) -> int:
        """As many as there would be whole batches without replacement."""
        return steps_per_epoch(len(self.data.train), self.batch_size)

    def start(self) -> TrainingState:
        """Return the state before the first update."""
        xp = self.backend.namespace
        params = model.init(
            self.network,
            list(self.seeds),
            xp=xp,
            dtype=getattr(xp, self.dtype),
            device=self.device,
        )
        return TrainingState(0, 0, params, self.optimizer.init(params))

    def epochs(
        self, state: TrainingState, progress: Progress = lambda epoch, step: None
    ) -> Iterator[tuple[TrainingState, MemoryRecord]]:
        """Train to the end; yield the state and what was seen after each epoch."""
        scores: list[Score] = []
        for now, score in self.steps(state, progress):
            scores.append(score)  # a number is waited for at the end of an epoch only
            if now.step == 0:
                yield now, self._record(now, scores)
                scores = []

    def steps(
        self, state: TrainingState, progress: Progress = lambda epoch, step: None
    ) -> Iterator[tuple[TrainingState, Score]]:
        """Train from a whole epoch to the end; yield the state and each batch's score."""
        train, updates = self._stories(self.data.train), self.updates_per_epoch
        params, optimizer = state.params, state.optimizer
        compiled: dict[bool, Any] = {}
        for epoch in range(state.epoch, self.stages.total):
            linear = epoch < self.stages.linear_epochs
            if linear not in compiled:
                step = partial(self.step, linear=linear)
                compiled[linear] = self.backend.jit(step) if self.compiled else step
            rows, times = self.draw(epoch)
            for i in range(updates):
                batch = (self._place(a[:, i]) for a in (rows, times))
                params, optimizer, score = compiled[linear](params, optimizer, train, *batch)
                progress(epoch, i + 1)
                whole = i + 1 == updates
                yield TrainingState(epoch + whole, 0 if whole else i + 1, params, optimizer), score

    def draw(self, epoch: int) -> tuple[Array, Array]:
        """Return the examples of an epoch, ``(R, updates, N)``, and their times, ``(..., M)``."""
        seeds, shape = list(self.seeds), (self.updates_per_epoch, self.batch_size)
        rows = model.random_rows(seeds, epoch, shape, len(self.data.train))
        times = self.data.train.tau[rows]
        memory, fraction = self.network.memory, self.random_times
        return rows, model.random_times(seeds, epoch, times, memory, fraction=fraction)

    def step(
        self,
        params: Tree,
        optimizer: Any,
        train: model.Stories,
        rows: Array,
        times: Array,
        *,
        linear: bool,
    ) -> tuple[Tree, Any, Score]:
        """Return parameters and optimizer state after an update, and the score before it."""
        batch = model.gather(self.network, train, rows, times)
        score, grads = model.score_and_grads(self.network, params, batch, linear=linear)
        params, optimizer = gn.apply_gradients(self.optimizer, grads, optimizer, params)
        return model.without_null(self.network, params), optimizer, score

    def errors(self, params: Tree, examples: Stories, *, linear: bool = False) -> tuple[float, ...]:
        """Return each replica's fraction of wrong answers to all `examples`, at their own times."""
        return self._errors(params, self._stories(examples), linear)

    @cached_property
    def _judged(self) -> tuple[model.Stories, model.Stories]:
        return self._stories(self.data.validation), self._stories(self.data.test)

    @cached_property
    def _score(self) -> dict[bool, Any]:
        """Return, for linear attention and for a softmax, what judges some rows of stories."""

        def score(params: Tree, stories: model.Stories, rows: Array, *, linear: bool) -> Score:
            batch = model.gather(self.network, stories, rows)
            return model.score(self.network, params, batch, linear=linear)

        jit = self.backend.jit if self.compiled else lambda function: function
        return {linear: jit(partial(score, linear=linear)) for linear in (False, True)}

    def _errors(self, params: Tree, stories: model.Stories, linear: bool) -> tuple[float, ...]:
        n = stories.answers.shape[0]
        scores = [
            self._score[linear](params, stories, self._place(rows))
            for rows in np.array_split(np.arange(n), -(-n // _PIECE))
        ]
        return self._totals(scores, n)[1]

    def _totals(
        self, scores: Sequence[Score], n: int
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the mean loss and the error of n examples, summed in float64 on the host."""
        to_numpy = self.backend.to_numpy
        with np.errstate(all="ignore"):  # infinities of both signs make a NaN, as they should
            loss = np.sum([np.asarray(to_numpy(s.loss), np.float64) for s in scores], axis=0) / n
        wrong = np.sum([np.asarray(to_numpy(s.wrong), np.int64) for s in scores], axis=0) / n
        wrong = np.where(np.isfinite(loss), wrong, 1.0)
        return tuple(map(float, loss)), tuple(map(float, wrong))

    def _record(self, state: TrainingState, scores: Sequence[Score]) -> MemoryRecord:
        stages, epoch = self.stages, state.epoch
        linear = epoch <= stages.linear_epochs
        validation, test = self._judged
        tested = epoch % self.test_every == 0 or epoch in (stages.linear_epochs, stages.total)
        loss, error = self._totals(scores, self.updates_per_epoch * self.batch_size)
        return MemoryRecord(
            epoch,
            epoch * self.updates_per_epoch,
            loss,
            error,
            self._errors(state.params, validation, linear),
            self._errors(state.params, test, linear)
            if tested
            else (float("nan"),) * len(self.seeds),
        )

    def _stories(self, examples: Stories) -> model.Stories:
        xp = self.backend.namespace
        parts = examples.X, examples.tau, examples.Q, examples.y
        dtype = getattr(xp, self.dtype)
        return model.stories(self.network, *parts, xp=xp, dtype=dtype, device=self.device)

    def _place(self, indices: Array) -> Array:
        return self.backend.from_host(np.ascontiguousarray(indices, np.int32), device=self.device)
