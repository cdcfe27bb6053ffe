"""A chain of elementwise operations on NumPy arrays, a cache-full at a time.

With numba the whole is one compiled loop; without, NumPy's own operations on pieces that stay in
the cache, the normals of each piece drawn just before it is used.
"""

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import array_api_compat.numpy as xp
import numpy as np

from gradnoise_backends import _numpy_stream
from gradnoise_backends._memory import empty
from gradnoise_core._scalars import several
from gradnoise_core.random._runs import Runs

__all__ = ["draw", "elementwise", "numba_module"]

#: Elements to work on at once: in the second-level cache, and in arrays that are not mapped anew.
PIECE = 1 << 14

#: Arrays of fewer elements than this are left to NumPy: calling a compiled loop costs more.
FEW = 1 << 8

_MODULES: dict[str, Any] = {}


def numba_module(name: str) -> Any:
    """Return a module of ours that needs numba; None without numba or with GRADNOISE_NUMBA=0."""
    if name not in _MODULES:
        try:
            wanted = os.environ.get("GRADNOISE_NUMBA", "1") != "0"
            _MODULES[name] = importlib.import_module(name) if wanted else None
        except ImportError:
            _MODULES[name] = None
    return _MODULES[name]


def draw(runs: Runs, *, normals: bool) -> Any:
    """Return the words or normals of runs, of shape ``(n,)`` or ``(R, n)``."""
    module = numba_module("gradnoise_backends._numba_stream") or _numpy_stream
    return module.draw(runs, normals=normals)


