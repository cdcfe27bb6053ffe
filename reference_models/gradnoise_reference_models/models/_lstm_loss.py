"""The loss of a window: cross-entropy over a large vocabulary, summed over steps."""

from typing import NamedTuple

from gradnoise_core.backend import backend_of
from gradnoise_core.typing import Array, Namespace

__all__ = ["Residuals", "backward", "forward"]


class Residuals(NamedTuple):
    """What the gradient needs: ``exp(z - max z)``, its sums, and the targets."""

    exponentials: Array
    total: Array
    targets: Array


def forward(
    logits: Array, targets: Array, *, xp: Namespace | None = None
) -> tuple[Array, Residuals]:
    """Return ``nll = log sum_v exp(z_v) - z_target`` of each prediction.

    Parameters
    ----------
    logits : array
        z, of shape ``(*R, N, V)``.
    targets : integer array
        ``(*R, N)``, in [0, V).
    xp : module, optional
        The array namespace of `logits`.

    Returns
    -------
    nll : array
        ``(*R, N)``, in nats; NaN where a target is outside [0, V).
    residuals : Residuals
    """
    xp = backend_of(logits).namespace if xp is None else xp
    known = (targets >= 0) & (targets < logits.shape[-1])
    indexing = xp.__array_namespace_info__().default_dtypes()["indexing"]
    at = xp.astype(xp.where(known, targets, 0), indexing)[..., None]
    shifted = logits - xp.max(logits, axis=-1, keepdims=True)
    exponentials = xp.exp(shifted)
    total = xp.sum(exponentials, axis=-1, keepdims=True)
    nll = (xp.log(total) - xp.take_along_axis(shifted, at, axis=-1))[..., 0]
    return xp.where(known, nll, xp.nan), Residuals(exponentials, total, targets)


def backward(residuals: Residuals, scale: float, *, xp: Namespace | None = None) -> Array:
    """Return ``dz = scale (softmax(z) - one_hot(target))``.

    Parameters
    ----------
    residuals : Residuals
        As `forward` returned them.
    scale : float
        The gradient of the loss with respect to each nll.
    xp : module, optional
        The array namespace of the logits.

    Returns
    -------
    array
        ``(*R, N, V)``.
    """
    exponentials, total, targets = residuals
    backend = backend_of(exponentials)
    xp = backend.namespace if xp is None else xp
    words = xp.arange(
        exponentials.shape[-1], dtype=targets.dtype, device=backend.device(exponentials)
    )
    one_hot = xp.astype(targets[..., None] == words, exponentials.dtype)
    return exponentials * (scale / total) - one_hot * scale
