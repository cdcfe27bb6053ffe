"""Runs: what a backend draws in one go.

A run is a row of elements that follow one another in a leaf. Small leaves drawn together, the rows
of a shard, and one large leaf are all a list of runs, laid one after another in one array.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from gradnoise_core.backend import Backend
from gradnoise_core.random._counters import Block, strides
from gradnoise_core.random._keys import Key
from gradnoise_core.random._threefry import signed
from gradnoise_core.typing import Device

__all__ = ["Runs", "runs_of_block"]

#: A block of more and shorter rows than this is drawn element by element instead.
MOST, SHORTEST = 1 << 16, 16


class Runs(NamedTuple):
    """Rows of elements of leaves, one after another.

    Attributes
    ----------
    keys : Key
        One for each of L runs: words of shape ``(L,)``, or ``(R, L)`` for R replicas; NumPy int32
        arrays, or arrays of the backend where they are traced.
    starts : tuple of int
        The index of each run's first element in its leaf.
    sizes : tuple of int
        How many elements each run has.
    """

    keys: Key
    starts: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        """Elements in all, of one replica."""
        return sum(self.sizes)

    @property
    def lead(self) -> tuple[int, ...]:
        """``()`` for a solo run, ``(R,)`` for R replicas."""
        return self.keys.shape[:-1]


def runs_of_block(
    key: Key, where: Block, backend: Backend, device: Device, *, always: bool = False
) -> Runs | None:
    """Return the rows of a block.

    None if where it starts is traced; or, unless they are wanted `always`, if its rows are short.
    """
    if where.size == 0 or not all(isinstance(a, int) for a in where.at):
        return None
    *rows, length = where.shape or (1,)
    count = math.prod(rows)
    if not always and count > 1 and (count > MOST or length < SHORTEST):
        return None
    at, steps = where.at or (0,), strides(where.within)
    starts = [at[-1]]
    for axis, n in enumerate(rows):
        starts = [s + (at[axis] + i) * steps[axis] for s in starts for i in range(n)]
    words = (_spread(word, count, backend, device) for word in key)
    return Runs(Key(*words), tuple(starts), (length,) * count)


def _spread(word: Any, count: int, backend: Backend, device: Device) -> Any:
    """Return a key's word once for each run: in NumPy, or in the library that traces."""
    if isinstance(word, int):
        if backend.traced(None):
            xp = backend.namespace
            return xp.full((count,), signed(word), dtype=xp.int32, device=device)
        return np.full(count, signed(word), dtype=np.int32)
    xp = np if isinstance(word, np.ndarray) else backend.namespace
    return xp.broadcast_to(word[..., None], (*word.shape, count))
