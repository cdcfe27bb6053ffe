"""Inverted dropout, its masks drawn from the noise stream."""

from typing import Any, NamedTuple

from gradnoise_core import _check
from gradnoise_core.backend import backend_of
from gradnoise_core.random import leaf_key, words
from gradnoise_core.typing import Array, Namespace, Seed, Step

__all__ = ["Dropout", "backward", "forward", "init"]


class Dropout(NamedTuple):
    """What decides the masks of a model at one step.

    Parameters
    ----------
    rate : float
        The probability that a unit is dropped, in [0, 1).
    seed : int or sequence of int
        In [0, 2**64). R seeds, one a replica; replica r gets the masks of a solo run with seed r,
        to the bit. With one seed all units of x, replicas included, are drawn as one leaf.
    step : int or integer array
        The number of updates made before this one; it may be traced.
    """

    rate: float
    seed: Seed
    step: Step


def init() -> dict[str, Array]:
    """Return no parameters."""
    return {}


def forward(
    params: dict[str, Array],
    x: Array,
    *,
    dropout: Dropout,
    path: str,
    xp: Namespace | None = None,
) -> tuple[Array, Any]:
    """Return ``y = x m / (1 - p)``, m = 0 with probability p and 1 otherwise, and ``m / (1 - p)``.

    The mask is ``m = [w >= floor(p 2**32) - 2**31]`` for the signed 32-bit word w of each element
    of x, in the domain "dropout": an exact comparison, the same on every array library.

    Parameters
    ----------
    params : dict
        Empty.
    x : array
        ``(*R, B, features)``.
    dropout : Dropout
        The rate p, the seed and the step. Rate 0 is the identity.
    path : str
        The layer's path in the model, as in ``layers/0``; each layer has masks of its own.
    xp : module, optional
        The array namespace of `x`.

    Returns
    -------
    y : array
        Of the shape and dtype of `x`, and of its mean over masks.
    residuals : array or None
        None if the rate is 0.

    Raises
    ------
    ValueError
        If the rate is not in [0, 1), or with R seeds if x has no leading axis of size R.

    References
    ----------
    Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting (2014),
    section 10 (the scaling at training time).
    """
    rate, seed, step = dropout
    _check.fraction("rate", rate, "It is the probability that a unit is dropped.")
    seeds = _check.seeds(seed)
    shape = tuple(x.shape) if isinstance(seeds, int) else _solo_shape(x, len(seeds), path)
    if rate == 0:
        return x, None
    backend = backend_of(x)
    xp = backend.namespace if xp is None else xp
    key = leaf_key(seeds, path, step, domain="dropout")
    word = words(key, shape, xp=xp, device=backend.device(x))
    kept = word >= int(float(rate) * 2**32) - 2**31
    mask = xp.astype(kept, x.dtype) * (1.0 / (1.0 - float(rate)))
    return x * mask, mask


def backward(
    params: dict[str, Array], residuals: Any, dy: Array, *, xp: Namespace | None = None
) -> tuple[dict[str, Array], Array]:
    """Return ``dx = dy m / (1 - p)``.

    Parameters
    ----------
    params : dict
        Empty.
    residuals : array or None
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
    return {}, dy if residuals is None else dy * residuals


def _solo_shape(x: Array, replicas: int, path: str) -> tuple[int, ...]:
    if x.ndim == 0 or x.shape[0] != replicas:
        message = (
            f"`x` must have a leading replica axis of size {replicas}, as many as `seed` has "
            f"seeds, got shape {tuple(x.shape)} at {path!r}."
        )
        raise ValueError(message)
    return tuple(x.shape[1:])
