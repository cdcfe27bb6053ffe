"""JAX's way to draw a large leaf: what XLA's CPU compiler would compute many times is kept once.

XLA fuses a producer into each of its consumers and computes it anew in each, so the 20 rounds of
the cipher would run for both words of a block, and the normals for every moment of an optimizer.
What it does not fuse is a conditional whose condition it cannot know. On other platforms it fuses
several results into one kernel, and the definition is left as it is.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from gradnoise_core.backend import Backend
from gradnoise_core.random._counters import SMALL, Block
from gradnoise_core.random._normal import defined_quantile
from gradnoise_core.random._threefry import threefry
from gradnoise_core.typing import Array, Device, Shape

__all__ = ["LEAST", "draw_leaf", "draw_pairs"]

#: From this many elements on a leaf is worth a conditional.
LEAST = 1 << 14

#: Pairs of words are drawn along a last axis that this divides, so that a pair stays in a shard.
WHOLE = 64


def draw_leaf(
    backend: Backend,
    keys: tuple[Any, Any],
    shape: Shape,
    where: Block,
    device: Device,
    *,
    normals: bool,
    step: Any,
) -> Array | None:
    """Return the words or the normals of a whole leaf, of shape ``(*keys.shape, *shape)``.

    None, for the definition, if it is a block of a leaf, small, or of more than 2**31 elements.
    """
    size = math.prod(shape)
    if where.shape != where.within or not LEAST <= size <= SMALL:
        return None
    if isinstance(keys[0], jax.core.Tracer):
        # Of keys that lie on several devices a condition would have to be sent between them.
        unknown = step if isinstance(step, jax.core.Tracer) and step.ndim == 0 else keys[0]
        return _draw(backend, shape, normals, *keys, unknown)
    high, low = (jnp.asarray(word, jnp.int32, device=device) for word in keys)
    return _compiled(backend, shape, normals)(high, low, high)


def draw_pairs(
    backend: Backend, keys: Sequence[Array], counter: Array, kept: Any, step: Any
) -> Array | None:
    """Return the normals of both words of each counter under its key, those that are kept.

    None, for the definition, if nothing is traced, or if there is little.
    """
    unknown = step if isinstance(step, jax.core.Tracer) and step.ndim == 0 else keys[0]
    if not isinstance(unknown, jax.core.Tracer) or keys[0].size < LEAST // 2:
        return None

    def on_cpu(high: Array, low: Array, unknown: Array) -> Array:
        known = _known(unknown)
        pairs = _once(known, lambda: _one_number(threefry((high, low), (0, counter))))
        words = _once(known, lambda: _spread(pairs))
        return _once(known, lambda: _chosen(backend, words, kept))

    def elsewhere(high: Array, low: Array, _: Array) -> Array:
        pair = threefry((high, low), (0, counter))
        return _chosen(backend, jnp.stack(pair, axis=-1).reshape((*high.shape[:-1], -1)), kept)

    return lax.platform_dependent(*keys, unknown, cpu=on_cpu, default=elsewhere)


def _chosen(backend: Backend, words: Array, kept: Any) -> Array:
    return defined_quantile(backend, words if kept is None else jnp.take(words, kept, axis=-1))


@functools.lru_cache(maxsize=256)
def _compiled(backend: Backend, shape: Shape, normals: bool) -> Callable[..., Array]:
    """Return the drawing of a leaf as one program, for keys that are not traced."""
    return jax.jit(functools.partial(_draw, backend, shape, normals))


def _draw(
    backend: Backend, shape: Shape, normals: bool, high: Array, low: Array, unknown: Array
) -> Array:
    on_cpu = functools.partial(_on_cpu, backend, shape, normals)

    def elsewhere(high: Array, low: Array, _: Array) -> Array:
        words = _each(shape, high, low)
        return defined_quantile(backend, words) if normals else words

    return lax.platform_dependent(high, low, unknown, cpu=on_cpu, default=elsewhere)


def _on_cpu(
    backend: Backend, shape: Shape, normals: bool, high: Array, low: Array, unknown: Array
) -> Array:
    known = _known(unknown)
    if shape[-1] % WHOLE == 0:
        pairs = _once(known, lambda: _pairs(shape, high, low))
        words = _once(known, lambda: _spread(pairs))
    else:
        words = _once(known, lambda: _each(shape, high, low))
    return _once(known, lambda: defined_quantile(backend, words)) if normals else words


def _known(unknown: Array) -> Array:
    """Return a condition that holds, which XLA does not know."""
    return jnp.all(lax.population_count(unknown) <= 64)


def _once(known: Array, make: Callable[[], Array]) -> Array:
    """Return ``make()``, computed once however many read it."""
    made = jax.eval_shape(make)
    return lax.cond(known, make, lambda: jnp.zeros(made.shape, made.dtype))


def _each(shape: Shape, high: Array, low: Array) -> Array:
    """Let each element compute its own block, which shards along any axis."""
    index = _index(shape)
    first, second = threefry(_beside(high, low, shape), (0, index >> 1))
    return jnp.where((index & 1) == 0, first, second)


def _pairs(shape: Shape, high: Array, low: Array) -> Array:
    """Return both words of each block as one number, real and imaginary part: one result."""
    half = (*shape[:-1], shape[-1] // 2)
    return _one_number(threefry(_beside(high, low, shape), (0, _index(half))))


def _one_number(pair: tuple[Array, Array]) -> Array:
    return lax.complex(*(lax.bitcast_convert_type(word, jnp.float32) for word in pair))


def _spread(pairs: Array) -> Array:
    """Return the words of pairs, one after another along the last axis."""
    both = jnp.broadcast_to(pairs[..., None], (*pairs.shape, 2))
    lane = lax.broadcasted_iota(jnp.int32, both.shape, both.ndim - 1)
    first, second = (lax.bitcast_convert_type(x, jnp.int32) for x in (both.real, both.imag))
    return jnp.where(lane == 0, first, second).reshape((*pairs.shape[:-1], -1))


def _index(shape: Shape) -> Array:
    """Return the row-major position of each element."""
    index = jnp.zeros(shape, jnp.int32)
    for axis in range(len(shape)):
        step = math.prod(shape[axis + 1 :])
        index = index + lax.broadcasted_iota(jnp.int32, shape, axis) * step
    return index


def _beside(high: Array, low: Array, shape: Shape) -> tuple[Array, Array]:
    """Return the words of the key, shaped to meet the axes of the leaf."""
    ones = (1,) * len(shape)
    return high.reshape(high.shape + ones), low.reshape(low.shape + ones)
