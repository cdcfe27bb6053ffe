"""CuPy: bits by view, gathers by indexing, and kernels of our own for the stream."""

import dataclasses
from typing import Any

import array_api_compat.cupy
import cupy

from gradnoise_backends import _cupy_stream, _gpu_draw
from gradnoise_backends._segments import of_leading_axes
from gradnoise_core.backend import Backend
from gradnoise_core.random import Key
from gradnoise_core.random._counters import Block
from gradnoise_core.random._runs import Runs
from gradnoise_core.random._words import draw as words_of_block
from gradnoise_core.typing import Array, Device

__all__ = ["backend"]


def _bitcast(x: Array) -> Array:
    return x.view(cupy.int32)


def _take(table: Array, indices: Array) -> Array:
    return table[indices]


def _add_rows(values: Array, ids: Array, count: int) -> Array:
    out = cupy.zeros((count, values.shape[-1]), values.dtype)
    cupy.add.at(out, ids, values)
    return out


def _devices() -> dict[str, Device]:
    count = cupy.cuda.runtime.getDeviceCount()
    return {f"cuda:{i}": cupy.cuda.Device(i) for i in range(count)}


def _synchronize(array: Array) -> None:
    array.device.synchronize()


def _draw(runs: Runs, device: Device, *, normals: bool) -> Array:
    if normals:
        return _gpu_draw.normals_of_runs(_cupy_stream, runs, device, _put(device))
    # Words alone serve dropout, whose leaves are drawn one by one: the definition will do.
    plain = dataclasses.replace(backend, draw=None)
    keys = [
        Key(*(_put(device)(word[..., i]) for word in runs.keys)) for i in range(len(runs.sizes))
    ]
    parts = [
        words_of_block(key, (n,), Block((n,), (1 << 64,), (start,)), plain, device)
        for key, start, n in zip(keys, runs.starts, runs.sizes, strict=True)
    ]
    return cupy.concatenate(parts, axis=-1)


def _put(device: Device) -> Any:
    def put(value: Any) -> Array:
        with cupy.cuda.Device(device):
            return cupy.asarray(value)

    return put


def _elementwise(kernel: Any, arrays: Any, scalars: Any, draws: Any) -> tuple[Array, ...] | None:
    put = _put(arrays[0].device)
    return _gpu_draw.add_noise(_cupy_stream, kernel, arrays, scalars, draws, put)


backend = Backend(
    name="cupy",
    namespace=array_api_compat.cupy,
    bitcast=_bitcast,
    take=_take,
    segment_sum=of_leading_axes(array_api_compat.cupy, _add_rows),
    devices=_devices,
    elementwise=_elementwise,
    joins=lambda: True,
    draw=_draw,
    to_numpy=cupy.asnumpy,
    synchronize=_synchronize,
)
