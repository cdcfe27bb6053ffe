"""The stream for torch on a GPU: Triton kernels, launched at once, or as operators while compiling.

Importing this raises ImportError where there is no Triton, or a torch (before 2.6) that cannot
show its kernels to ``torch.compile``.
"""

from typing import Any

import torch
from torch.library import triton_op, wrap_triton

from gradnoise_backends._triton_kernels import draw_leaves, draw_range
from gradnoise_core.random._normal import quantile_table
from gradnoise_core.random._threefry import MASK, signed
from gradnoise_core.typing import Array, Device

__all__ = ["add", "normals", "normals_of_leaves"]

#: Elements a program draws: eight a thread.
BLOCK = 1 << 10

#: Inductor drops this option, so the kernels do without; Triton 3.9 warns where it is left open.
OPTIONS = {"enable_fp_fusion": False}

_TABLES: dict[str, tuple[Array, Array]] = {}


def normals(keys: tuple[Any, Any], start: int, n: int, device: Device) -> Array:
    """Return the normals of elements ``[start, start + n)`` of a leaf, of which 2**64 are allowed.

    `keys` are two 32-bit Python ints, for a result of shape ``(n,)``, or two int32 tensors of
    shape ``(R,)`` on the device, for ``(R, n)``.
    """
    at = divmod(start, 2)
    if torch.compiler.is_compiling():
        table = _table(str(device))
        out = torch.ops.gradnoise.triton_normals(*_tensors(keys, device), *table, *at, n)
        return out.reshape(*_lead(keys), n)
    out = torch.empty((*_lead(keys), n), dtype=torch.float32, device=device)
    _run_range(draw_range, out, None, 0.0, _words(keys), _table(str(out.device)), at)
    return out


def add(g: Array, keys: tuple[Any, Any], start: int, sigma: Any, out: Array | None = None) -> Array:
    """Return ``g + sigma * z`` in one pass, equal to it in two, for z of `normals`.

    16-bit g are summed in float32 and rounded once; float64 g with z widened.

    Parameters
    ----------
    g : tensor
        Of shape ``(n,)``, or ``(R, n)`` if `keys` are tensors of shape ``(R,)``.
    keys, start
        As in `normals`.
    sigma : float or tensor
        A number, or a tensor of shape ``()`` or ``(R,)``; rounded to the dtype of the sum.
    out : tensor, optional
        Where to write; may be `g` itself.
    """
    if tuple(g.shape[:-1]) != _lead(keys) or not g.ndim:
        message = f"`g` must have shape (*{_lead(keys)}, n) for these keys, got {tuple(g.shape)}."
        raise ValueError(message)
    wide = torch.float64 if g.dtype is torch.float64 else torch.float32
    table, at, g = _table(str(g.device)), divmod(start, 2), g.contiguous()
    if torch.compiler.is_compiling():
        k0, k1 = _tensors(keys, g.device)
        rows, sigma = g.reshape(k0.numel(), g.shape[-1]), _as_tensor(sigma, wide, g)
        total = torch.ops.gradnoise.triton_add(rows, sigma, k0, k1, *table, *at).reshape(g.shape)
        return total if out is None else out.copy_(total)
    # Triton passes a Python float as a float32.
    if isinstance(sigma, torch.Tensor) or wide is torch.float64:
        sigma = _as_tensor(sigma, wide, g)
    else:
        sigma = float(sigma)
    out = torch.empty_like(g) if out is None else out
    if out.shape != g.shape or out.dtype != g.dtype or not out.is_contiguous():
        message = f"`out` must be contiguous, of {g.dtype} and shape {tuple(g.shape)}."
        raise ValueError(message)
    _run_range(draw_range, out, g, sigma, _words(keys), table, at)
    return out


def normals_of_leaves(
    keys: tuple[Array, Array], leaf: Array, index: Array, device: Device
) -> Array:
    """Return the normal of element ``index[i]`` of leaf ``leaf[i]``, for each i.

    `keys` are two int32 tensors of shape ``(L,)``, for a result of shape ``(n,)``, or ``(R, L)``,
    for ``(R, n)``; `leaf` and `index` integer tensors of shape ``(n,)``. An index of
    int64 is read as unsigned.
    """
    k0, k1, leaf, index = (x.contiguous() for x in (*keys, leaf, index))
    table = _table(str(device))
    if torch.compiler.is_compiling():
        return torch.ops.gradnoise.triton_leaves(k0, k1, leaf, index, *table)
    out = torch.empty((*k0.shape[:-1], leaf.numel()), dtype=torch.float32, device=device)
    _run_leaves(draw_leaves, out, (k0, k1), leaf, index, table)
    return out


