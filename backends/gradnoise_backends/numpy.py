"""NumPy: large leaves in cache-sized pieces, compiled by numba where it is installed."""

from collections.abc import Sequence

import array_api_compat.numpy
import numpy as np

from gradnoise_backends import _numpy_elementwise, _numpy_stream
from gradnoise_backends._memory import empty
from gradnoise_backends._segments import of_leading_axes
from gradnoise_core.backend import Backend
from gradnoise_core.random._runs import Runs
from gradnoise_core.typing import Array, Device

__all__ = ["backend"]


def _draw(runs: Runs, device: Device, *, normals: bool) -> Array:
    return _numpy_elementwise.draw(runs, normals=normals)


def _join(arrays: Sequence[Array], size: int) -> Array:
    out = empty((*arrays[0].shape[:-1], size), arrays[0].dtype)
    return np.concatenate(arrays, axis=-1, out=out)


def _add_rows(values: Array, ids: Array, count: int) -> Array:
    out = np.zeros((count, values.shape[-1]), values.dtype)
    if ids.size == 0:
        return out
    # np.add.at takes ten times as long; a stable order keeps the sum's.
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    out[ordered[starts]] = np.add.reduceat(values[order], starts, axis=0)
    return out


def _bitcast(x: Array) -> Array:
    return x.view(np.int32)


backend = Backend(
    name="numpy",
    namespace=array_api_compat.numpy,
    bitcast=_bitcast,
    take=lambda table, indices: table[indices],
    segment_sum=of_leading_axes(np, _add_rows),
    elementwise=_numpy_elementwise.elementwise,
    device=lambda _: "cpu",
    devices=lambda: {"cpu": "cpu"},
    joins=lambda: True,
    join=_join,
    draw=_draw,
    threefry=_numpy_stream.threefry,
    quantile=_numpy_stream.quantile,
)
