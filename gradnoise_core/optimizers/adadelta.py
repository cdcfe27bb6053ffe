"""AdaDelta."""

from typing import Any, NamedTuple

from gradnoise_core import _check
from gradnoise_core._base import GradientTransformation
from gradnoise_core._elementwise import Operands, elementwise
from gradnoise_core.optimizers._dialects import resolve
from gradnoise_core.optimizers._links import scale_by_learning_rate, with_decay
from gradnoise_core.typing import Array, Namespace, Rate, Tree

__all__ = ["AdadeltaState", "adadelta", "scale_by_adadelta"]


class AdadeltaState(NamedTuple):
    """The running means of squared gradients and of squared steps."""

    count: Any
    squared_gradient: Tree
    squared_step: Tree


def scale_by_adadelta(*, decay: float, eps: float) -> GradientTransformation:
    """Return ``u = sqrt(d + eps) / sqrt(v + eps) g``; see `adadelta`."""
    _check.fraction("decay", decay)
    _check.positive("eps", eps, "With 0 it never starts: the first step would be 0.")

    def kernel(xp: Namespace, x: Operands) -> tuple[Array, tuple[Array, ...]]:
        v = decay * x.slots[0] + (1 - decay) * (x.g * x.g)
        step = xp.sqrt(x.slots[1] + eps) / xp.sqrt(v + eps) * x.g
        d = decay * x.slots[1] + (1 - decay) * (step * step)
        return step, (v, d)

    return elementwise(AdadeltaState, kernel, slots=(0.0, 0.0))


def adadelta(
    learning_rate: Rate = 1.0,
    *,
    dialect: str = "paper",
    decay: float | None = None,
    eps: float | None = None,
    weight_decay: Rate | None = None,
    decoupled_weight_decay: bool | None = None,
) -> GradientTransformation:
    """AdaDelta.

    ``v <- rho v + (1 - rho) g**2``, ``s = sqrt(d + eps) / sqrt(v + eps) g``,
    ``d <- rho d + (1 - rho) s**2``, ``p <- p - h_t s``.

    Parameters
    ----------
    learning_rate : float, sequence of R floats, or schedule
        h >= 0; the paper has none, so 1 by default.
    dialect : str
        "paper", "torch", "optax", "keras", "tf1", "chainer" or "mlx": what the keywords below
        are where they are not given.
    decay : float, optional
        rho in [0, 1): 0.95, or 0.9 (torch, optax, MLX).
    eps : float, optional
        > 0: 1e-6, 1e-7 (Keras) or 1e-8 (TF 1).
    weight_decay : float or schedule, optional
        c >= 0; 0 by default.
    decoupled_weight_decay : bool, optional
        Whether ``h c p`` is taken off besides the step (Keras), not ``c p`` added to g.

    Returns
    -------
    GradientTransformation

    Raises
    ------
    ValueError
        If a number is out of range, or the dialect unknown.

    References
    ----------
    Zeiler, ADADELTA: an adaptive learning rate method (2012), algorithm 1.
    """
    k = resolve(
        "adadelta",
        dialect,
        {
            "decay": decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
        },
    )
    links = [
        scale_by_adadelta(decay=k["decay"], eps=k["eps"]),
        scale_by_learning_rate(learning_rate),
    ]
    return with_decay(
        links, learning_rate, k["weight_decay"], decoupled=k["decoupled_weight_decay"]
    )
