"""The affine map ``y = x W + b``."""

from typing import Any

from gradnoise_core.backend import backend_of
from gradnoise_core.typing import Array, Device, Namespace, Seed
from gradnoise_reference_models.initializers import Initializer, zeros

__all__ = ["backward", "forward", "init", "input_gradient", "parameter_gradients"]


def init(
    initializer: Initializer,
    seed: Seed,
    fan_in: int,
    fan_out: int,
    *,
    path: str,
    xp: Namespace | None = None,
    dtype: Any = None,
    device: Device | None = None,
) -> dict[str, Array]:
    """Return ``{"weight": W, "bias": 0}``.

    Parameters
    ----------
    initializer : Initializer
        Of the weight; the bias is 0.
    seed : int or sequence of int
        In [0, 2**64); R of them for a leading replica axis.
    fan_in, fan_out : int
        Numbers of features.
    path : str
        The layer's path in the tree of parameters, as in ``layers/0``.
    xp, dtype, device
        As in `Initializer`.

    Returns
    -------
    dict of arrays
        Weight ``(*R, fan_in, fan_out)`` and bias ``(*R, fan_out)``.
    """
    shape = (fan_in, fan_out)
    return {
        "weight": initializer(seed, f"{path}/weight", shape, xp=xp, dtype=dtype, device=device),
        "bias": zeros()(seed, f"{path}/bias", (fan_out,), xp=xp, dtype=dtype, device=device),
    }


def forward(
    params: dict[str, Array], x: Array, *, xp: Namespace | None = None
) -> tuple[Array, Array]:
    """Return ``y = x W + b`` and x, the residual.

    Parameters
    ----------
    params : dict of arrays
        Weight ``(*R, fan_in, fan_out)`` and bias ``(*R, fan_out)``.
    x : array
        ``(*R, B, fan_in)``, or ``(B, fan_in)`` for one batch that all replicas see.
    xp : module, optional
        The array namespace of `x`.

    Returns
    -------
    y : array
        ``(*R, B, fan_out)``.
    residuals : array
    """
    return x @ params["weight"] + params["bias"][..., None, :], x


def backward(
    params: dict[str, Array], residuals: Array, dy: Array, *, xp: Namespace | None = None
) -> tuple[dict[str, Array], Array]:
    """Return ``dW = x^T dy``, ``db = sum_B dy`` and ``dx = dy W^T``.

    Parameters
    ----------
    params : dict of arrays
        As for `forward`.
    residuals : array
        As `forward` returned them.
    dy : array
        ``(*R, B, fan_out)``.
    xp : module, optional
        The array namespace of `dy`.

    Returns
    -------
    dparams : dict of arrays
        Of the shapes of `params`.
    dx : array
        ``(*R, B, fan_in)``: for each replica its own, also when they saw one batch.
    """
    return parameter_gradients(residuals, dy, xp=xp), input_gradient(params, dy)


def parameter_gradients(
    residuals: Array, dy: Array, *, xp: Namespace | None = None
) -> dict[str, Array]:
    """Return ``dW = x^T dy`` and ``db = sum_B dy``: all that a first layer needs."""
    xp = backend_of(dy).namespace if xp is None else xp
    return {"weight": residuals.mT @ dy, "bias": xp.sum(dy, axis=-2)}


def input_gradient(params: dict[str, Array], dy: Array) -> Array:
    """Return ``dx = dy W^T``."""
    return dy @ params["weight"].mT
