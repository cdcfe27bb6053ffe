"""The stream on NumPy, in place: the definition's numbers without its temporaries.

NumPy spends most of its time on allocation and memory traffic, so both functions work through
cache-sized pieces with ``out=``. Words are computed unsigned, where a right shift is logical.
"""

from typing import Any

import numpy as np

from gradnoise_core.random import quantile_table

__all__ = ["quantile", "threefry"]

#: Elements to work on at once: fewer pay for the calls, more fall out of the cache.
PIECE = 1 << 15

_PARITY = np.uint32(0x1BD11BDA)
_SHIFTS = {r: (np.uint32(r), np.uint32(32 - r)) for r in (13, 15, 26, 6, 17, 29, 16, 24)}
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_TOP = np.uint32(1 << 31)


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
    a, b = quantile_table()
    flat = words.reshape(-1)
    out = np.empty(flat.size, dtype=np.float32)
    n = min(flat.size, PIECE)
    ints, index, slope = np.empty(n, np.int32), np.empty(n, np.intp), np.empty(n, np.float32)
    for start in range(0, flat.size, PIECE):
        w, z = flat[start : start + PIECE], out[start : start + PIECE]
        _quantile(w, z, a, b, ints[: w.size], index[: w.size], slope[: w.size])
    return out.reshape(words.shape)


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