def _run_range(
    kernel: Any, out: Array, g: Any, sigma: Any, keys: Any, table: Any, start: tuple[int, int]
) -> None:
    (first, odd), n = start, out.shape[-1]
    spread = -1
    if isinstance(sigma, torch.Tensor):
        spread = 0 if sigma.numel() == 1 else 1
    constants = {"ODD": odd, "KEYED": isinstance(keys[0], torch.Tensor), "SPREAD": spread}
    arguments = (g, sigma, *keys, *table, first, n)
    _launch(kernel, n + odd, out, arguments, {**constants, "HALF": BLOCK // 2})


def _run_leaves(kernel: Any, out: Array, keys: Any, leaf: Array, index: Array, table: Any) -> None:
    n, leaves = out.shape[-1], keys[0].shape[-1]
    _launch(kernel, n, out, (*keys, leaf, index, *table, n, leaves), {"BLOCK": BLOCK})


def _launch(
    kernel: Any, columns: int, out: Array, arguments: tuple[Any, ...], constants: dict[str, Any]
) -> None:
    """Launch a program for each block of each row, told how many there are in a row."""
    if out.numel() == 0:
        return
    blocks = -(-columns // BLOCK)
    options = OPTIONS if kernel in (draw_range, draw_leaves) else {}
    with torch.cuda.device_of(out):
        grid = (blocks * (out.numel() // out.shape[-1]),)
        kernel[grid](out, *arguments, blocks, **constants, **options)


@triton_op("gradnoise::triton_normals", mutates_args=())
def _normals_op(
    k0: torch.Tensor, k1: torch.Tensor, a: torch.Tensor, b: torch.Tensor,
    first: int, odd: int, n: int,
) -> torch.Tensor:  # fmt: skip
    out = torch.empty((k0.numel(), n), dtype=torch.float32, device=k0.device)
    _run_range(wrap_triton(draw_range), out, None, 0.0, (k0, k1), (a, b), (first, odd))
    return out


@triton_op("gradnoise::triton_add", mutates_args=())
def _add_op(
    g: torch.Tensor, sigma: torch.Tensor, k0: torch.Tensor, k1: torch.Tensor,
    a: torch.Tensor, b: torch.Tensor, first: int, odd: int,
) -> torch.Tensor:  # fmt: skip
    out = torch.empty_like(g)
    _run_range(wrap_triton(draw_range), out, g, sigma, (k0, k1), (a, b), (first, odd))
    return out


@triton_op("gradnoise::triton_leaves", mutates_args=())
def _leaves_op(
    k0: torch.Tensor, k1: torch.Tensor, leaf: torch.Tensor, index: torch.Tensor,
    a: torch.Tensor, b: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    out = torch.empty((*k0.shape[:-1], leaf.numel()), dtype=torch.float32, device=k0.device)
    _run_leaves(wrap_triton(draw_leaves), out, (k0, k1), leaf, index, (a, b))
    return out


@torch.compiler.assume_constant_result
def _table(device: str) -> tuple[Array, Array]:
    """Return the quantile table on a device, kept there."""
    if ":" not in device:  # the current one, which may be another next time
        device = str(torch.empty(0, device=device).device)
    if device not in _TABLES:
        a, b = (torch.tensor(column, device=device) for column in quantile_table())
        _TABLES[device] = (a, b)
    return _TABLES[device]


def _lead(keys: tuple[Any, Any]) -> tuple[int, ...]:
    return tuple(keys[0].shape) if isinstance(keys[0], torch.Tensor) else ()


def _words(keys: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return the keys as a kernel takes them: tensors, or signed Python ints."""
    if isinstance(keys[0], torch.Tensor):
        return keys[0].contiguous(), keys[1].contiguous()
    return signed(keys[0] & MASK), signed(keys[1] & MASK)


def _tensors(keys: tuple[Any, Any], device: Device) -> tuple[Array, Array]:
    """Return the keys as tensors of one axis; operators take no numbers that vary."""
    if isinstance(keys[0], torch.Tensor):
        return keys[0].reshape(-1).contiguous(), keys[1].reshape(-1).contiguous()
    k0, k1 = (torch.full((1,), k, dtype=torch.int32, device=device) for k in _words(keys))
    return k0, k1


def _as_tensor(sigma: Any, dtype: Any, g: Array) -> Array:
    """Return sigma as a tensor of one axis: its one value, or one for each row of g."""
    if not isinstance(sigma, torch.Tensor):
        return torch.full((1,), sigma, dtype=dtype, device=g.device)
    if sigma.shape not in ((), (1,), g.shape[:-1]):
        message = f"`sigma` must be a number or one a row of `g`, got shape {tuple(sigma.shape)}."
        raise ValueError(message)
    return sigma.to(g.device, dtype).reshape(-1).contiguous()
