"""JAX: left to XLA, which fuses; trees by ``jax.tree_util``, so that its modules work."""

from collections.abc import Hashable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradnoise_backends._jax_stream import draw_leaf, draw_pairs
from gradnoise_backends._segments import of_leading_axes
from gradnoise_core.backend import Backend, TreeFunctions
from gradnoise_core.typing import Array, Device

__all__ = ["backend"]


def _bitcast(x: Array) -> Array:
    return jax.lax.bitcast_convert_type(x, jnp.int32)


def _take(table: Array, indices: Array) -> Array:
    return table.at[indices].get(mode="promise_in_bounds")


def _add_rows(values: Array, ids: Array, count: int) -> Array:
    zeros = jnp.zeros((count, values.shape[-1]), values.dtype)
    return zeros.at[ids].add(values, mode="promise_in_bounds")


def _traced(x: Any) -> bool:
    return isinstance(x, jax.core.Tracer)


def _device(array: Array) -> Device:
    """Return the one device of a concrete array; JAX places what has none by itself."""
    if _traced(array):
        return None
    devices = array.devices()
    return next(iter(devices)) if len(devices) == 1 else None


def _devices() -> dict[str, Device]:
    platforms = {"gpu": "cuda"}
    return {f"{platforms.get(d.platform, d.platform)}:{d.id}": d for d in jax.devices()}


def _draw_leaf(*args: Any, **kwargs: Any) -> Array | None:
    return draw_leaf(backend, *args, **kwargs)


def _draw_pairs(*args: Any) -> Array | None:
    return draw_pairs(backend, *args)


def _flatten(tree: Any) -> tuple[list[Any], Hashable]:
    leaves, treedef = jax.tree_util.tree_flatten(tree)
    return leaves, treedef


def _paths(treedef: Any) -> list[str]:
    tree = jax.tree_util.tree_unflatten(treedef, range(treedef.num_leaves))
    with_path, _ = jax.tree_util.tree_flatten_with_path(tree)
    return ["/".join(_entry(entry) for entry in path) for path, _ in with_path]


def _entry(entry: Any) -> str:
    """Return a dict key, an attribute's name or a position as the stream spells it."""
    for attribute in ("key", "name", "idx"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)


def _unflatten(treedef: Any, leaves: Sequence[Any]) -> Any:
    return jax.tree_util.tree_unflatten(treedef, leaves)


backend = Backend(
    name="jax",
    namespace=jnp,
    bitcast=_bitcast,
    take=_take,
    segment_sum=of_leading_axes(jnp, _add_rows),
    jit=jax.jit,
    traced=_traced,
    device=_device,
    devices=_devices,
    to_numpy=np.asarray,
    draw_leaf=_draw_leaf,
    draw_pairs=_draw_pairs,
    synchronize=jax.block_until_ready,
    # An array made while tracing belongs to that trace.
    constants=False,
    tree=TreeFunctions(flatten=_flatten, unflatten=_unflatten, paths=_paths),
)
