"""Lightning: a callback that makes every optimizer of a training run noisy, after clipping."""

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from gradnoise_backends._extras import require
from gradnoise_backends._torch_training import TrainingNoise
from gradnoise_core.typing import Schedule, Seed

__all__ = ["GradientNoise"]


def _callback() -> Any:
    """Return Lightning's class of callbacks: of the one of its two packages that is in use."""
    names = ["lightning.pytorch", "pytorch_lightning"]
    if "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
        names.reverse()
    try:
        return require(names[0], extra="lightning").Callback
    except ImportError:
        if find_spec(names[1]) is None:
            raise
        return require(names[1], extra="lightning").Callback


if TYPE_CHECKING:
    Callback = object
else:
    Callback = _callback()


class GradientNoise(Callback):
    """Add ``N(0, eta / (1 + t)**gamma)`` to the gradient of every step of a `Trainer`'s optimizers.

    Equation 1 of Neelakantan et al. (2017). After Lightning's clipping and the unscaling of its
    precision plugins, before the update; once an update, however many minibatches it gathers. t
    counts the steps that each optimizer makes, and rides in its state: a checkpoint has it.

    Parameters
    ----------
    eta : float
        The variance at t = 0, in squared units of the gradient (of the weights for weight noise).
    gamma : float
        The exponent of the decay of the variance.
    seed : int
        In [0, 2**64).
    placement : {"gradient", "weight"}
        Before the optimizer, on the gradients; or after it, on the parameters.
    schedule : callable, optional
        Of t, returning a variance; instead of `eta` and `gamma`.

    Raises
    ------
    ValueError
        If `eta`, `gamma`, `seed` or `placement` is out of range; when fitting starts, if the
        strategy flattens parameters (FSDP of version 1).
    TypeError
        When fitting starts, if the strategy's optimizer is no torch optimizer (DeepSpeed).

    Notes
    -----
    The noise of a parameter depends on its name in the `LightningModule`.

    Examples
    --------
    >>> callback = GradientNoise(eta=0.01, seed=0)
    >>> # lightning.pytorch.Trainer(gradient_clip_val=10.0, callbacks=[callback])
    """

    def __init__(
        self,
        eta: Any = 0.01,
        gamma: float = 0.55,
        seed: Seed = 0,
        placement: str = "gradient",
        schedule: Schedule | None = None,
    ) -> None:
        """Take the settings of `gradnoise_backends.torch_optim.add_gradient_noise`."""
        super().__init__()
        self._noise = TrainingNoise(eta, gamma, seed, schedule, placement)

    @property
    def counts(self) -> list[int]:
        """The t of the next step of each optimizer, while fitting."""
        return self._noise.counts

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Make the optimizers noisy: they are there, and their state is about to be loaded."""
        model = trainer.strategy.model
        self._noise.attach(trainer.optimizers, pl_module if model is None else model)

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Take the noise off."""
        self._noise.detach()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Take the noise off a run that failed or was interrupted."""
        self._noise.detach()
