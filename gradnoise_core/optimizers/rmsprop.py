"""RMSProp, plain and centred, with and without momentum."""

from typing import Any, NamedTuple

from gradnoise_core import _check
from gradnoise_core._base import GradientTransformation
from gradnoise_core._elementwise import Operands, elementwise
from gradnoise_core.optimizers._dialects import resolve
from gradnoise_core.optimizers._links import scale_by_learning_rate, trace, with_decay
from gradnoise_core.optimizers._roots import divide_by_root
from gradnoise_core.typing import Array, Namespace, Rate, Tree

__all__ = ["CenteredRmsState", "RmsState", "rmsprop", "scale_by_rms"]


class RmsState(NamedTuple):
    """The running mean of squared gradients."""

    count: Any
    second_moment: Tree


class CenteredRmsState(NamedTuple):
    """The running means of squared gradients and of gradients."""

    count: Any
    second_moment: Tree
    first_moment: Tree


def scale_by_rms(
    *, decay: float, eps: float, eps_in_sqrt: bool, initial_accumulator: float, centered: bool
) -> GradientTransformation:
    """Return ``v <- rho v + (1 - rho) g**2`` and ``u = g / (sqrt(v) + eps)``; see `rmsprop`."""
    _check.fraction("decay", decay)
    _check.finite_at_least("eps", eps, 0.0, several=False)
    _check.finite_at_least("initial_accumulator", initial_accumulator, 0.0, several=False)

    def plain(xp: Namespace, x: Operands) -> tuple[Array, tuple[Array, ...]]:
        v = decay * x.slots[0] + (1 - decay) * (x.g * x.g)
        return divide_by_root(xp, x.g, v, eps, eps_in_sqrt), (v,)

    def with_mean(xp: Namespace, x: Operands) -> tuple[Array, tuple[Array, ...]]:
        v = decay * x.slots[0] + (1 - decay) * (x.g * x.g)
        m = decay * x.slots[1] + (1 - decay) * x.g
        # Rounding may leave a variance of zero a little below it.
        variance = v - m * m
        variance = xp.where(variance > 0, variance, xp.zeros_like(variance))
        return divide_by_root(xp, x.g, variance, eps, eps_in_sqrt), (v, m)

    if centered:
        return elementwise(CenteredRmsState, with_mean, slots=(initial_accumulator, 0.0))
    return elementwise(RmsState, plain, slots=(initial_accumulator,))


def rmsprop(
    learning_rate: Rate,
    *,
    dialect: str = "paper",
    decay: float | None = None,
    eps: float | None = None,
    eps_in_sqrt: bool | None = None,
    initial_accumulator: float | None = None,
    centered: bool | None = None,
    momentum: float | None = None,
    nesterov: bool | None = None,
    rate_inside: bool | None = None,
    weight_decay: Rate | None = None,
    decoupled_weight_decay: bool | None = None,
) -> GradientTransformation:
    """RMSProp.

    ``v <- rho v + (1 - rho) g**2``, ``p <- p - h_t g / (sqrt(v) + eps)`` (torch, Chainer, MLX), or
    ``h_t g / sqrt(v + eps)`` with `eps_in_sqrt` (optax, Keras, TF 1, MXNet). Centred:
    ``v - m**2`` in place of v, with m the running mean of g.

    Parameters
    ----------
    learning_rate : float, sequence of R floats, or schedule
        h >= 0; one a replica if several.
    dialect : str
        "paper", "torch", "optax", "keras", "tf1", "chainer", "mxnet" or "mlx": what the
        keywords below are where they are not given.
    decay : float, optional
        rho in [0, 1): 0.9, or 0.99 (torch, Chainer, MLX).
    eps : float, optional
        >= 0. The lecture has none; 1e-8 by default.
    eps_in_sqrt : bool, optional
        Whether it stands inside the root.
    initial_accumulator : float, optional
        The first v: 0, or 1 (TF 1).
    centered : bool, optional
        Whether to subtract the squared mean (Graves, 2013).
    momentum : float, optional
        mu in [0, 1); 0 by default, for none.
    nesterov : bool, optional
        Whether the momentum looks ahead.
    rate_inside : bool, optional
        Whether the rate stands inside the momentum's sum (optax, Keras, TF 1, MXNet).
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
    Tieleman & Hinton, Lecture 6e of Neural networks for machine learning (2012).
    Graves, Generating sequences with recurrent neural networks (2013), equations 38 to 45.
    """
    k = resolve(
        "rmsprop",
        dialect,
        {
            "decay": decay,
            "eps": eps,
            "eps_in_sqrt": eps_in_sqrt,
            "initial_accumulator": initial_accumulator,
            "centered": centered,
            "momentum": momentum,
            "nesterov": nesterov,
            "rate_inside": rate_inside,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
        },
    )
    scale = scale_by_rms(
        decay=k["decay"],
        eps=k["eps"],
        eps_in_sqrt=k["eps_in_sqrt"],
        initial_accumulator=k["initial_accumulator"],
        centered=k["centered"],
    )
    step = scale_by_learning_rate(learning_rate)
    running = [trace(k["momentum"], nesterov=k["nesterov"])] if k["momentum"] else []
    links = [scale, step, *running] if k["rate_inside"] else [scale, *running, step]
    return with_decay(
        links, learning_rate, k["weight_decay"], decoupled=k["decoupled_weight_decay"]
    )
