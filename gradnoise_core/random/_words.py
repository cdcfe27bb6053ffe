"""Words: element i of a leaf is word ``i mod 2`` of the Threefry block at counter ``i // 2``."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gradnoise_core.backend import Backend, backend_for
from gradnoise_core.random._counters import Block, block, indices
from gradnoise_core.random._keys import Key, device_words
from gradnoise_core.random._runs import runs_of_block
from gradnoise_core.random._threefry import MASK, threefry
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
    transform: Callable[[Array], Array] | None = None,
    step: Any = None,
) -> Array:
    """Return the words of a block, or their normals, drawn in the way that suits the backend.

    `transform` is the function from words to normals of the same shape; None for words. `step` is
    the one that the key was made with, if any: a number that a compiler need not know.
    """
    xp = backend.namespace
    runs = runs_of_block(key, where, backend, device) if backend.draw is not None else None
    if runs is not None and backend.draw is not None:
        out = backend.draw(runs, device, normals=transform is not None)
        return xp.reshape(out, (*key.shape, *shape))
    if backend.draw_leaf is not None:
        keys = device_words(key, backend, device)
        normals = transform is not None
        leaf = backend.draw_leaf(keys, tuple(shape), where, device, normals=normals, step=step)
        if leaf is not None:
            return leaf
    words = _one_by_one(_beside(key, where, backend, device), where, backend, device)
    return xp.reshape(words if transform is None else transform(words), (*key.shape, *shape))


def _beside(key: Key, where: Block, backend: Backend, device: Device) -> tuple[Any, ...]:
    """Return the words of the key, shaped to meet the axes of the block."""
    keys = device_words(key, backend, device)
    if not key.shape:
        return keys
    ones = (1,) * max(len(where.shape), 1)
    return tuple(backend.namespace.reshape(k, (*key.shape, *ones)) for k in keys)


def _one_by_one(keys: tuple[Any, ...], where: Block, backend: Backend, device: Device) -> Array:
    """Let each element compute its own block: the definition, and what a compiler shards best."""
    xp = backend.namespace
    if where.size == 0:
        return xp.zeros((*_lead(keys), 0), dtype=xp.int32, device=device)
    longest = max(range(len(where.shape)), key=where.shape.__getitem__, default=0)
    if where.shape and where.shape[longest] > LONGEST:
        parts = [_one_by_one(keys, part, backend, device) for part in _halves(where, longest)]
        return xp.concat(parts, axis=longest - len(where.shape))
    if not where.shape:
        where = Block((1,), (1,), (0,))
    high, low = indices(where, xp=xp, device=device)
    if isinstance(high, int):
        counter: tuple[Any, Array] = (0, low >> 1)
    else:
        counter = ((high >> 1) & (MASK >> 1), ((low >> 1) & (MASK >> 1)) | (high << 31))
    first, second = (backend.threefry or threefry)((keys[0], keys[1]), counter)
    return xp.where((low & 1) == 0, first, second)


def _lead(keys: tuple[Any, ...]) -> Shape:
    return () if isinstance(keys[0], int) else tuple(keys[0].shape[:1])


def _halves(where: Block, axis: int) -> Iterator[Block]:
    half = where.shape[axis] // 2
    for offset, n in ((0, half), (half, where.shape[axis] - half)):
        shape, at = list(where.shape), list(where.at)
        shape[axis], at[axis] = n, at[axis] + offset
        yield Block(tuple(shape), where.within, tuple(at))
