"""AdaGrad."""

from typing import Any, NamedTuple

from gradnoise_core import _check
from gradnoise_core._base import GradientTransformation
from gradnoise_core._elementwise import Operands, elementwise
from gradnoise_core.optimizers._dialects import resolve
from gradnoise_core.optimizers._links import scale_by_learning_rate, with_decay
from gradnoise_core.optimizers._roots import divide_by_root
from gradnoise_core.typing import Array, Namespace, Rate, Tree

__all__ = ["AdagradState", "adagrad", "scale_by_adagrad"]


class AdagradState(NamedTuple):
    """The sum of squared gradients."""

    count: Any
    accumulator: Tree


def scale_by_adagrad(
    *, eps: float, eps_in_sqrt: bool, initial_accumulator: float
) -> GradientTransformation:
    """Return ``a <- a + g**2`` and ``u = g / (sqrt(a) + eps)``; see `adagrad`."""
    _check.finite_at_least("eps", eps, 0.0, several=False)
    _check.finite_at_least("initial_accumulator", initial_accumulator, 0.0, several=False)

    def kernel(xp: Namespace, x: Operands) -> tuple[Array, tuple[Array, ...]]:
        a = x.slots[0] + x.g * x.g
        return divide_by_root(xp, x.g, a, eps, eps_in_sqrt), (a,)

    return elementwise(AdagradState, kernel, slots=(initial_accumulator,))


def adagrad(
    learning_rate: Rate,
    *,
    dialect: str = "paper",
    eps: float | None = None,
    eps_in_sqrt: bool | None = None,
    initial_accumulator: float | None = None,
    weight_decay: Rate | None = None,
    decoupled_weight_decay: bool | None = None,
) -> GradientTransformation:
    """AdaGrad.

    ``a <- a + g**2``, ``p <- p - h_t g / (sqrt(a) + eps)`` (the paper's diagonal form with its
    delta as eps; torch, Chainer, MLX), or ``h_t g / sqrt(a + eps)`` with `eps_in_sqrt` (optax,
    Keras, MXNet). TF 1 has no eps.

    Parameters
    ----------
    learning_rate : float, sequence of R floats, or schedule
        h >= 0; one a replica if several. torch's ``lr_decay`` is `inverse_time_decay`.
    dialect : str
        "paper", "torch", "optax", "keras", "tf1", "chainer", "mxnet" or "mlx": what the
        keywords below are where they are not given.
    eps : float, optional
        >= 0. The paper leaves it open; 1e-10 by default. Where it is 0, an element whose a is 0
        stays where it is.
    eps_in_sqrt : bool, optional
        Whether it stands inside the root.
    initial_accumulator : float, optional
        The first a: 0, or 0.1 (optax, Keras, TF 1).
    weight_decay : float or schedule, optional
        c >= 0; 0 by default.
    decoupled_weight_decay : bool, optional
        Whether ``h c p`` is taken off besides the step (Keras, MXNet), not ``c p`` added to g.

    Returns
    -------
    GradientTransformation

    Raises
    ------
    ValueError
        If a number is out of range, or the dialect unknown.

    References
    ----------
    Duchi, Hazan & Singer, Adaptive subgradient methods (2011), figure 1.
    """
    k = resolve(
        "adagrad",
        dialect,
        {
            "eps": eps,
            "eps_in_sqrt": eps_in_sqrt,
            "initial_accumulator": initial_accumulator,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
        },
    )
    scale = scale_by_adagrad(
        eps=k["eps"],
        eps_in_sqrt=k["eps_in_sqrt"],
        initial_accumulator=k["initial_accumulator"],
    )
    links = [scale, scale_by_learning_rate(learning_rate)]
    return with_decay(
        links, learning_rate, k["weight_decay"], decoupled=k["decoupled_weight_decay"]
    )
