"""The rectifier ``y = max(x, 0)``."""

from gradnoise_core.backend import backend_of
from gradnoise_core.typing import Array, Namespace

__all__ = ["backward", "forward", "init"]


def init() -> dict[str, Array]:
    """Return no parameters."""
    return {}


def forward(
    params: dict[str, Array], x: Array, *, xp: Namespace | None = None
) -> tuple[Array, Array]:
    """Return ``y = max(x, 0)`` and y, the residual.

    Parameters
    ----------
    params : dict
        Empty.
    x : array
        Of any shape.
    xp : module, optional
        The array namespace of `x`.

    Returns
    -------
    y : array
        Of the shape of `x`; NaN where x is NaN.
    residuals : array
    """
    xp = backend_of(x).namespace if xp is None else xp
    y = xp.maximum(x, 0.0)
    return y, y


def backward(
    params: dict[str, Array], residuals: Array, dy: Array, *, xp: Namespace | None = None
) -> tuple[dict[str, Array], Array]:
    """Return ``dx = dy [y > 0]``: at the kink x = 0 the derivative is taken as 0.

    Parameters
    ----------
    params : dict
        Empty.
    residuals : array
        As `forward` returned them.
    dy : array
        Of the shape of y.
    xp : module, optional
        The array namespace of `dy`.

    Returns
    -------
    dparams : dict
        Empty.
    dx : array
    """
    xp = backend_of(dy).namespace if xp is None else xp
    # A product, not a `where`: NumPy takes about half the time.
    return {}, dy * xp.astype(residuals > 0, dy.dtype)
