"""The words that are tested, as an endless sequence of blocks of little-endian 32-bit words."""

from collections.abc import Callable, Iterator
from io import RawIOBase
from typing import Any

import numpy as np

from gradnoise_core.random import leaf_key, words

__all__ = ["LEAVES", "SOURCES", "STEPS", "interleaved", "plain", "write"]

#: Elements of the one leaf of `plain` that are drawn at once.
BLOCK = 1 << 20

#: The leaves of `interleaved`, and how many of their steps and elements lie side by side.
LEAVES = tuple(f"layers/{layer}/{name}" for layer in range(32) for name in ("weight", "bias"))
STEPS, ELEMENTS = 16, 4096

#: As many elements of all leaves as are put in order at once: 4 MB.
TILE = 1 << 10


def plain(seed: int) -> Iterator[Any]:
    """Yield the consecutive words of the leaf ``layers/0/weight`` at step 0."""
    key = leaf_key(seed, LEAVES[0], 0)
    for start in range(0, 1 << 64, BLOCK):
        yield words(key, (BLOCK,), within=(1 << 64,), at=(start,))


def interleaved(seed: int) -> Iterator[Any]:
    """Yield words of 64 leaves and ever more steps, one word a key in turn.

    Word i is of step ``i % 16``, leaf ``i // 16 % 64``, element ``i // 1024 % 4096``; after that
    come the next 16 steps. So neighbours are one element under keys that differ least, those of
    neighbouring steps; and every 16th word is one element of one step in leaf after leaf.
    """
    for first in range(0, 1 << 63, STEPS):
        steps = np.arange(first, first + STEPS)
        keys = [leaf_key(seed, path, steps) for path in LEAVES]
        by_key = np.concatenate([words(key, (ELEMENTS,)) for key in keys])
        for start in range(0, ELEMENTS, TILE):
            yield np.ascontiguousarray(by_key[:, start : start + TILE].T).reshape(-1)


SOURCES: dict[str, Callable[[int], Iterator[Any]]] = {"plain": plain, "interleaved": interleaved}


def write(blocks: Iterator[Any], out: RawIOBase) -> None:
    """Write blocks as little-endian words until the reader has had enough.

    Unbuffered, so that nothing is left to be written, and complained of, when the reader is gone.
    """
    for block in blocks:
        rest = memoryview(block.astype(block.dtype.newbyteorder("<"), copy=False)).cast("B")
        while rest:
            try:
                rest = rest[out.write(rest) :]
            except BrokenPipeError:
                return
