"""Bad words on purpose: what the tests must not pass."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gradnoise_core.random import leaf_key, words

from .words import LEAVES

__all__ = ["CONTROLS", "congruential", "shifted_steps", "two_rounds"]

BLOCK = 1 << 20


def two_rounds(seed: int) -> Iterator[Any]:
    """Yield the words of Threefry-2x32 under key (0, seed) with 2 rounds in place of 20."""
    for start in range(0, 1 << 32, BLOCK // 2):
        # The high words of the key and of the counter are 0.
        x = np.arange(start, start + BLOCK // 2, dtype=np.uint32) + np.uint32(seed)
        y = _rotated(x, 13) ^ x
        x = x + y
        yield np.stack([x, _rotated(y, 15) ^ x], axis=1).reshape(-1)


def _rotated(x: Any, by: int) -> Any:
    return x << np.uint32(by) | x >> np.uint32(32 - by)


def congruential(seed: int) -> Iterator[Any]:
    """Yield the states of x -> 1664525 x + 1013904223 modulo 2**32, whose low bits are short."""
    factors = np.multiply.accumulate(np.full(BLOCK, 1664525, dtype=np.uint32), dtype=np.uint32)
    ones = np.concatenate([np.ones(1, np.uint32), factors[:-1]])
    terms = np.add.accumulate(ones, dtype=np.uint32) * np.uint32(1013904223)
    block = np.full(1, seed, dtype=np.uint32)
    while True:
        block = factors * block[-1:] + terms
        yield block


def shifted_steps(seed: int) -> Iterator[Any]:
    """Yield the layout of `interleaved` with element i at step t drawn as element i + t at step 0.

    That is the noise of a key that counts steps and elements alike: each word comes 16 times.
    """
    keys = [leaf_key(seed, path, 0) for path in LEAVES]
    rows = 1 << 10
    for start in range(0, 1 << 40, rows):
        drawn = [words(k, (rows + 15,), within=(1 << 41,), at=(start,)) for k in keys]
        steps = [np.stack([leaf[t : t + rows] for t in range(16)]) for leaf in drawn]
        yield np.ascontiguousarray(np.concatenate(steps).T).reshape(-1)


CONTROLS = {
    "two-rounds": two_rounds,
    "congruential": congruential,
    "shifted-steps": shifted_steps,
}
