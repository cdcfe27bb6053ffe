"""CuPy: bits by view, gathers by indexing."""

import array_api_compat.cupy
import cupy

from gradnoise_core.backend import Backend
from gradnoise_core.typing import Array, Device

__all__ = ["backend"]


def _bitcast(x: Array) -> Array:
    return x.view(cupy.int32)


def _take(table: Array, indices: Array) -> Array:
    return table[indices]


def _devices() -> dict[str, Device]:
    count = cupy.cuda.runtime.getDeviceCount()
    return {f"cuda:{i}": cupy.cuda.Device(i) for i in range(count)}


def _synchronize(array: Array) -> None:
    array.device.synchronize()


backend = Backend(
    name="cupy",
    namespace=array_api_compat.cupy,
    bitcast=_bitcast,
    take=_take,
    devices=_devices,
    to_numpy=cupy.asnumpy,
    synchronize=_synchronize,
)
