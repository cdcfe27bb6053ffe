"""How torch draws eagerly: on the CPU as NumPy does, in memory that both share; on a GPU by Triton."""

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from gradnoise_backends import _gpu_draw, _numpy_elementwise
from gradnoise_core.random import Key
from gradnoise_core.random._normal import defined_quantile
from gradnoise_core.random._runs import Runs
from gradnoise_core.random._threefry import threefry
from gradnoise_core.typing import Array, Device

__all__ = ["draw", "elementwise"]


def draw(runs: Runs, device: Device, *, normals: bool) -> Array:
    """Return the words or normals of runs, of shape ``(n,)`` or ``(R, n)``."""
    device = torch.device(device or torch.get_default_device())
    if device.type == "cpu":
        host = runs._replace(keys=Key(*(_host(word) for word in runs.keys)))
        return torch.from_numpy(_numpy_elementwise.draw(host, normals=normals))
    stream = _triton_stream() if normals and device.type == "cuda" else None
    if stream is not None:
        return _gpu_draw.normals_of_runs(stream, runs, device, _put(device))
    return _as_defined(runs, device, normals=normals)


@functools.cache
def _triton_stream() -> Any:
    """Return the module of Triton's kernels; None where Triton, or what torch has for it, is not."""
    try:
        return importlib.import_module("gradnoise_backends._triton_stream")
    except ImportError:
        return None


def _put(device: torch.device) -> Callable[[Any], Array]:
    def put(value: Any) -> Array:
        if isinstance(value, torch.Tensor):
            return value.to(device)
        return torch.from_numpy(np.array(value)).to(device)

    return put


def _host(word: Any) -> Any:
    return word.cpu().numpy() if isinstance(word, torch.Tensor) else word


def _as_defined(runs: Runs, device: torch.device, *, normals: bool) -> Array:
    """Draw with torch's own operations, each element its own block."""
    put = _put(device)
    run, index = (put(place) for place in _gpu_draw.places(runs))
    block = (index >> 1) & (2**63 - 1)
    counter = ((block >> 32).to(torch.int32), block.to(torch.int32))
    k0, k1 = (put(word)[..., run] for word in runs.keys)
    words = torch.where((index & 1) == 0, *threefry((k0, k1), counter))
    if not normals:
        return words
    from gradnoise_backends.torch import backend

    return defined_quantile(backend, words)


def elementwise(
    kernel: Callable[..., tuple[Any, ...]],
    arrays: Sequence[Array],
    scalars: Sequence[Any],
    draws: Sequence[Any],
) -> tuple[Array, ...] | None:
    """Run a kernel on CPU tensors as NumPy does; None for tensors that NumPy cannot look into."""
    if arrays[0].is_cuda:
        return _on_gpu(kernel, arrays, scalars, draws)
    if getattr(kernel, "narrow", False) or not all(_is_plain(x) for x in arrays):
        return None
    numbers = [_number(c) for c in scalars]
    if any(n is None for n in numbers):
        return None
    views = [x.detach().numpy() for x in arrays]
    done = _numpy_elementwise.elementwise(kernel, views, numbers, draws)
    return None if done is None else tuple(torch.from_numpy(x) for x in done)


def _on_gpu(
    kernel: Any, arrays: Sequence[Array], scalars: Sequence[Any], draws: Sequence[Any]
) -> tuple[Array, ...] | None:
    g, stream = arrays[0], _triton_stream()
    if stream is None or type(g) is not torch.Tensor or g.requires_grad:
        return None
    return _gpu_draw.add_noise(stream, kernel, arrays, scalars, draws, _put(g.device))


def _is_plain(x: Array) -> bool:
    """Return whether x is a tensor of numbers in memory that asks for no gradient."""
    return (
        type(x) in (torch.Tensor, torch.nn.Parameter)
        and x.device.type == "cpu"
        and x.layout is torch.strided
        and not (x.requires_grad and torch.is_grad_enabled())
        and not torch._C._functorch.is_functorch_wrapped_tensor(x)
        and x.dtype in (torch.float32, torch.float64)
    )


def _number(value: Any) -> Any:
    """Return a coefficient for NumPy; None for a tensor that it cannot look into."""
    if not isinstance(value, torch.Tensor):
        return value
    if value.requires_grad or value.device.type != "cpu":
        return None
    return value.numpy() if type(value) is torch.Tensor else None
