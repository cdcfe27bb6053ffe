"""torch: bits by view, NumPy's loops on the CPU, operators of our own inside ``torch.compile``."""

from collections.abc import Callable, Sequence
from typing import Any

import array_api_compat.torch
import numpy as np
import torch

from gradnoise_backends import _torch_draw, _torch_ops, _torch_sharded
from gradnoise_backends._memory import empty
from gradnoise_backends._segments import of_leading_axes
from gradnoise_core.backend import Backend, Sharding
from gradnoise_core.random import _keys
from gradnoise_core.random._runs import Runs
from gradnoise_core.typing import Array, Device

__all__ = ["backend"]


def _bitcast(x: Array) -> Array:
    return x.view(torch.int32)


def _take(table: Array, indices: Array) -> Array:
    # table[indices] is a hundred times slower on the CPU with two threads.
    return torch.index_select(table, 0, indices.reshape(-1)).reshape(indices.shape)


def _add_rows(values: Array, ids: Array, count: int) -> Array:
    return values.new_zeros((count, values.shape[-1])).index_add(0, ids, values)


def _asarray(array: Any, device: Device) -> Array:
    if torch.compiler.is_compiling():  # it has made a tensor of NumPy's array already
        return torch.as_tensor(array, device=device)
    # A copy: torch warns of NumPy arrays that may not be written to.
    if isinstance(array, torch.Tensor):
        return array.to(device)
    return torch.tensor(array, device=device)


def _traced(_: Any) -> bool:
    return torch.compiler.is_compiling()


def _joins() -> bool:
    return not torch.compiler.is_compiling()


def _join(arrays: Sequence[Array], size: int) -> Array:
    first = arrays[0]
    differentiated = torch.is_grad_enabled() and any(x.requires_grad for x in arrays)
    if differentiated or first.ndim > 1 or first.dtype is not torch.float32 or not first.is_cpu:
        return torch.cat(tuple(arrays), dim=-1)
    return torch.cat(tuple(arrays), out=torch.from_numpy(empty(size, np.float32)))


def _split(array: Array, sizes: Sequence[int]) -> Sequence[Array]:
    return torch.split_with_sizes(array, list(sizes), dim=-1)


def _draw(runs: Runs, device: Device, *, normals: bool) -> Array:
    if torch.compiler.is_compiling():
        return _torch_ops.draw(runs, normals=normals)
    return _torch_draw.draw(runs, device, normals=normals)


def _device(array: Array) -> Device:
    return array.device


def _devices() -> dict[str, Device]:
    names = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    return {name: torch.device(name) for name in names}


def _to_numpy(array: Array) -> Any:
    tensor = array.detach().cpu()
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()


def _synchronize(array: Array) -> None:
    if array.is_cuda:
        torch.cuda.synchronize(array.device)


def _jit(function: Callable[..., Any]) -> Callable[..., Any]:
    # Not dynamic=False, which would compile anew for every step count.
    return torch.compile(function)


# What a leaf's path hashes to is a constant of each graph.
torch.compiler.assume_constant_result(_keys.folded_words)

backend = Backend(
    name="torch",
    namespace=array_api_compat.torch,
    bitcast=_bitcast,
    take=_take,
    segment_sum=of_leading_axes(array_api_compat.torch, _add_rows),
    jit=_jit,
    traced=_traced,
    device=_device,
    devices=_devices,
    asarray=_asarray,
    to_numpy=_to_numpy,
    synchronize=_synchronize,
    elementwise=_torch_draw.elementwise,
    joins=_joins,
    join=_join,
    split=_split,
    draw=_draw,
    threefry=_torch_ops.threefry,
    quantile=_torch_ops.quantile,
    leaf_keys=_torch_ops.leaf_keys,
    sharding=Sharding(_torch_sharded.shard_of, _torch_sharded.like, _torch_sharded.whole),
)
