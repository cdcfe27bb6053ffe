"""Hugging Face transformers: a callback that makes a Trainer's optimizer noisy, after clipping."""

from typing import TYPE_CHECKING, Any

from gradnoise_backends._extras import require
from gradnoise_backends._torch_training import TrainingNoise
from gradnoise_core.typing import Schedule, Seed

__all__ = ["GradientNoiseCallback"]

if TYPE_CHECKING:
    TrainerCallback = object
else:
    TrainerCallback = require("transformers", extra="transformers").TrainerCallback


class GradientNoiseCallback(TrainerCallback):
    """Add ``N(0, eta / (1 + t)**gamma)`` to the gradient of every step of a `Trainer`.

    Equation 1 of Neelakantan et al. (2017). After the clipping to ``max_grad_norm``, before the
    update; once an update, however many minibatches it gathers. t counts the steps that the
    optimizer makes, and rides in its state: ``optimizer.pt`` of a checkpoint has it.

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
        If `eta`, `gamma`, `seed` or `placement` is out of range; when training begins, if the
        optimizer's parameters are not the model's (FSDP of version 1, DeepSpeed).

    Notes
    -----
    The noise of a parameter depends on its name in the model.

    Examples
    --------
    >>> callback = GradientNoiseCallback(eta=0.01, seed=0)
    >>> # Trainer(model=model, args=args, train_dataset=data, callbacks=[callback])
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
    def count(self) -> int:
        """The t of the next step, while training; 0 else."""
        return next(iter(self._noise.counts), 0)

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: Any, optimizer: Any, **_: Any
    ) -> None:
        """Make the optimizer noisy: its state is loaded by now, the count in it."""
        self._noise.attach([_innermost(optimizer)], model)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take the noise off."""
        self._noise.detach()


def _innermost(optimizer: Any) -> Any:
    """Return what Accelerate's wrappers wrap: the optimizer whose hooks run when it steps."""
    while hasattr(optimizer, "optimizer"):
        optimizer = optimizer.optimizer
    return optimizer
