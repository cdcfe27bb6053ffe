"""Clipping of each matrix by its spectral norm, as the authors' program does it."""

from typing import Any

from gradnoise_core import GradientTransformation, _check
from gradnoise_core.backend import backend_of
from gradnoise_core.transformation import EmptyState
from gradnoise_core.tree import flatten
from gradnoise_core.typing import Array, Tree

__all__ = ["clip_by_spectral_norm", "spectral_norm"]


def clip_by_spectral_norm(max_norm: float) -> GradientTransformation:
    """Scale each matrix of the gradient so that its largest singular value is at most `max_norm`.

    ``g <- g min(1, c / ||g||_2)``. The paper clips "by l2 norm", which its authors' program takes
    to be this one; `gradnoise_core.clip_by_norm` clips by ``||g||_F >= ||g||_2``. Leading axes are
    replicas, each with a norm of its own.

    Parameters
    ----------
    max_norm : float
        c > 0, in units of the gradient.

    Returns
    -------
    GradientTransformation

    Raises
    ------
    ValueError
        If `max_norm` is not > 0, or a leaf is no matrix.

    Notes
    -----
    A matrix whose norm is not finite passes unchanged, as with `clip_by_norm`.

    Examples
    --------
    >>> import numpy as np
    >>> clip = clip_by_spectral_norm(1.0)
    >>> grads = {"W": np.array([[4.0, 0.0], [0.0, 2.0]])}
    >>> clip.update(grads, clip.init(grads))[0]
    {'W': array([[1. , 0. ],
           [0. , 0.5]])}
    """
    _check.positive("max_norm", max_norm, "Use no clipping instead of 0.")

    def init(params: Tree) -> EmptyState:
        _check_matrices(params, "params")
        return EmptyState()

    def update(
        grads: Tree, state: EmptyState, params: Tree | None = None
    ) -> tuple[Tree, EmptyState]:
        _check_matrices(grads, "grads")
        tree = flatten(grads, "grads")
        return tree.rebuild([_clipped(g, max_norm) for g in tree.leaves]), state

    return GradientTransformation(init, update)


def spectral_norm(matrix: Array) -> Array:
    """Return the largest singular value over the last two axes, ``(*R,)``.

    The root of the largest eigenvalue of ``g^T g``, g scaled by its largest magnitude; infinite or
    NaN if the matrix is not finite.
    """
    xp = backend_of(matrix).namespace
    largest = xp.max(xp.abs(matrix), axis=(-2, -1), keepdims=True)
    tiny = float(xp.finfo(matrix.dtype).smallest_normal)
    usable = xp.isfinite(largest) & (largest >= tiny)
    unit = xp.where(usable, largest, 1.0)
    # Libraries raise where an eigenvalue is asked of what is not finite.
    scaled = xp.where(usable, matrix / unit, 0.0)
    gram = scaled.mT @ scaled if matrix.shape[-1] <= matrix.shape[-2] else scaled @ scaled.mT
    norm = xp.sqrt(xp.clip(xp.linalg.eigvalsh(gram)[..., -1], 0.0, None))
    return xp.where(usable[..., 0, 0], norm * unit[..., 0, 0], largest[..., 0, 0])


def _clipped(g: Array, max_norm: float) -> Array:
    xp = backend_of(g).namespace
    norm = spectral_norm(g)
    over = xp.isfinite(norm) & (norm > max_norm)
    one = xp.ones_like(norm)
    factor: Any = xp.where(over, one * max_norm, one) / xp.where(over, norm, one)
    return g * factor[..., None, None]


def _check_matrices(tree: Tree, name: str) -> None:
    leaves = flatten(tree, name)
    for path, leaf in zip(leaves.paths, leaves.leaves, strict=True):
        if leaf.ndim < 2:
            message = (
                f"`{name}` must be matrices, got shape {tuple(leaf.shape)} at {path!r}. Clip "
                "vectors by `clip_by_norm`."
            )
            raise ValueError(message)
