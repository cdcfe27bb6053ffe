"""Words: element i of a leaf is word ``i mod 2`` of the Threefry block at counter ``i // 2``."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gradnoise_core.backend import Backend, backend_for
from gradnoise_core.random._counters import Block, block, contiguous_start, indices
from gradnoise_core.random._keys import Key, device_words
from gradnoise_core.random._threefry import MASK, signed, threefry
from gradnoise_core.typing import Array, Device, Namespace, Shape

__all__ = ["draw", "words"]

# arange counts in int32, so a longer axis is drawn in parts.
LONGEST = (1 << 31) - 2


def words(
    key: Key,
    shape: Sequence[int],
    /,
    *,
    xp: Namespace | None = None,
    device: Device | None = None,
    within: Sequence[int] | None = None,
    at: Sequence[Any] | None = None,
) -> Array:
    """Return the random words of a block of a leaf, as int32.

    Element i, its row-major position in the whole leaf, is word ``i mod 2`` of Threefry-2x32
    under `key` at counter ``(i // 2) >> 32, (i // 2) mod 2**32``.

    Parameters
    ----------
    key : Key
        Of shape ``()``, or ``(R,)`` for a leading replica axis.
    shape : sequence of int
        The block's shape, without the replica axis.
    xp : module, optional
        The array namespace; NumPy by default.
    device : optional
        Where the result lies; the namespace's default device by default.
    within : sequence of int, optional
        The shape of the whole leaf; `shape` by default.
    at : sequence of int, optional
        Where the block starts in the leaf; the origin by default. An entry may be a traced
        int32 array of shape ``()``.

    Returns
    -------
    int32 array of `shape`, or of ``(R, *shape)``
        Any block equals the slice of the whole.

    Raises
    ------
    ValueError
        If the block does not lie in the leaf, or the leaf has more than 2**64 elements.

    Examples
    --------
    >>> words(Key(0, 0), (2,))
    array([ 1797259609, -1715843330], dtype=int32)
    >>> words(Key(0, 0), (1,), within=(2,), at=(1,))
    array([-1715843330], dtype=int32)
    """
    backend = backend_for(np if xp is None else xp)
    return draw(key, shape, block(shape, within, at), backend, device)


def draw(
    key: Key,
    shape: Sequence[int],
    where: Block,
    backend: Backend,
    device: Device,
    transform: Callable[[Array], Array] = lambda words: words,
) -> Array:
    """Return ``transform(words)`` of a block, drawn in the way that suits the backend.

    `transform` maps an int32 array to an array of the same shape.
    """
    xp = backend.namespace
    keys = device_words(key, backend, device)
    if key.shape:
        keys = tuple(xp.reshape(k, (*key.shape, *(1,) * max(len(where.shape), 1))) for k in keys)
    start, step = contiguous_start(where), backend.block(device)
    if where.size == 0:
        out = transform(xp.zeros(0, dtype=xp.int32, device=device))
    elif start is not None and step is not None:
        out = _in_order(keys, start, where.size, step, backend, device, transform)
    else:
        out = _one_by_one(keys, where, backend, device, transform)
    return xp.reshape(out, (*key.shape, *shape))


def _one_by_one(
    keys: tuple[Any, ...],
    where: Block,
    backend: Backend,
    device: Device,
    transform: Callable[[Array], Array],
) -> Array:
    """Let each element compute its own block: what a compiler fuses and shards best."""
    xp = backend.namespace
    longest = max(range(len(where.shape)), key=where.shape.__getitem__, default=0)
    if where.shape and where.shape[longest] > LONGEST:
        parts = [
            _one_by_one(keys, part, backend, device, transform) for part in _halves(where, longest)
        ]
        return xp.concat(parts, axis=longest - len(where.shape))
    if not where.shape:
        where = Block((1,), (1,), (0,))
    high, low = indices(where, xp=xp, device=device)
    if isinstance(high, int):
        counter: tuple[Any, Array] = (0, low >> 1)
    else:
        counter = ((high >> 1) & (MASK >> 1), ((low >> 1) & (MASK >> 1)) | (high << 31))
    first, second = (backend.threefry or threefry)((keys[0], keys[1]), counter)
    return transform(xp.where((low & 1) == 0, first, second))


def _halves(where: Block, axis: int) -> Iterator[Block]:
    half = where.shape[axis] // 2
    for offset, n in ((0, half), (half, where.shape[axis] - half)):
        shape, at = list(where.shape), list(where.at)
        shape[axis], at[axis] = n, at[axis] + offset
        yield Block(tuple(shape), where.within, tuple(at))


def _in_order(
    keys: tuple[Any, ...],
    start: int,
    n: int,
    step: int,
    backend: Backend,
    device: Device,
    transform: Callable[[Array], Array],
) -> Array:
    """Compute each block once, for elements that follow one another, a cache-full at a time."""
    xp = backend.namespace
    lead: Shape = tuple(keys[0].shape[:-1]) if not isinstance(keys[0], int) else ()
    out = None
    for begin, end in _parts(start, start + n, step):
        first, last = begin >> 1, (end + 1) >> 1
        low = xp.arange(last - first, dtype=xp.int32, device=device) + signed(first & MASK)
        pair = (backend.threefry or threefry)(
            (keys[0], keys[1]), (signed((first >> 32) & MASK), low)
        )
        both = xp.reshape(xp.stack(pair, axis=-1), (*lead, 2 * (last - first)))
        part = transform(both[..., begin - 2 * first : end - 2 * first])
        if end - begin == n:
            return part
        if out is None:
            out = xp.empty((*lead, n), dtype=part.dtype, device=device)
        out[..., begin - start : end - start] = part
    return out


def _parts(start: int, stop: int, step: int) -> Iterator[tuple[int, int]]:
    """Cut [start, stop) at multiples of `step`, a power of two, so none crosses 2**33."""
    while start < stop:
        end = min(stop, (start // step + 1) * step)
        yield start, end
        start = end
