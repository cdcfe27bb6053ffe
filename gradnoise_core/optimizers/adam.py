"""Adam and AMSGrad."""

from typing import Any, NamedTuple

from gradnoise_core import _check
from gradnoise_core._base import GradientTransformation
from gradnoise_core._elementwise import Operands, elementwise
from gradnoise_core.optimizers._dialects import resolve
from gradnoise_core.optimizers._links import scale_by_learning_rate, with_decay
from gradnoise_core.typing import Array, Namespace, Rate, Tree

__all__ = ["AdamState", "AmsgradState", "adam", "scale_by_adam"]


class AdamState(NamedTuple):
    """The running means of gradients and of squared gradients."""

    count: Any
    first_moment: Tree
    second_moment: Tree


class AmsgradState(NamedTuple):
    """The running means, and the largest second moment so far."""

    count: Any
    first_moment: Tree
    second_moment: Tree
    largest: Tree


def scale_by_adam(
    *,
    b1: float,
    b2: float,
    eps: float,
    eps_hat: bool,
    bias_correction: bool,
    amsgrad: bool,
    amsgrad_corrected: bool,
) -> GradientTransformation:
    """Return ``u = (m / c1) / (sqrt(v / c2) + eps)``; see `adam`."""
    _check.fraction("b1", b1)
    _check.fraction("b2", b2)
    _check.finite_at_least("eps", eps, 0.0, several=False)

    def corrections(t: Any) -> tuple[Any, ...]:
        if not bias_correction:
            return 1.0, 1.0
        return 1.0 - b1 ** (t + 1), 1.0 - b2 ** (t + 1)

    def kernel(xp: Namespace, x: Operands, c1: Any, c2: Any) -> tuple[Array, tuple[Array, ...]]:
        m = b1 * x.slots[0] + (1 - b1) * x.g
        v = b2 * x.slots[1] + (1 - b2) * (x.g * x.g)
        slots: tuple[Array, ...] = (m, v)
        corrected = v / c2
        if amsgrad:
            largest = xp.maximum(x.slots[2], corrected if amsgrad_corrected else v)
            slots = (m, v, largest)
            corrected = largest if amsgrad_corrected else largest / c2
        # With eps_hat, eps / sqrt(c2) outside the root of v / c2 is eps beside the root of v.
        root = xp.sqrt(corrected) + (eps / c2**0.5 if eps_hat else eps)
        if eps == 0:  # where v is 0 so is m, and the element stays
            root = xp.where(root == 0, xp.ones_like(root), root)
        return (m / c1) / root, slots

    state: Any = AmsgradState if amsgrad else AdamState
    return elementwise(
        state, kernel, slots=(0.0,) * (3 if amsgrad else 2), coefficients=corrections
    )


def adam(
    learning_rate: Rate,
    *,
    dialect: str = "paper",
    b1: float | None = None,
    b2: float | None = None,
    eps: float | None = None,
    eps_hat: bool | None = None,
    bias_correction: bool | None = None,
    amsgrad: bool | None = None,
    amsgrad_corrected: bool | None = None,
    weight_decay: Rate | None = None,
    decoupled_weight_decay: bool | None = None,
) -> GradientTransformation:
    """Adam, and AMSGrad.

    ``m <- b1 m + (1 - b1) g``, ``v <- b2 v + (1 - b2) g**2``, ``c1 = 1 - b1**n``,
    ``c2 = 1 - b2**n`` at the n-th update, ``p <- p - h_t (m / c1) / (sqrt(v / c2) + eps)``
    (algorithm 1; torch, optax), or with `eps_hat` ``h_t sqrt(c2) / c1 m / (sqrt(v) + eps)``
    (the remark at the end of section 2; Keras, TF 1, Chainer, MXNet).

    Parameters
    ----------
    learning_rate : float, sequence of R floats, or schedule
        h >= 0; one a replica if several.
    dialect : str
        "paper", "torch", "optax", "keras", "tf1", "chainer", "mxnet" or "mlx": what the
        keywords below are where they are not given.
    b1, b2 : float, optional
        In [0, 1); 0.9 and 0.999 by default.
    eps : float, optional
        >= 0; 1e-8, or 1e-7 (Keras).
    eps_hat : bool, optional
        Whether eps is added to the root before its correction.
    bias_correction : bool, optional
        Whether to divide by c1 and c2; not in MLX, nor in the paper of AMSGrad.
    amsgrad : bool, optional
        Whether v is replaced by its largest value so far (Reddi et al., 2018).
    amsgrad_corrected : bool, optional
        Whether the largest is taken of ``v / c2`` (optax), not of v (torch, Keras).
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
    Kingma & Ba, Adam: a method for stochastic optimization (2015).
    Reddi, Kale & Kumar, On the convergence of Adam and beyond (2018), algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = adam(0.1)
    >>> params = np.array([1.0, 1.0])
    >>> optimizer.update(np.array([2.0, -3.0]), optimizer.init(params))[0].round(6)
    array([-0.1,  0.1])
    """
    k = resolve(
        "adam",
        dialect,
        {
            "b1": b1,
            "b2": b2,
            "eps": eps,
            "eps_hat": eps_hat,
            "bias_correction": bias_correction,
            "amsgrad": amsgrad,
            "amsgrad_corrected": amsgrad_corrected,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
        },
    )
    decay, decoupled = k.pop("weight_decay"), k.pop("decoupled_weight_decay")
    links = [scale_by_adam(**k), scale_by_learning_rate(learning_rate)]
    return with_decay(links, learning_rate, decay, decoupled=decoupled)
