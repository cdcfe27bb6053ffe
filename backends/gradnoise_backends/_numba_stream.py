"""The stream compiled by numba: loops over the first-level cache, which LLVM turns into vectors.

numba widens ``uint32 + uint32`` to 64 bits, so each result is narrowed again: the vectors then
hold twice as many lanes, and a rotation is one instruction. The table is read once an element, as
a pair (A, B) of 64 bits.
"""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numba.np.ufunc import parallel

from gradnoise_backends._memory import empty
from gradnoise_core.random import quantile_table
from gradnoise_core.random._runs import Runs

__all__ = ["CHUNK", "between", "bounds", "draw", "in_tasks", "pair_table", "scratch"]

#: Elements drawn at once, in the first-level cache.
CHUNK = 1024

#: Elements that are worth a thread.
TASK = 1 << 16

U, I, F, W = np.uint32, np.int32, np.float32, np.uint64

_inline = numba.njit(inline="always")
_compiled = functools.partial(numba.njit, cache=True, nogil=True)


@_inline
def _rotate(x: Any, r: Any) -> Any:
    return U(U(x << U(r)) | U(x >> U(32 - r)))


@_inline
def _four(x0: Any, x1: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    x0 = U(x0 + x1)
    x1 = U(_rotate(x1, a) ^ x0)
    x0 = U(x0 + x1)
    x1 = U(_rotate(x1, b) ^ x0)
    x0 = U(x0 + x1)
    x1 = U(_rotate(x1, c) ^ x0)
    x0 = U(x0 + x1)
    x1 = U(_rotate(x1, d) ^ x0)
    return x0, x1


@_inline
def _cipher(k0: Any, k1: Any, c0: Any, c1: Any) -> Any:
    k2 = U(U(k0 ^ k1) ^ U(0x1BD11BDA))
    x0, x1 = _four(U(c0 + k0), U(c1 + k1), 13, 15, 26, 6)
    x0, x1 = _four(U(x0 + k1), U(x1 + U(k2 + U(1))), 17, 29, 16, 24)
    x0, x1 = _four(U(x0 + k2), U(x1 + U(k0 + U(2))), 13, 15, 26, 6)
    x0, x1 = _four(U(x0 + k0), U(x1 + U(k1 + U(3))), 17, 29, 16, 24)
    x0, x1 = _four(U(x0 + k1), U(x1 + U(k2 + U(4))), 13, 15, 26, 6)
    return U(x0 + k2), U(x1 + U(k0 + U(5)))


@_compiled()
def _pairs(k0: Any, k1: Any, high: Any, low: Any, words: Any) -> Any:
    """Write the words of consecutive blocks whose counters share the high word."""
    for i in range(words.size // 2):
        a, b = _cipher(k0, k1, high, U(low + U(i)))
        words[2 * i] = a
        words[2 * i + 1] = b


@_compiled()
def _words(k0: Any, k1: Any, start: Any, n: Any, words: Any) -> Any:
    """Write the words of elements [start, start + n) behind the one that shares their block."""
    first, last = start >> W(1), (start + W(n) + W(1)) >> W(1)
    pairs = np.int64(last - first)
    before = min(pairs, np.int64((W(1) << W(32)) - (first & W(0xFFFFFFFF))))
    _pairs(k0, k1, U(first >> W(32)), U(first & W(0xFFFFFFFF)), words[: 2 * before])
    if before < pairs:
        _pairs(k0, k1, U(last >> W(32)), U(0), words[2 * before : 2 * pairs])
    return np.int64(start & W(1))


@_compiled()
def _quantile(w: Any, z: Any, buffers: Any, table: Any) -> Any:
    """Write the normals of words: the definition, one simple loop for each of its lines."""
    _, y, segment, fraction, pair = buffers
    bits, ab = y.view(np.uint32), pair.view(np.float32)
    n = w.size
    for i in range(n):
        y[i] = F(I(w[i] ^ U(I(w[i]) >> I(31)))) + F(0.5)
    for i in range(n):
        segment[i] = U(U(bits[i] >> U(14)) - U(126 << 9))
        fraction[i] = F(I(U(bits[i] >> U(2)) & U(4095)))
    for i in range(n):
        pair[i] = table[np.uintp(segment[i])]
    for i in range(n):
        a = ab[2 * i] + fraction[i] * ab[2 * i + 1]
        z[i] = a if I(w[i]) < I(0) else -a


@_compiled()
def scratch() -> Any:
    """Return the buffers that a thread draws in."""
    return (
        np.empty(CHUNK + 2, np.uint32),
        np.empty(CHUNK, np.float32),
        np.empty(CHUNK, np.uint32),
        np.empty(CHUNK, np.float32),
        np.empty(CHUNK, np.uint64),
    )


@_compiled()
def between(
    k0: Any,
    k1: Any,
    starts: Any,
    ends: Any,
    begin: Any,
    end: Any,
    normals: Any,
    out: Any,
    buffers: Any,
    table: Any,
) -> Any:
    """Write the normals, or the words, of elements [begin, end) of runs laid end to end.

    Run r ends before ``ends[r]``; `out` has ``end - begin <= CHUNK`` elements of 32 bits.
    """
    run = np.searchsorted(ends, begin, side="right")
    done = begin
    while done < end:
        stop = min(end, ends[run])
        n = stop - done
        offset = done - (ends[run - 1] if run else 0)
        skip = _words(k0[run], k1[run], starts[run] + W(offset), n, buffers[0])
        words, part = buffers[0][skip : skip + n], out[done - begin : stop - begin]
        if normals:
            _quantile(words, part.view(np.float32), buffers, table)
        else:
            part[:] = words
        done, run = stop, run + 1


@_compiled()
def _row(
    k0: Any,
    k1: Any,
    starts: Any,
    ends: Any,
    begin: Any,
    end: Any,
    normals: Any,
    out: Any,
    table: Any,
) -> Any:
    buffers = scratch()
    for a in range(begin, end, CHUNK):
        b = min(a + CHUNK, end)
        between(k0, k1, starts, ends, a, b, normals, out[a:b], buffers, table)


def draw(runs: Runs, *, normals: bool) -> Any:
    """Return the words or normals of runs, of shape ``(n,)`` or ``(R, n)``."""
    out = empty((*runs.lead, runs.size), np.float32 if normals else np.int32)
    high, low, starts, ends = _arguments(runs)
    for row, k0, k1 in zip(
        out.view(np.uint32).reshape(len(high), runs.size), high, low, strict=True
    ):

        def fill(begin: int, end: int, row: Any = row, k0: Any = k0, k1: Any = k1) -> None:
            _row(k0, k1, starts, ends, begin, end, normals, row, pair_table())

        in_tasks(fill, runs.size)
    return out


def in_tasks(fill: Callable[[int, int], None], n: int) -> None:
    """Call ``fill(begin, end)`` for parts of [0, n), by as many threads as numba is set to."""
    threads = min(_threads(), n // TASK)
    if threads < 2:
        fill(0, n)
        return
    # What is compiled holds no lock of Python's, so plain threads run side by side.
    step = -(-n // (threads * CHUNK)) * CHUNK
    parts = [(begin, min(begin + step, n)) for begin in range(0, n, step)]
    for _ in _pool(os.getpid(), threads).map(lambda part: fill(*part), parts):
        pass


def _threads() -> int:
    """Return what numba is set to, without starting its own threads.

    Asked for the number, numba starts them, and its OpenMP layer then changes torch's number too.
    """
    started: bool = getattr(parallel, "_is_initialized", True)
    number: int = numba.get_num_threads() if started else numba.config.NUMBA_NUM_THREADS
    return number


@functools.lru_cache(maxsize=2)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Return a pool of threads; a forked process has none of its parent's."""
    return ThreadPoolExecutor(threads, thread_name_prefix="gradnoise")


def _arguments(runs: Runs) -> tuple[Any, Any, Any, Any]:
    """Return the keys of runs as ``(R, L)`` words, and where runs start and end."""
    count = len(runs.sizes)
    high, low = (
        np.ascontiguousarray(word, np.int32).view(np.uint32).reshape(-1, count)
        for word in runs.keys
    )
    return high, low, *bounds(runs.starts, runs.sizes)


@functools.lru_cache(maxsize=64)
def bounds(starts: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[Any, Any]:
    """Return where runs start in their leaves, and where they end in the array of all."""
    return np.asarray(starts, np.uint64), np.cumsum(np.asarray(sizes, np.int64))


@functools.cache
def pair_table() -> Any:
    """Return the quantile table with each A beside its B, in 64 bits."""
    return np.stack(quantile_table(), axis=-1).view(np.uint64).reshape(-1)
