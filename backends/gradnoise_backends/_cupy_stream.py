"""The stream for CuPy: the kernels of `_cuda_source`, compiled when they are first launched."""

import functools
from typing import Any

import cupy
import numpy as np

from gradnoise_backends._cuda_source import SOURCE
from gradnoise_core.random._normal import quantile_table
from gradnoise_core.random._threefry import MASK
from gradnoise_core.typing import Array, Device

__all__ = ["add", "normals", "normals_of_leaves"]

#: Threads in a block, and the most blocks of a grid's axes: each thread goes on in strides.
THREADS, MOST, MOST_ROWS = 256, 1 << 20, 1 << 15

_NULL = np.uint64(0)


def normals(keys: tuple[Any, Any], start: int, n: int, device: Device = None) -> Array:
    """Return the normals of elements ``[start, start + n)`` of a leaf, of which 2**64 are allowed.

    `keys` are two 32-bit Python ints, for a result of shape ``(n,)``, or two int32 arrays of
    shape ``(R,)`` on the device, for ``(R, n)``.
    """
    with cupy.cuda.Device(device):
        out = cupy.empty((*_lead(keys), n), dtype=cupy.float32)
        _draw_range(out, _NULL, 0.0, keys, start)
    return out


def add(g: Array, keys: tuple[Any, Any], start: int, sigma: Any, out: Array | None = None) -> Array:
    """Return ``g + sigma * z`` in one pass, equal to it in two, for z of `normals`.

    float16 g are summed in float32 and rounded once; float64 g with z widened.

    Parameters
    ----------
    g : array
        Of shape ``(n,)``, or ``(R, n)`` if `keys` are arrays of shape ``(R,)``.
    keys, start
        As in `normals`.
    sigma : float or array
        A number, or an array of shape ``()`` or ``(R,)``; rounded to the dtype of the sum.
    out : array, optional
        Where to write; may be `g` itself.
    """
    if tuple(g.shape[:-1]) != _lead(keys) or not g.ndim:
        message = f"`g` must have shape (*{_lead(keys)}, n) for these keys, got {tuple(g.shape)}."
        raise ValueError(message)
    if g.dtype.name not in ("float16", "float32", "float64"):
        message = f"`g` must be of float16, float32 or float64, got {g.dtype.name}."
        raise TypeError(message)
    with cupy.cuda.Device(g.device):
        g = cupy.ascontiguousarray(g)
        out = cupy.empty_like(g) if out is None else out
        if out.shape != g.shape or out.dtype != g.dtype or not out.flags.c_contiguous:
            message = f"`out` must be contiguous, of {g.dtype} and shape {tuple(g.shape)}."
            raise ValueError(message)
        _draw_range(out, g, sigma, keys, start)
    return out


def normals_of_leaves(
    keys: tuple[Array, Array], leaf: Array, index: Array, device: Device = None
) -> Array:
    """Return the normal of element ``index[i]`` of leaf ``leaf[i]``, for each i.

    `keys` are two int32 arrays of shape ``(L,)``, for a result of shape ``(n,)``, or ``(R, L)``,
    for ``(R, n)``; `leaf` and `index` integer arrays of shape ``(n,)``. An index of
    int64 is read as unsigned.
    """
    with cupy.cuda.Device(device):
        k0, k1 = (cupy.ascontiguousarray(k) for k in keys)
        n, leaves = leaf.size, k0.shape[-1]
        rows = k0.size // max(leaves, 1)
        out = cupy.empty((*k0.shape[:-1], n), dtype=cupy.float32)
        types = ((leaf, cupy.int32), (index, cupy.int64))
        arrays = [cupy.ascontiguousarray(x.astype(t, copy=False)) for x, t in types]
        sizes = (np.uint64(n), np.uint64(leaves), np.uint64(rows))
        _launch("draw_leaves", n, rows, (out, k0, k1, *arrays, *_table(device), *sizes))
    return out


def _draw_range(out: Array, g: Any, sigma: Any, keys: tuple[Any, Any], start: int) -> None:
    n = out.shape[-1]
    rows = out.size // max(n, 1)
    real = np.float64 if out.dtype == cupy.float64 else np.float32
    scale: tuple[Any, ...] = (real(0), _NULL, _NULL)
    if isinstance(sigma, cupy.ndarray):
        if sigma.shape not in ((), (1,), out.shape[:-1]):
            message = f"`sigma` must be a number or one a row of `g`, got shape {sigma.shape}."
            raise ValueError(message)
        values = cupy.ascontiguousarray(sigma.astype(real, copy=False))
        scale = (real(0), values, np.uint64(values.size > 1))
    else:
        scale = (real(sigma), _NULL, _NULL)
    several = _lead(keys) != ()
    numbers = (0, 0) if several else keys
    words = [np.uint32(k & MASK) for k in numbers]
    arrays = [cupy.ascontiguousarray(k) if several else _NULL for k in keys]
    ends = (np.uint64(start), np.uint64(n), np.uint64(rows))
    table = _table(out.device)
    arguments = (out, g, *scale, *words, *arrays, *table, *ends)
    _launch(f"draw_{out.dtype.name}", (n + start % 2 + 1) // 2, rows, arguments)


def _launch(name: str, columns: int, rows: int, arguments: tuple[Any, ...]) -> None:
    if columns and rows:
        grid = (min(-(-columns // THREADS), MOST), min(rows, MOST_ROWS))
        _kernel(name)(grid, (THREADS,), arguments)


@functools.cache
def _kernel(name: str) -> Any:
    return cupy.RawKernel(SOURCE, name)


def _lead(keys: tuple[Any, Any]) -> tuple[int, ...]:
    return () if isinstance(keys[0], int) else tuple(keys[0].shape)


_TABLES: dict[int, tuple[Array, Array]] = {}


def _table(device: Device) -> tuple[Array, Array]:
    """Return the quantile table on a device, which is the current one; it is kept there."""
    number = cupy.cuda.Device(device).id
    if number not in _TABLES:
        a, b = (cupy.asarray(column) for column in quantile_table())
        _TABLES[number] = (a, b)
    return _TABLES[number]
