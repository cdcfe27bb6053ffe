"""NumPy: large leaves in cache-sized pieces, compiled by numba where it is installed."""

from collections.abc import Sequence

import array_api_compat.numpy
import numpy as np

from gradnoise_backends import _numpy_elementwise, _numpy_stream
from gradnoise_backends._memory import empty
from gradnoise_core.backend import Backend
from gradnoise_core.random._runs import Runs
from gradnoise_core.typing import Array, Device

__all__ = ["backend"]


def _draw(runs: Runs, device: Device, *, normals: bool) -> Array:
    return _numpy_elementwise.draw(runs, normals=normals)


def _join(arrays: Sequence[Array], size: int) -> Array:
    out = empty((*arrays[0].shape[:-1], size), arrays[0].dtype)
    return np.concatenate(arrays, axis=-1, out=out)


def _bitcast(x: Array) -> Array:
    return x.view(np.int32)


backend = Backend(
    name="numpy",
    namespace=array_api_compat.numpy,
    bitcast=_bitcast,
    take=lambda table, indices: table[indices],
    elementwise=_numpy_elementwise.elementwise,
    device=lambda _: "cpu",
    devices=lambda: {"cpu": "cpu"},
    joins=lambda: True,
    join=_join,
    draw=_draw,
    threefry=_numpy_stream.threefry,
    quantile=_numpy_stream.quantile,
)
