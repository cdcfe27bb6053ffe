"""The stream on NumPy, in place: the definition's numbers without its temporaries.

NumPy spends most of its time on allocation and memory traffic, so both functions work through
cache-sized pieces with ``out=``. Words are computed unsigned, where a right shift is logical.
"""

import functools
from typing import Any

import numpy as np

from gradnoise_backends._memory import empty
from gradnoise_core.random import quantile_table
from gradnoise_core.random._runs import Runs

__all__ = ["draw", "fill", "quantile", "threefry"]

#: Elements to work on at once: fewer pay for the calls, more fall out of the cache.
PIECE = 1 << 16

#: Runs shorter than this are drawn together.
SHORT = 1 << 12

_PARITY = np.uint32(0x1BD11BDA)
_SHIFTS = {r: (np.uint32(r), np.uint32(32 - r)) for r in (13, 15, 26, 6, 17, 29, 16, 24)}
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_TOP = np.uint32(1 << 31)


def draw(runs: Runs, *, normals: bool) -> Any:
    """Return the words or normals of runs, of shape ``(n,)`` or ``(R, n)``."""
    high, low = (np.asarray(word, np.int32).view(np.uint32) for word in runs.keys)
    shape = (*runs.lead, runs.size)
    out = empty(shape, np.float32 if normals else np.int32)
    if not runs.lead:
        fill(high, low, runs.starts, runs.sizes, out)
        return out
    for row, k0, k1 in zip(out, high, low, strict=True):
        fill(k0, k1, runs.starts, runs.sizes, row)
    return out


def fill(k0: Any, k1: Any, starts: tuple[int, ...], sizes: tuple[int, ...], out: Any) -> None:
    """Draw runs into `out`, words if it is int32 and normals if float32.

    Short runs go together, for each call costs as much as a thousand elements.
    """
    first = begin = end = 0
    for i, size in enumerate(sizes):
        long = size >= SHORT
        if long or end - begin >= PIECE:
            _together(k0[first:i], k1[first:i], starts[first:i], sizes[first:i], out[begin:end])
            first, begin = i, end
        if long:
            _alone(int(k0[i]), int(k1[i]), starts[i], out[end : end + size])
            first, begin = i + 1, end + size
        end += size
    _together(k0[first:], k1[first:], starts[first:], sizes[first:], out[begin:])


