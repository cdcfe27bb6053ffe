"""Clipping by the norm of the whole gradient, by that of each leaf, or by value."""

import math
from collections.abc import Sequence
from typing import Any

from gradnoise_core import _check
from gradnoise_core._base import EmptyState, GradientTransformation
from gradnoise_core._dtypes import compute_dtype
from gradnoise_core._fused import Operands, Stage
from gradnoise_core._link import Link
from gradnoise_core._packed import Packed, pack_like, unpack
from gradnoise_core.backend import backend_of
from gradnoise_core.tree import Leaves, flatten
from gradnoise_core.typing import Array, Namespace, Tree

__all__ = ["clip_by_global_norm", "clip_by_norm", "clip_by_value", "global_norm"]


def clip_by_global_norm(max_norm: Any, *, replicas: bool = False) -> GradientTransformation:
    """Scale the gradient so that its norm over all leaves is at most `max_norm`.

    ``g <- g * min(1, c / ||g||)`` with ``||g||**2`` the sum of squares over every leaf
    (Pascanu et al., 2013, algorithm 1).

    Parameters
    ----------
    max_norm : float
        c > 0, in units of the gradient; infinity clips nothing.
    replicas : bool
        Whether the leaves carry a leading replica axis: each replica then has its own norm.

    Returns
    -------
    GradientTransformation

    Raises
    ------
    ValueError
        If `max_norm` is not > 0.

    Notes
    -----
    Nothing is added to the norm (torch adds 1e-6 to it). The sum of squares neither overflows
    nor underflows where the norm does not. A gradient whose norm is not finite passes unchanged;
    see `zero_nans` and `skip_non_finite`.

    Examples
    --------
    >>> import numpy as np
    >>> clip = clip_by_global_norm(1.0)
    >>> grads = {"a": np.array([3.0]), "b": np.array([4.0])}
    >>> clip.update(grads, clip.init(grads))[0]
    {'a': array([0.6]), 'b': array([0.8])}
    """
    _check.positive("max_norm", max_norm, "Use no clipping instead of 0.")

    def measure(packed: Packed) -> tuple[Any, ...]:
        if not packed.arrays:
            return (1.0,)
        return (_factor(_global_norm(packed.arrays, packed.lead if replicas else 0), max_norm),)

    return _stateless(replicas, stage=Stage(EmptyState, _scaled, measure=measure))


def clip_by_norm(max_norm: Any, *, replicas: bool = False) -> GradientTransformation:
    """Scale each leaf so that its own norm is at most `max_norm`.

    Parameters
    ----------
    max_norm : float
        c > 0, in units of the gradient.
    replicas : bool
        Whether the leaves carry a leading replica axis.

    Returns
    -------
    GradientTransformation

    Raises
    ------
    ValueError
        If `max_norm` is not > 0.
    """
    _check.positive("max_norm", max_norm, "Use no clipping instead of 0.")
    lead = 1 if replicas else 0

    def clip(packed: Packed) -> list[Array]:
        leaves = unpack(packed.arrays, packed)
        scaled = [_scale(g, _factor(_global_norm([g], lead), max_norm)) for g in leaves]
        return pack_like(scaled, packed)

    return _stateless(replicas, run=clip)


def clip_by_value(max_value: float) -> GradientTransformation:
    """Limit each element to [-c, c].

    Parameters
    ----------
    max_value : float
        c > 0, in units of the gradient.

    Returns
    -------
    GradientTransformation

    Raises
    ------
    ValueError
        If `max_value` is not > 0.
    """
    _check.positive("max_value", max_value, "Use no clipping instead of 0.")

    def kernel(xp: Namespace, x: Operands) -> tuple[Array, tuple[Array, ...]]:
        # No finite number is beyond the dtype's largest, be the limit what it may.
        bound = min(float(max_value), float(xp.finfo(x.g.dtype).max))
        return xp.clip(x.g, -bound, bound), ()

    return _stateless(stage=Stage(EmptyState, kernel))


