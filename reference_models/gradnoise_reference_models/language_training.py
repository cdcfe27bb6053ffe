"""Train an ensemble of language models as one array program, as Zaremba et al. (2014) did.

All replicas read the same text, B streams side by side, window after window; the state goes from a
window to the next, without its gradient, and is zero at the start of each epoch. Replica r equals
the solo run with its seed. A run is resumed from the end of an epoch, where no state is carried.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import gradnoise_core as gn
from gradnoise_core.backend import Backend
from gradnoise_core.schedules import piecewise_constant
from gradnoise_core.typing import Array, Device, Schedule, Seed, Step, Tree
from gradnoise_reference_models._language_windows import checked_tokens, window_count, windows
from gradnoise_reference_models.data import streams
from gradnoise_reference_models.models import lstm_language_model as model
from gradnoise_reference_models.models.lstm_language_model import Dropout
from gradnoise_reference_models.training import Progress, TrainingState

__all__ = [
    "RECIPES",
    "LanguageRecord",
    "LanguageTrainer",
    "Recipe",
]


class LanguageRecord(NamedTuple):
    """What an epoch came to, for each of R replicas.

    `train_perplexity` is of the words as they were trained on, dropout included, while the
    parameters changed; `validation_perplexity` is after the epoch, without dropout.
    """

    epoch: int
    step: int
    train_perplexity: tuple[float, ...]
    validation_perplexity: tuple[float, ...]


@dataclass(frozen=True)
class Recipe:
    """How a published network is made and trained.

    Parameters
    ----------
    units, layers : int
    bound : float
        a of the initial weights, U(-a, a).
    dropout_rate : float
        Of the connections that are not recurrent.
    epochs : int
    flat_epochs : int
        At rate `learning_rate`; after each later one the rate is divided by `divisor`, so that
        epoch e, counted from 1, has ``learning_rate / divisor**max(0, e - flat_epochs)``.
    divisor, learning_rate : float
    clip : float
        The largest norm of the whole gradient.
    batch_size, window : int
        B streams and T steps.
    """

    units: int
    bound: float
    dropout_rate: float
    epochs: int
    flat_epochs: int
    divisor: float
    clip: float
    window: int
    layers: int = 2
    learning_rate: float = 1.0
    batch_size: int = 20

    def rate(self, windows_per_epoch: int) -> Schedule:
        """Return the learning rate as a function of the number of updates made.

        Examples
        --------
        >>> rate = RECIPES["small"].rate(100)
        >>> rate(0), rate(399), rate(400), rate(500)
        (1.0, 1.0, 0.5, 0.25)
        """
        drops = range(max(0, self.epochs - self.flat_epochs))
        rates = [self.learning_rate / self.divisor**k for k in (0, *(k + 1 for k in drops))]
        return piecewise_constant(
            rates, [windows_per_epoch * (self.flat_epochs + k) for k in drops]
        )

    def optimizer(
        self, windows_per_epoch: int, seed: Seed, *, eta: Any = 0.0, gamma: float = 0.55
    ) -> gn.GradientTransformation:
        """Return clipping, then noise, then gradient descent at `rate`.

        Parameters
        ----------
        windows_per_epoch : int
        seed : int or sequence of int
        eta : float or sequence of R floats
            Of the noise, whose t counts updates on from epoch to epoch; 0 draws none.
        gamma : float
        """
        descent = gn.sgd(self.rate(windows_per_epoch))
        if not np.any(np.asarray(eta)):
            several = not isinstance(seed, int)
            return gn.chain(gn.clip_by_global_norm(self.clip, replicas=several), descent)
        return gn.noisy(descent, eta=eta, gamma=gamma, clip=self.clip, seed=seed)


#: Zaremba, Sutskever & Vinyals, Recurrent neural network regularization (2014), section 4.1; the
#: clip of the small network is that of their program.
RECIPES = {
    "small": Recipe(200, 0.1, 0.0, 13, 4, 2.0, 5.0, 20),
    "medium": Recipe(650, 0.05, 0.5, 39, 6, 1.2, 5.0, 35),
    "large": Recipe(1500, 0.04, 0.65, 55, 14, 1.15, 10.0, 35),
}


@dataclass(frozen=True)
class LanguageTrainer:
    """How language models are trained on a text with an optimizer.

    Parameters
    ----------
    train, validation : integer arrays of shape ``(S,)``
        The words, in [0, `vocabulary`), as NumPy arrays.
    vocabulary : int
        V.
    seeds : sequence of int
        One a replica; initial weights and masks of dropout are drawn from them.
    optimizer : GradientTransformation
    backend : Backend
    batch_size : int
        B, the number of streams; of the validation text too.
    window : int
        T, the steps through which a gradient goes back.
    dtype : str
        Of the parameters: "float32" or "float64".
    device : optional
        Where to train: one of the backend's devices; its own default if None.
    compiled : bool
        Whether the step is compiled by the backend.
    dropout_rate : float
        The probability that a unit on a connection that is not recurrent is dropped, in [0, 1).

    Raises
    ------
    ValueError
        If a text is no row of words in [0, V), or too short for one window.
    """

    train: Array
    validation: Array
    vocabulary: int
    seeds: Sequence[int]
    optimizer: Any
    backend: Backend
    batch_size: int = 20
    window: int = 20
    dtype: str = "float32"
    device: Device = None
    compiled: bool = False
    dropout_rate: float = 0.0

    def __post_init__(self) -> None:
        """Refuse texts that cannot be read."""
        for name in ("train", "validation"):
            tokens = checked_tokens(name, getattr(self, name), self.vocabulary)
            window_count(len(streams(tokens, self.batch_size)), self.window)

    @property
    def windows_per_epoch(self) -> int:
        """Updates an epoch; what is left of a stream, less than a window, is left out."""
        return window_count(len(self.train) // self.batch_size, self.window)

    def start(self, units: int = 200, layers: int = 2, *, bound: float = 0.1) -> TrainingState:
        """Return the state before the first update, of weights U(-`bound`, `bound`)."""
        xp = self.backend.namespace
        params = model.init(
            model.uniform(bound),
            list(self.seeds),
            self.vocabulary,
            units,
            layers,
            xp=xp,
            dtype=getattr(xp, self.dtype),
            device=self.device,
        )
        return TrainingState(0, 0, params, self.optimizer.init(params))

    def epochs(
        self, state: TrainingState, count: int, progress: Progress = lambda epoch, step: None
    ) -> Iterator[tuple[TrainingState, LanguageRecord]]:
        """Train up to epoch `count`; yield the state and what was seen after each epoch."""
        losses: list[Array] = []
        for now, loss in self.steps(state, count, progress):
            losses.append(loss)  # a number is waited for at the end of an epoch only
            if now.step == 0:
                yield now, self._record(now, losses)
                losses = []

    def steps(
        self, state: TrainingState, count: int, progress: Progress = lambda epoch, step: None
    ) -> Iterator[tuple[TrainingState, Array]]:
        """Train from a whole epoch up to epoch `count`; yield the state and each window's loss."""
        step = self.backend.jit(self.step) if self.compiled else self.step
        data = streams(checked_tokens("train", self.train, self.vocabulary), self.batch_size)
        params, optimizer = state.params, state.optimizer
        for epoch in range(state.epoch, count):
            carried = model.zero_state(params, self.batch_size)
            for i, window in enumerate(windows(data, self.window), 1):
                made = epoch * self.windows_per_epoch + i - 1
                x, targets = self._place(window)
                params, optimizer, carried, loss = step(
                    params, optimizer, carried, x, targets, made
                )
                progress(epoch, i)
                whole = i == self.windows_per_epoch
                yield TrainingState(epoch + whole, 0 if whole else i, params, optimizer), loss

    def step(
        self,
        params: Tree,
        optimizer: Any,
        carried: model.State,
        x: Array,
        targets: Array,
        made: Step,
    ) -> tuple[Tree, Any, model.State, Array]:
        """Return parameters, optimizer state, carried state and loss after one window's update.

        `made` is the number of updates made before, which decides the masks of dropout.
        """
        rate, seeds = self.dropout_rate, list(self.seeds)
        dropout = Dropout(rate, seeds, made) if rate else None
        loss, grads, carried = model.loss_and_grads(params, x, targets, carried, dropout=dropout)
        params, optimizer = gn.apply_gradients(self.optimizer, grads, optimizer, params)
        return params, optimizer, carried, loss

    def validate(self, params: Tree) -> tuple[float, ...]:
        """Return each replica's perplexity on the validation text: B streams, whole windows."""
        return self._perplexity(params, self.validation, self.batch_size, rest=False)

    def test(self, params: Tree, tokens: Array) -> tuple[float, ...]:
        """Return each replica's perplexity on a text of S words: one stream, S - 1 predictions."""
        return self._perplexity(params, tokens, 1, rest=True)

    def _perplexity(
        self, params: Tree, tokens: Array, batch_size: int, *, rest: bool
    ) -> tuple[float, ...]:
        nll = self.backend.jit(model.total_nll) if self.compiled else model.total_nll
        data = streams(checked_tokens("tokens", tokens, self.vocabulary), batch_size)
        carried = model.zero_state(params, batch_size)
        totals, predictions = [], 0
        for window in windows(data, self.window, rest=rest):
            total, carried = nll(params, *self._place(window), carried)
            totals.append(total)
            predictions += window[0].size
        return self._perplexities(totals, predictions)

    def _perplexities(self, totals: Sequence[Array], predictions: float) -> tuple[float, ...]:
        """Return ``exp(sum of totals / predictions)``, summed in float64 on the host."""
        sums = [np.asarray(self.backend.to_numpy(total), np.float64) for total in totals]
        with np.errstate(over="ignore"):  # a run that diverged has an infinite perplexity
            return tuple(float(p) for p in np.exp(np.sum(sums, axis=0) / predictions))

    def _place(self, window: tuple[Array, Array]) -> tuple[Array, Array]:
        x, targets = (self.backend.from_host(a, device=self.device) for a in window)
        return x, targets

    def _record(self, state: TrainingState, losses: Sequence[Array]) -> LanguageRecord:
        # A loss is a sum over steps, and a mean over the batch.
        trained = self._perplexities(losses, self.windows_per_epoch * self.window)
        step = state.epoch * self.windows_per_epoch
        return LanguageRecord(state.epoch, step, trained, self.validate(state.params))
