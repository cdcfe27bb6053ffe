"""Softmax and cross-entropy in one, so that no probability is formed before its logarithm."""

from typing import NamedTuple

from gradnoise_core.backend import Backend, backend_of
from gradnoise_core.typing import Array, Namespace

__all__ = ["Residuals", "backward", "forward"]


class Residuals(NamedTuple):
    """What the gradient needs: the probabilities, and where the label is the class."""

    probabilities: Array
    one_hot: Array


def forward(
    logits: Array, labels: Array, *, xp: Namespace | None = None
) -> tuple[Array, Residuals]:
    """Return ``L = mean_B(log sum_c exp(a_c) - a_label)``, the largest logit subtracted first.

    Parameters
    ----------
    logits : array
        a, of shape ``(*R, B, C)`` for C classes.
    labels : integer array
        ``(*R, B)``, or ``(B,)`` for one batch that all replicas see, in [0, C).
    xp : module, optional
        The array namespace of `logits`.

    Returns
    -------
    loss : array
        ``(*R,)``, in nats. Infinite if a label is outside [0, C).
    residuals : Residuals

    Raises
    ------
    TypeError
        If the labels are not integers.
    ValueError
        If there is not one label an example.
    """
    backend = backend_of(logits)
    xp = backend.namespace if xp is None else xp
    one_hot = _one_hot(logits, labels, backend, xp)
    shifted = logits - xp.max(logits, axis=-1, keepdims=True)
    exponentials = xp.exp(shifted)
    total = xp.sum(exponentials, axis=-1, keepdims=True)
    # A maximum picks the label's term exactly; where no class is the label there is none.
    picked = xp.max(xp.where(one_hot, shifted - xp.log(total), -xp.inf), axis=-1)
    return -xp.sum(picked, axis=-1) / logits.shape[-2], Residuals(exponentials / total, one_hot)


def backward(residuals: Residuals, *, xp: Namespace | None = None) -> Array:
    """Return ``dL/da = (softmax(a) - one_hot(label)) / B``.

    Parameters
    ----------
    residuals : Residuals
        As `forward` returned them.
    xp : module, optional
        The array namespace of the logits.

    Returns
    -------
    array
        ``(*R, B, C)``: the gradient of each replica's own loss.
    """
    p, one_hot = residuals
    xp = backend_of(p).namespace if xp is None else xp
    return (p - xp.astype(one_hot, p.dtype)) / p.shape[-2]


def _one_hot(logits: Array, labels: Array, backend: Backend, xp: Namespace) -> Array:
    if not xp.isdtype(labels.dtype, "integral"):
        message = f"`labels` must be integers, got dtype {labels.dtype}."
        raise TypeError(message)
    batch = tuple(logits.shape[:-1])
    if labels.ndim == 0 or tuple(labels.shape) != batch[-labels.ndim :]:
        message = (
            f"`labels` must have one label an example, got shape {tuple(labels.shape)} for logits "
            f"of shape {tuple(logits.shape)}."
        )
        raise ValueError(message)
    classes = xp.arange(logits.shape[-1], dtype=labels.dtype, device=backend.device(labels))
    return labels[..., None] == classes