def global_norm(tree: Tree, *, replicas: bool = False) -> Array:
    """Return the square root of the sum of squares over all leaves.

    Parameters
    ----------
    tree : pytree of arrays
    replicas : bool
        Whether the leaves carry a leading replica axis.

    Returns
    -------
    array of shape ``()``, or ``(R,)`` with `replicas`
        In the widest compute dtype of the leaves.

    Raises
    ------
    ValueError
        If the tree has no leaves.
    """
    leaves = flatten(tree, "tree").leaves
    if not leaves:
        message = "`tree` must have at least one leaf to have a norm, got none."
        raise ValueError(message)
    return _global_norm(leaves, 1 if replicas else 0)


def _stateless(replicas: bool = False, **update: Any) -> GradientTransformation:
    """Return the transformation without a state of a link's `stage` or `run`."""

    def init(params: Tree) -> EmptyState:
        _check_axis(flatten(params, "params"), "params", replicas)
        return EmptyState()

    def has_replicas(tree: Leaves, state: EmptyState) -> bool:
        _check_axis(tree, "grads", replicas)
        return replicas

    return GradientTransformation(init, Link(replicas=has_replicas, **update))


def _scaled(xp: Namespace, x: Operands, factor: Any) -> tuple[Array, tuple[Array, ...]]:
    return x.g * factor, ()


def _check_axis(tree: Leaves, name: str, replicas: bool) -> None:
    for path, leaf in zip(tree.paths, tree.leaves, strict=True):
        if replicas and (leaf.ndim == 0 or leaf.shape[0] != tree.leaves[0].shape[0]):
            message = (
                f"`{name}` must have a leading replica axis of one size, got shape "
                f"{tuple(leaf.shape)} at {path!r}. "
                "For a solo run give one seed, and leave `replicas` out."
            )
            raise ValueError(message)


def _global_norm(leaves: Sequence[Array], lead: int) -> Array:
    """Return the norm over the leaves' axes from `lead` on, scaled by the largest magnitude."""
    xp = backend_of(leaves[0]).namespace
    rows = [
        xp.reshape(
            xp.astype(g, compute_dtype(g, xp), copy=False),
            (*g.shape[:lead], math.prod(g.shape[lead:])),
        )
        for g in leaves
        if all(g.shape[lead:])
    ]
    if not rows:
        return xp.zeros(leaves[0].shape[:lead], dtype=compute_dtype(leaves[0], xp))
    largest = xp.zeros_like(rows[0][..., 0])
    for row in rows:
        largest = xp.maximum(largest, xp.max(xp.abs(row), axis=-1))
    # A divisor that is normal, as its reciprocal is: compilers may multiply by that instead, and
    # flush what is not. An infinity stays one, and a NaN a NaN.
    tiny = xp.full_like(largest, float(xp.finfo(largest.dtype).smallest_normal))
    safe = xp.minimum(xp.maximum(largest, tiny), 1 / tiny)
    safe = xp.where(xp.isnan(largest), xp.ones_like(largest), safe)
    total = xp.zeros_like(largest)
    for row in rows:
        scaled = row / safe[..., None]
        total = total + xp.sum(scaled * scaled, axis=-1)
    return safe * xp.sqrt(total)


def _factor(norm: Array, max_norm: float) -> Array:
    """Return ``min(1, max_norm / norm)``, and 1 where the norm is not finite."""
    xp = backend_of(norm).namespace
    # No finite norm is beyond the dtype's largest number, be the limit what it may.
    limit = min(float(max_norm), float(xp.finfo(norm.dtype).max))
    over = (norm > limit) & xp.isfinite(norm)
    one = xp.ones_like(norm)
    return xp.where(over, one * limit, one) / xp.where(over, norm, one)


def _scale(g: Array, factor: Array) -> Array:
    xp = backend_of(g).namespace
    dtype = compute_dtype(g, xp)
    factor = xp.astype(factor, dtype, copy=False)
    if factor.ndim:
        factor = xp.reshape(factor, (*factor.shape, *(1,) * (g.ndim - 1)))
    return xp.astype(xp.astype(g, dtype, copy=False) * factor, g.dtype, copy=False)