def _alone(k0: int, k1: int, start: int, out: Any) -> None:
    """Draw one run, a cache-full at a time."""
    most = PIECE // 2
    x0, x1, t = (np.empty(min(most, out.size // 2 + 1), np.uint32) for _ in range(3))
    words = np.empty(2 * x0.size, np.uint32)
    parity = np.uint32(k0 ^ k1) ^ _PARITY
    schedule = (np.uint32(k0), np.uint32(k1), parity)
    block, done = start >> 1, 0
    while done < out.size:
        skip = (start + done) & 1
        # A piece never crosses a multiple of 2**32, so that the counter's high word is one.
        pairs = min(x0.size, (out.size - done + skip + 1) // 2, (1 << 32) - (block & 0xFFFFFFFF))
        a, b = x0[:pairs], x1[:pairs]
        a[...] = np.uint32((block >> 32) + k0 & 0xFFFFFFFF)
        b[...] = np.arange(pairs, dtype=np.uint32)
        np.add(b, np.uint32((block & 0xFFFFFFFF) + k1 & 0xFFFFFFFF), out=b)
        _rounds(a, b, schedule, t[:pairs])
        words[0 : 2 * pairs : 2], words[1 : 2 * pairs : 2] = a, b
        part = out[done : done + 2 * pairs - skip]
        _store(words[skip : skip + part.size], part)
        block, done = block + pairs, done + part.size


def _together(k0: Any, k1: Any, starts: tuple[int, ...], sizes: tuple[int, ...], out: Any) -> None:
    """Draw short runs in one go."""
    if not out.size:
        return
    leaf, high, low, kept = _layout(starts, sizes)
    a, b = high + k0[leaf], low + k1[leaf]
    keys = k0[leaf], k1[leaf]
    _rounds(a, b, (*keys, keys[0] ^ keys[1] ^ _PARITY), np.empty_like(a))
    both = np.stack([a, b], axis=-1).reshape(-1)
    _store(both if kept is None else both[kept], out)


@functools.lru_cache(maxsize=64)
def _layout(starts: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[Any, Any, Any, Any]:
    """Return run and counter (high, low) of each pair of words, and which words are kept."""
    start, size = np.asarray(starts, np.uint64), np.asarray(sizes, np.uint64)
    first = start >> np.uint64(1)
    pairs = np.where(size > 0, ((start & np.uint64(1)) + size + np.uint64(1)) >> np.uint64(1), 0)
    pairs = pairs.astype(np.intp)
    leaf = np.repeat(np.arange(len(sizes)), pairs)
    before = np.repeat(np.cumsum(pairs) - pairs, pairs)
    within = (np.arange(leaf.size) - before).astype(np.uint64)
    block = first[leaf] + within
    high, low = (block >> np.uint64(32)).astype(np.uint32), block.astype(np.uint32)
    if not np.any(start & np.uint64(1)) and not np.any(size & np.uint64(1)):
        return leaf, high, low, None
    # Where a run begins or ends within a pair, the pair's other word is left out.
    position = (2 * within[:, None] + np.arange(2, dtype=np.uint64)).astype(np.int64)
    position -= (start & np.uint64(1)).astype(np.int64)[leaf][:, None]
    kept = (position >= 0) & (position < size.astype(np.int64)[leaf][:, None])
    return leaf, high, low, np.flatnonzero(kept.reshape(-1))


def _store(words: Any, out: Any) -> None:
    if out.dtype == np.int32:
        out.view(np.uint32)[...] = words
        return
    a, b = quantile_table()
    n = min(out.size, PIECE)
    ints, index, slope = np.empty(n, np.int32), np.empty(n, np.intp), np.empty(n, np.float32)
    for begin in range(0, out.size, PIECE):
        w, z = words[begin : begin + PIECE].view(np.int32), out[begin : begin + PIECE]
        _quantile(w, z, a, b, ints[: w.size], index[: w.size], slope[: w.size])


def threefry(key: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[Any, Any]:
    """Do as the definition's ``threefry``."""
    words = [_unsigned(w) for w in (*key, *counter)]
    shape = np.broadcast_shapes(*(w.shape for w in words))
    rows, n = int(np.prod(shape[:-1], dtype=np.int64)), shape[-1]
    flat = [np.broadcast_to(w, shape).reshape(rows, n) if w.ndim > 1 else w for w in words]
    out = np.empty((2, rows, n), dtype=np.uint32)
    scratch = np.empty(min(n, PIECE), dtype=np.uint32)
    for row in range(rows):
        for start in range(0, n, PIECE):
            part = slice(start, min(start + PIECE, n))
            k0, k1, c0, c1 = (_piece(w, row, part) for w in flat)
            x0, x1 = out[0, row, part], out[1, row, part]
            np.add(c0, k0, out=x0)
            np.add(c1, k1, out=x1)
            _rounds(x0, x1, (k0, k1, k0 ^ k1 ^ _PARITY), scratch[: x0.size])
    signed = out.view(np.int32).reshape(2, *shape)
    return signed[0], signed[1]


def _rounds(x0: Any, x1: Any, schedule: tuple[Any, Any, Any], t: Any) -> None:
    for group in range(5):
        for r in _ROTATIONS[group % 2]:
            left, right = _SHIFTS[r]
            np.add(x0, x1, out=x0)
            np.left_shift(x1, left, out=t)
            np.right_shift(x1, right, out=x1)
            np.bitwise_or(x1, t, out=x1)
            np.bitwise_xor(x1, x0, out=x1)
        np.add(x0, schedule[(group + 1) % 3], out=x0)
        np.add(x1, schedule[(group + 2) % 3], out=x1)
        np.add(x1, np.uint32(group + 1), out=x1)


def quantile(words: Any) -> Any:
    """Do as the definition's ``quantile``, for contiguous or strided words."""
    out = np.empty(words.shape, dtype=np.float32)
    _store(words.reshape(-1).view(np.uint32), out.reshape(-1))
    return out


def _quantile(w: Any, z: Any, a: Any, b: Any, i: Any, index: Any, s: Any) -> None:
    bits = z.view(np.int32)
    np.right_shift(w, 31, out=i)
    np.bitwise_xor(w, i, out=i)
    z[...] = i
    np.add(z, np.float32(0.5), out=z)
    np.right_shift(bits, 14, out=i)
    np.subtract(i, 126 << 9, out=index)
    np.right_shift(bits, 2, out=i)
    np.bitwise_and(i, 4095, out=i)
    np.take(b, index, out=s, mode="clip")
    np.multiply(s, i, out=s, casting="unsafe", dtype=np.float32)
    np.take(a, index, out=z, mode="clip")
    np.add(z, s, out=z)
    # Words with the top bit clear are the negative half.
    np.invert(w, out=i)
    u = i.view(np.uint32)
    np.bitwise_and(u, _TOP, out=u)
    np.bitwise_xor(z.view(np.uint32), u, out=z.view(np.uint32))


def _unsigned(word: Any) -> Any:
    if isinstance(word, int):
        return np.uint32(word & 0xFFFFFFFF).reshape(())
    return np.asarray(word, dtype=np.int32).view(np.uint32)


def _piece(word: Any, row: int, part: slice) -> Any:
    if word.ndim == 0:
        return word
    if word.ndim == 1:
        return word if word.size == 1 else word[part]
    return word[row, part]
