"""Stochastic gradient descent."""

from gradnoise_core._base import GradientTransformation
from gradnoise_core.optimizers._dialects import resolve
from gradnoise_core.optimizers._links import scale_by_learning_rate, with_decay
from gradnoise_core.typing import Rate

__all__ = ["sgd"]


def sgd(
    learning_rate: Rate, *, dialect: str = "paper", weight_decay: Rate | None = None
) -> GradientTransformation:
    """Stochastic gradient descent.

    ``p <- p - h_t (g + c p)``.

    Parameters
    ----------
    learning_rate : float, sequence of R floats, or schedule
        h >= 0; one a replica if several.
    dialect : str
        Every framework means the same by SGD without momentum, coupled or decoupled decay.
    weight_decay : float or schedule, optional
        c >= 0; 0 by default.

    Returns
    -------
    GradientTransformation

    Raises
    ------
    ValueError
        If the rate or the decay is negative or NaN, or the dialect unknown.

    References
    ----------
    Robbins & Monro, A stochastic approximation method (1951).

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = sgd(0.1)
    >>> params = np.array([1.0])
    >>> optimizer.update(np.array([2.0]), optimizer.init(params))[0]
    array([-0.2])
    """
    k = resolve("sgd", dialect, {"weight_decay": weight_decay})
    links = [scale_by_learning_rate(learning_rate)]
    return with_decay(links, learning_rate, k["weight_decay"], decoupled=False)
