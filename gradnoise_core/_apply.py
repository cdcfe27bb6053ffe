"""From updates to new parameters: in two steps, as optax does it, or in one."""

import math
from typing import Any

from gradnoise_core._base import EmptyState, GradientTransformation
from gradnoise_core._dtypes import compute_dtype, dtype_name
from gradnoise_core._fused import Operands, Stage
from gradnoise_core._link import Chain, Link, OtherDtypeError
from gradnoise_core.backend import backend_of
from gradnoise_core.tree import flatten, flatten_like
from gradnoise_core.typing import Array, Namespace, Tree

__all__ = ["apply_gradients", "apply_updates"]

#: From this many elements on a sum of two leaves is worth the backend's own way.
LARGE = 1 << 16


def apply_updates(params: Tree, updates: Tree) -> Tree:
    """Return ``params + updates``, leaf by leaf, in the parameters' dtypes.

    Parameters
    ----------
    params, updates : pytrees of arrays of one structure
        16-bit leaves are summed in float32 and rounded once.

    Returns
    -------
    pytree of arrays
        New parameters; the old ones are unchanged.

    Raises
    ------
    ValueError
        If structure or shapes differ.
    """
    tree = flatten(params, "params")
    leaves = flatten_like(updates, tree, "updates", "params")
    pairs = zip(tree.leaves, leaves, strict=True)
    return tree.rebuild([_plain_sum(p, u) if _plain(p, u) else _sum(p, u) for p, u in pairs])


def apply_gradients(
    optimizer: GradientTransformation, grads: Tree, state: Any, params: Tree
) -> tuple[Tree, Any]:
    """Return the parameters and the state after one step of an optimizer.

    The same numbers as ``apply_updates(params, updates)`` after ``optimizer.update(grads, state,
    params)``, in less time: an optimizer of ours goes over each leaf once and makes no updates.

    Parameters
    ----------
    optimizer : GradientTransformation
        Ours, a chain with links of optax's, or optax's.
    grads, params : pytrees of arrays of one structure
        Neither is changed.
    state
        From ``optimizer.init(params)``, or from the step before.

    Returns
    -------
    params : pytree of arrays
        In the parameters' dtypes.
    state

    Raises
    ------
    ValueError
        If structure or shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> import gradnoise_core as gn
    >>> optimizer = gn.sgd(0.5)
    >>> params = np.array([3.0, 4.0])
    >>> gn.apply_gradients(optimizer, np.array([2.0, 2.0]), optimizer.init(params), params)[0]
    array([2., 3.])
    """
    update = optimizer.update
    if getattr(update, "links", None) is not None:
        try:
            new, (state, _) = Chain((update, _ADD))(grads, (state, EmptyState()), params)
            return new, state
        except OtherDtypeError:
            pass
    updates, state = update(grads, state, params)
    return apply_updates(params, updates), state


def _to_params(_: Namespace, x: Operands) -> tuple[Array, tuple[Array, ...]]:
    return x.p + x.g, ()


_ADD = Link(stage=Stage(EmptyState, _to_params, needs_params=True), one_dtype=True)


def _plain(p: Array, u: Array) -> bool:
    return p.dtype == u.dtype and dtype_name(p) in ("float32", "float64")


def _plain_sum(p: Array, u: Array) -> Array:
    """Return the sum as the backend adds what is large; as it is where that costs more."""
    backend = backend_of(p)
    if backend.elementwise is not None and math.prod(p.shape) >= LARGE and not backend.traced(p):
        done = backend.elementwise(_added, [p, u], [], [])
        if done is not None:
            return done[0]
    # NumPy adds arrays of shape () to a scalar.
    return backend.namespace.asarray(p + u)


def _added(_: Namespace, arrays: Any, normals: Any, scalars: Any) -> tuple[Array, ...]:
    return (arrays[0] + arrays[1],)


def _sum(p: Array, u: Array) -> Array:
    xp = backend_of(p).namespace
    dtype = compute_dtype(p, xp)
    total = xp.asarray(xp.astype(p, dtype, copy=False) + xp.astype(u, dtype, copy=False))
    return xp.astype(total, p.dtype, copy=False)
