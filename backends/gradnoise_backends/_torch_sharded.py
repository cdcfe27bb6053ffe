"""torch DTensor: where the block that this process holds stands in the whole.

Reckoned here, in a few integers: ``torch.distributed.tensor._utils`` has a private function for
it, which lists the index of every row of the block, and gives the first one only.
"""

import math
import sys
from typing import Any, NamedTuple

import torch

__all__ = ["Shard", "like", "shard_of", "whole"]

_PARTIAL = "Redistribute it first: noise on partial sums would be added once a rank."
_STRIDED = "Redistribute it to Shard or Replicate first."

#: Rows ``[start, stop)`` of the whole, in the order in which they lie in the block.
Rows = list[tuple[int, int]]


class Shard(NamedTuple):
    """The block of a leaf that this process holds, the shape of the leaf, where it starts."""

    local: torch.Tensor
    within: tuple[int, ...]
    at: tuple[int, ...]


def shard_of(array: Any) -> Shard | None:
    """Return the block of a DTensor that this process holds; None for any other tensor.

    Raises
    ------
    ValueError
        If the ranks hold partial sums, or blocks that are no boxes of the whole.
    """
    if not _is_dtensor(array):
        return None
    local = _local(array)
    within, mesh = tuple(array.shape), array.device_mesh
    here = mesh.get_coordinate()
    if here is None:  # a process outside the mesh holds nothing, in one axis
        return Shard(local, tuple(local.shape), (0,) * local.ndim)
    rows: list[Rows] = [[(0, n)] for n in within]
    for placement, ranks, rank in zip(array.placements, mesh.shape, here, strict=True):
        if placement.is_replicate():
            continue
        if type(placement).__name__ not in ("Shard", "_StridedShard"):
            raise ValueError(_refusal(array, "placed by Shard or Replicate", _PARTIAL))
        split = getattr(placement, "split_factor", 1)
        rows[placement.dim] = _cut(rows[placement.dim], split, ranks, rank)
    shape = tuple(sum(stop - start for start, stop in axis) for axis in rows)
    if shape != tuple(local.shape):
        rule = f"cut as torch.chunk cuts, here into {shape} and not {tuple(local.shape)}"
        raise ValueError(_refusal(array, rule, "Let distribute_tensor cut it."))
    if any(len(axis) > 1 for axis in rows):
        raise ValueError(_refusal(array, "one box of the whole on each rank", _STRIDED))
    # An empty block may start anywhere inside.
    return Shard(local, within, tuple(axis[0][0] if axis else 0 for axis in rows))


def like(local: torch.Tensor, array: Any) -> Any:
    """Return a DTensor whose block here is `local`, placed as the DTensor `array` is."""
    stride = array.stride()
    if local.stride() != _local(array).stride():
        local = local.contiguous()
        stride = tuple(math.prod(array.shape[axis + 1 :]) for axis in range(array.ndim))
    mesh, placed, shape = array.device_mesh, array.placements, array.shape
    make = type(array).from_local
    return make(local, mesh, placed, run_check=False, shape=shape, stride=stride)


def whole(array: Any) -> Any:
    """Return a DTensor as a tensor that every process holds; any other value as it is."""
    return array.full_tensor() if _is_dtensor(array) else array


def _is_dtensor(array: Any) -> bool:
    """Return whether an array is a DTensor, without importing what makes them."""
    if type(array) in (torch.Tensor, torch.nn.Parameter):
        return False
    kind = getattr(sys.modules.get("torch.distributed.tensor"), "DTensor", None)
    return kind is not None and isinstance(array, kind)


def _local(array: Any) -> torch.Tensor:
    local = array.to_local()
    # The result of a collective that is still under way.
    return local.wait() if hasattr(local, "wait") else local


def _cut(rows: Rows, split: int, ranks: int, rank: int) -> Rows:
    """Return the rank's share of rows: of each of `split` parts, as ``torch.chunk`` cuts."""
    n = sum(stop - start for start, stop in rows)
    part = -(-n // split)
    taken: Rows = []
    for first in range(0, n, max(part, 1)):
        size = min(part, n - first)
        share = -(-size // ranks)
        start = first + min(rank * share, size)
        taken += _between(rows, start, first + min((rank + 1) * share, size))
    joined: Rows = []
    for start, stop in taken:
        if joined and joined[-1][1] == start:
            start = joined.pop()[0]
        joined.append((start, stop))
    return joined


def _between(rows: Rows, first: int, last: int) -> Rows:
    """Return those rows whose positions among `rows` are in ``[first, last)``."""
    found, position = [], 0
    for start, stop in rows:
        low, high = max(start, start + first - position), min(stop, start + last - position)
        if low < high:
            found.append((low, high))
        position += stop - start
    return found


def _refusal(array: Any, rule: str, remedy: str) -> str:
    got = f"shape {tuple(array.shape)} placed by {tuple(array.placements)}"
    return f"A DTensor must be {rule}, got {got}. {remedy}"
