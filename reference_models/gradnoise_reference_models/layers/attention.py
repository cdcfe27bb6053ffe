"""Attention over the slots of a memory: from scores to weights, by a softmax or as they are.

``p_i = exp(s_i) / sum_i' exp(s_i')`` (softmax) or ``p_i = s_i`` (linear), of Sukhbaatar et al.,
End-to-end memory networks (2015), equation 1 and section 4.2 (the linear start).
"""

from typing import Any, NamedTuple

from gradnoise_core.backend import backend_of
from gradnoise_core.typing import Array, Namespace

__all__ = ["Linear", "Residuals", "backward", "forward", "init"]

#: Whether attention is linear: a bool, or a boolean array of shape ``()`` or ``(R,)``, one a
#: replica. An array may be traced, so that training can switch without compiling again.
Linear = Any


class Residuals(NamedTuple):
    """What the gradient needs: the weights, whether they are linear, and which slots count."""

    weights: Array
    linear: Linear
    filled: Array | None


def init() -> dict[str, Array]:
    """Return no parameters."""
    return {}


def forward(
    params: dict[str, Array],
    scores: Array,
    *,
    linear: Linear = False,
    filled: Array | None = None,
    xp: Namespace | None = None,
) -> tuple[Array, Residuals]:
    """Return the weights ``p = softmax(s)``, or ``p = s`` where attention is linear.

    Parameters
    ----------
    params : dict
        Empty.
    scores : array
        s, of shape ``(*R, N, M)`` for M slots.
    linear : bool or boolean array of shape ``()`` or ``(R,)``
        Softmax by default. An array computes both and picks one.
    filled : boolean array, optional
        ``(*R, N, M)`` or ``(N, M)``: slots that are not filled get the weight 0, and a memory with
        none filled no weights at all. None, as in the paper, masks nothing: an empty slot takes
        part with its score, which is 0.
    xp : module, optional
        The array namespace of `scores`.

    Returns
    -------
    weights : array
        ``(*R, N, M)``. Of a softmax they sum to 1.
    residuals : Residuals
    """
    xp = backend_of(scores).namespace if xp is None else xp
    if linear is True:
        weights = scores if filled is None else xp.where(filled, scores, 0.0)
    elif linear is False:
        weights = _softmax(scores, filled, xp)
    else:
        masked = scores if filled is None else xp.where(filled, scores, 0.0)
        weights = xp.where(linear[..., None, None], masked, _softmax(scores, filled, xp))
    return weights, Residuals(weights, linear, filled)


def backward(
    params: dict[str, Array], residuals: Residuals, dy: Array, *, xp: Namespace | None = None
) -> tuple[dict[str, Array], Array]:
    """Return ``ds_i = p_i (dy_i - sum_i' p_i' dy_i')``, or ``ds = dy`` where linear.

    Parameters
    ----------
    params : dict
        Empty.
    residuals : Residuals
        As `forward` returned them.
    dy : array
        ``(*R, N, M)``.
    xp : module, optional
        The array namespace of `dy`.

    Returns
    -------
    dparams : dict
        Empty.
    dscores : array
        ``(*R, N, M)``; 0 at slots that are masked.
    """
    xp = backend_of(dy).namespace if xp is None else xp
    p, linear, filled = residuals
    if linear is True:
        return {}, dy if filled is None else xp.where(filled, dy, 0.0)
    weighted = p * dy
    ds = weighted - p * xp.sum(weighted, axis=-1, keepdims=True)
    if linear is not False:
        as_it_is = dy if filled is None else xp.where(filled, dy, 0.0)
        ds = xp.where(linear[..., None, None], as_it_is, ds)
    return {}, ds


def _softmax(scores: Array, filled: Array | None, xp: Namespace) -> Array:
    if filled is None:
        e = xp.exp(scores - xp.max(scores, axis=-1, keepdims=True))
        return e / xp.sum(e, axis=-1, keepdims=True)
    scores = xp.where(filled, scores, -xp.inf)
    largest = xp.max(scores, axis=-1, keepdims=True)
    # Where no slot is filled the largest is -inf, and -inf - -inf no number.
    e = xp.exp(scores - xp.where(largest == -xp.inf, 0.0, largest))
    total = xp.sum(e, axis=-1, keepdims=True)
    return e / xp.where(total == 0.0, 1.0, total)
