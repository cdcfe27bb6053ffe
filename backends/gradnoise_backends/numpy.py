"""NumPy: large leaves in cache-sized pieces, because allocation and memory traffic dominate."""

from collections.abc import Callable, Sequence
from typing import Any

import array_api_compat.numpy
import numpy as np

from gradnoise_backends import _numpy_stream
from gradnoise_core.backend import Backend
from gradnoise_core.typing import Array, Device

__all__ = ["backend"]

#: Elements to work on at once: fastest between 8 k and 64 k.
BLOCK = 1 << 14

#: Words to draw at once: one piece of the cipher, so that all of it stays in the cache.
DRAW = 1 << 16


def _elementwise(
    kernel: Callable[..., Any], arrays: Sequence[Array], scalars: Sequence[Any]
) -> Any:
    size = arrays[0].size
    whole = size <= 2 * BLOCK or any(np.ndim(s) for s in scalars)
    if whole or not all(a.flags.c_contiguous for a in arrays):
        return kernel(*arrays, *scalars)
    flat = [a.reshape(-1) for a in arrays]
    outputs: list[Array] = []
    for start in range(0, size, BLOCK):
        part = slice(start, start + BLOCK)
        results = kernel(*(a[part] for a in flat), *scalars)
        if not outputs:
            outputs = [np.empty(size, dtype=r.dtype) for r in results]
        for out, result in zip(outputs, results, strict=True):
            out[part] = result
    return tuple(out.reshape(arrays[0].shape) for out in outputs)


def _block(_: Device) -> int:
    return DRAW


def _bitcast(x: Array) -> Array:
    return x.view(np.int32)


backend = Backend(
    name="numpy",
    namespace=array_api_compat.numpy,
    bitcast=_bitcast,
    take=lambda table, indices: table[indices],
    elementwise=_elementwise,
    device=lambda _: "cpu",
    devices=lambda: {"cpu": "cpu"},
    block=_block,
    threefry=_numpy_stream.threefry,
    quantile=_numpy_stream.quantile,
)