def elementwise(
    kernel: Callable[..., tuple[Any, ...]],
    arrays: Sequence[Any],
    scalars: Sequence[Any],
    draws: Sequence[Any],
) -> tuple[Any, ...] | None:
    """Run ``kernel(xp, arrays, normals, scalars)``, drawing normals on the way.

    Where replicas have numbers or noise of their own each is a row, and gets what a solo run would.
    """
    shape = arrays[0].shape
    if not all(isinstance(c, int | float | np.ndarray | np.generic) for c in scalars):
        return None
    by_rows = any(several(c) for c in scalars) or any(d.runs.lead for d in draws)
    count = shape[0] if by_rows else 1
    if count == 0:
        return None
    flat = [np.ascontiguousarray(a).reshape(count, a.size // count) for a in arrays]
    each = count if any(several(c) for c in scalars) else 1
    columns = [_column(c, each) for c in scalars]
    numbers = list(zip(*columns, strict=True)) if columns else [()] * each
    drawn = [_Draws.of(d, count) for d in draws]
    done = _compiled(kernel, flat, numbers, drawn)
    if done is None:
        done = _row_by_row(kernel, flat, numbers, drawn)
    return tuple(x.reshape(shape) for x in done)


def _column(value: Any, rows: int) -> list[float]:
    """Return a coefficient once for each row."""
    if isinstance(value, int | float):
        return [value] * rows
    numbers: Any = value.tolist()  # Python's floats
    return numbers if value.ndim else [numbers] * rows


class _Draws(NamedTuple):
    """The normals of one stage, for all rows.

    Attributes
    ----------
    high, low : uint32 arrays of shape ``(rows, L)``
    starts : uint64 array of shape ``(rows, L)``
    sizes : int64 array of shape ``(L,)``
    wanted : bool array of shape ``(rows,)``
        Zeros serve where none are wanted.
    """

    high: Any
    low: Any
    starts: Any
    sizes: Any
    wanted: Any

    @classmethod
    def of(cls, draw: Any, rows: int) -> "_Draws":
        """Return the runs of each replica; or, under one seed, each row's share of them."""
        runs, share = draw.runs, len(draw.runs.sizes)
        wanted = np.ones(rows, bool) if draw.wanted is None else np.asarray(draw.wanted)
        if not runs.lead:
            share //= rows
        high, low = (
            np.ascontiguousarray(word, np.int32).view(np.uint32).reshape(rows, share)
            for word in runs.keys
        )
        starts = np.asarray(runs.starts, np.uint64)
        if runs.lead:
            starts = np.repeat(starts[None], rows, axis=0)
        sizes = np.asarray(runs.sizes[:share], np.int64)
        return cls(high, low, starts.reshape(rows, share), sizes, wanted)

    def between(self, row: int, begin: int, end: int, dtype: Any) -> Any:
        """Return those of elements [begin, end) of a row."""
        if begin == end or not self.wanted[row]:
            return np.zeros(end - begin, dtype)
        ends = np.cumsum(self.sizes)
        first, last = (int(i) for i in np.searchsorted(ends, [begin, end - 1], side="right"))
        which = slice(first, last + 1)
        starts, counts = self.starts[row, which].tolist(), self.sizes[which].tolist()
        skipped = begin - (int(ends[first]) - counts[0])
        starts[0], counts[0] = starts[0] + skipped, counts[0] - skipped
        counts[-1] -= int(ends[last]) - end
        out = np.empty(end - begin, np.float32)
        keys = self.high[row, which], self.low[row, which]
        _numpy_stream.fill(*keys, tuple(starts), tuple(counts), out)
        return out.astype(dtype, copy=False)

    def rows(self, first: int, last: int, dtype: Any) -> Any:
        """Return those of whole rows [first, last), drawn in one go."""
        which = slice(first, last)
        sizes = tuple(self.sizes.tolist()) * (last - first)
        out = np.empty((last - first, sum(sizes) // (last - first)), np.float32)
        keys = self.high[which].reshape(-1), self.low[which].reshape(-1)
        starts = tuple(self.starts[which].reshape(-1).tolist())
        _numpy_stream.fill(*keys, starts, sizes, out.reshape(-1))
        return out.astype(dtype, copy=False)


def _compiled(
    kernel: Callable[..., tuple[Any, ...]],
    arrays: Sequence[Any],
    numbers: Sequence[Sequence[float]],
    draws: Sequence[_Draws],
) -> tuple[Any, ...] | None:
    """Run the kernel as one loop over all rows; None without numba, or if there is too little."""
    fused = numba_module("gradnoise_backends._numba_fused")
    if fused is None or arrays[0].size < FEW:
        return None
    given = [(d.high, d.low, d.starts, np.cumsum(d.sizes), d.wanted) for d in draws]
    done: tuple[Any, ...] | None = fused.run(kernel, arrays, given, numbers)
    return done


def _row_by_row(
    kernel: Callable[..., tuple[Any, ...]],
    arrays: Sequence[Any],
    numbers: Sequence[Sequence[float]],
    draws: Sequence[_Draws],
) -> tuple[Any, ...]:
    """Run the kernel in pieces, each row with its own numbers."""
    count, size = arrays[0].shape
    dtype = arrays[0].dtype
    outputs: list[Any] = []
    for row, begin, end, z in _pieces(count, size, draws, dtype):
        given = tuple(a[row, begin:end] for a in arrays)
        parts = kernel(xp, given, z, numbers[row % len(numbers)])
        if not outputs:
            outputs = [empty((count, size), dtype) for _ in parts]
        for out, part in zip(outputs, parts, strict=True):
            out[row, begin:end] = part
    return tuple(outputs)


def _pieces(
    count: int, size: int, draws: Sequence[_Draws], dtype: Any
) -> Iterator[tuple[int, int, int, tuple[Any, ...]]]:
    """Yield row, begin, end and normals of each piece; those of short rows are drawn together."""
    together = PIECE // max(size, 1)
    for row in range(count):
        if together > 1:
            if row % together == 0:
                last = min(row + together, count)
                drawn = [d.rows(row, last, dtype) for d in draws]
            yield row, 0, size, tuple(z[row % together] for z in drawn)
            continue
        for begin in range(0, size, PIECE):
            end = min(begin + PIECE, size)
            yield row, begin, end, tuple(d.between(row, begin, end, dtype) for d in draws)
