"""Momentum: heavy ball and Nesterov."""

from gradnoise_core._base import GradientTransformation
from gradnoise_core.optimizers._dialects import resolve
from gradnoise_core.optimizers._links import scale_by_learning_rate, trace, with_decay
from gradnoise_core.typing import Rate

__all__ = ["momentum"]


def momentum(
    learning_rate: Rate,
    *,
    dialect: str = "paper",
    momentum: float | None = None,
    nesterov: bool | None = None,
    dampening: float | None = None,
    dampen_first: bool | None = None,
    rate_inside: bool | None = None,
    nesterov_from_new: bool | None = None,
    weight_decay: Rate | None = None,
    decoupled_weight_decay: bool | None = None,
) -> GradientTransformation:
    """Gradient descent with momentum: the heavy ball, or Nesterov's.

    With the rate inside (the papers, Keras, Chainer, MXNet): ``v <- mu v - h_t g``, ``p <- p + v``,
    or Nesterov ``p <- p + mu v - h_t g``. With the rate outside (torch, optax, TF 1, MLX):
    ``b <- mu b + (1 - d) g``, ``p <- p - h_t b``, or Nesterov ``p <- p - h_t (g + mu b)``. They
    are equal while the rate is constant.

    Parameters
    ----------
    learning_rate : float, sequence of R floats, or schedule
        h >= 0; one a replica if several.
    dialect : str
        "paper", "torch", "optax", "keras", "tf1", "chainer", "mxnet" or "mlx": what the
        keywords below are where they are not given.
    momentum : float, optional
        mu in [0, 1); 0.9 by default.
    nesterov : bool, optional
        Whether to look ahead.
    dampening : float, optional
        d in [0, 1); 0 by default.
    dampen_first : bool, optional
        Whether the first step is dampened too (MLX); torch starts with ``b = g``.
    rate_inside : bool, optional
        Whether the rate stands inside the running sum.
    nesterov_from_new : bool, optional
        Chainer's Nesterov, ``p <- p + mu**2 v - (1 + mu) h g`` with the new v.
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
    Polyak, Some methods of speeding up the convergence of iteration methods (1964).
    Sutskever, Martens, Dahl & Hinton, On the importance of initialization and momentum (2013).
    """
    k = resolve(
        "momentum",
        dialect,
        {
            "momentum": momentum,
            "nesterov": nesterov,
            "dampening": dampening,
            "dampen_first": dampen_first,
            "rate_inside": rate_inside,
            "nesterov_from_new": nesterov_from_new,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
        },
    )
    running = trace(
        k["momentum"],
        nesterov=k["nesterov"],
        dampening=k["dampening"],
        dampen_first=k["dampen_first"],
        nesterov_from_new=k["nesterov_from_new"],
    )
    step = scale_by_learning_rate(learning_rate)
    links = [step, running] if k["rate_inside"] else [running, step]
    return with_decay(
        links, learning_rate, k["weight_decay"], decoupled=k["decoupled_weight_decay"]
    )
