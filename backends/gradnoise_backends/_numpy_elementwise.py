"""A chain of elementwise operations on NumPy arrays, a cache-full at a time.

With numba the whole is one compiled loop; without, NumPy's own operations on pieces that stay in
the cache, the normals of each piece drawn just before it is used.
"""

import importlib
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import array_api_compat.numpy as xp
import numpy as np

from gradnoise_backends import _numpy_stream
from gradnoise_backends._memory import empty
from gradnoise_core._scalars import several
from gradnoise_core.random._keys import Key
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
    shape, dtype = arrays[0].shape, arrays[0].dtype
    if not all(isinstance(c, int | float | np.ndarray | np.generic) for c in scalars):
        return None
    by_rows = any(several(c) for c in scalars) or any(d.runs.lead for d in draws)
    count = shape[0] if by_rows else 1
    flat = [np.ascontiguousarray(a).reshape(count, a.size // count if count else 0) for a in arrays]
    rows = [
        _row(
            kernel,
            [a[r] for a in flat],
            [_number(c, r) for c in scalars],
            [_Draw(_of_row(d.runs, r, count), d.wanted is None or d.wanted[r]) for d in draws],
        )
        for r in range(count)
    ]
    if len(rows) == 1:
        return tuple(x.reshape(shape) for x in rows[0])
    if not rows:
        return None
    columns = zip(*rows, strict=True)
    return tuple(np.stack(column).astype(dtype, copy=False).reshape(shape) for column in columns)


def _number(value: Any, row: int) -> float:
    if isinstance(value, int | float):
        return value
    return float(value[row] if value.ndim else value)


class _Draw(NamedTuple):
    """The normals of one stage, for one row; zeros serve where none are wanted."""

    runs: Runs
    wanted: bool

    def between(self, begin: int, end: int, dtype: Any) -> Any:
        """Return those of elements [begin, end)."""
        if begin == end or not self.wanted:
            return np.zeros(end - begin, dtype)
        (high, low), starts, sizes = self.runs
        ends = np.cumsum(sizes)
        first, last = (int(i) for i in np.searchsorted(ends, [begin, end - 1], side="right"))
        which = slice(first, last + 1)
        first_ones, counts = list(starts[which]), list(sizes[which])
        skipped = begin - (int(ends[first]) - counts[0])
        first_ones[0], counts[0] = first_ones[0] + skipped, counts[0] - skipped
        counts[-1] -= int(ends[last]) - end
        out = np.empty(end - begin, np.float32)
        _numpy_stream.fill(high[which], low[which], tuple(first_ones), tuple(counts), out)
        return out.astype(dtype, copy=False)


def _of_row(runs: Runs, row: int, count: int) -> Runs:
    """Return the runs of one row: of one replica; or, under one seed, its share of them."""
    high, low = (np.asarray(word, np.int32).view(np.uint32) for word in runs.keys)
    if runs.lead:
        return runs._replace(keys=Key(high[row], low[row]))
    share = len(runs.sizes) // count
    mine = slice(row * share, (row + 1) * share)
    return Runs(Key(high[mine], low[mine]), runs.starts[mine], runs.sizes[mine])


def _row(
    kernel: Callable[..., tuple[Any, ...]],
    arrays: Sequence[Any],
    scalars: Sequence[float],
    draws: Sequence[_Draw],
) -> tuple[Any, ...]:
    """Run the kernel on one-dimensional arrays."""
    fused = numba_module("gradnoise_backends._numba_fused")
    if fused is not None and arrays[0].size >= FEW and all(d.wanted for d in draws):
        runs = [d.runs for d in draws]
        done: tuple[Any, ...] | None = fused.run(kernel, arrays, runs, scalars)
        if done is not None:
            return done
    return _in_pieces(kernel, arrays, scalars, draws)


def _in_pieces(
    kernel: Callable[..., tuple[Any, ...]],
    arrays: Sequence[Any],
    scalars: Sequence[float],
    draws: Sequence[_Draw],
) -> tuple[Any, ...]:
    """Run the kernel on pieces of one-dimensional arrays."""
    size, dtype = arrays[0].size, arrays[0].dtype
    outputs: list[Any] = []
    for begin in range(0, max(size, 1), PIECE):
        end = min(begin + PIECE, size)
        z = tuple(d.between(begin, end, dtype) for d in draws)
        parts = kernel(xp, tuple(a[begin:end] for a in arrays), z, scalars)
        if not outputs:
            outputs = [empty(size, dtype) for _ in parts]
        for out, part in zip(outputs, parts, strict=True):
            out[begin:end] = part
    return tuple(outputs)
