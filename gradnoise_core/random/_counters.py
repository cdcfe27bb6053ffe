"""Where each element of a block stands in its leaf: 64-bit indexes in pairs of int32.

The index of an element is its row-major position in the whole, unsharded leaf. JAX has no
64-bit integers by default, so an index is two int32 limbs (high, low); a leaf of at most 2**31
elements needs the low one only, and the high one is then the Python int 0.
"""

import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gradnoise_core.backend import backend_of
from gradnoise_core.random._threefry import MASK, signed
from gradnoise_core.typing import Array, Device, Namespace, Shape

__all__ = ["SMALL", "Block", "block", "indices", "strides"]

#: Up to this many elements an index fits the low limb.
SMALL = 1 << 31

_TOP = -(1 << 31)


class Block(NamedTuple):
    """A box of `shape` that starts at `at` in a leaf of shape `within`."""

    shape: Shape
    within: Shape
    at: tuple[Any, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


def block(shape: Sequence[int], within: Sequence[int] | None, at: Sequence[Any] | None) -> Block:
    """Return a checked `Block`, with axes that are whole merged into the one before them."""
    shape = _shape("shape", shape)
    within = shape if within is None else _shape("within", within)
    start = (0,) * len(within) if at is None else tuple(_start(a) for a in at)
    if not len(shape) == len(within) == len(start):
        message = (
            f"`shape`, `within` and `at` must have one entry an axis, "
            f"got {shape}, {within} and {start}."
        )
        raise ValueError(message)
    if math.prod(within) > 1 << 64:
        message = f"`within` must hold at most 2**64 elements, got {within}."
        raise ValueError(message)
    for axis, (n, whole, a) in enumerate(zip(shape, within, start, strict=True)):
        if n > whole or (isinstance(a, int) and not 0 <= a <= whole - n):
            message = (
                f"A block must lie in its leaf, got {n} elements from {a} "
                f"on axis {axis} of `within` {within}. Check `at` and `shape`."
            )
            raise ValueError(message)
    return _merge(Block(shape, within, start))


def indices(block: Block, *, xp: Namespace, device: Device) -> tuple[Any, Array]:
    """Return the index of each element of `block`: (high, low) limbs of its merged shape."""
    small = math.prod(block.within) <= SMALL
    high: Any = 0
    low: Any = 0
    for axis, stride in enumerate(strides(block.within)):
        position = _position(block, axis, xp=xp, device=device, small=small)
        if small:
            low = low + position[1] * stride
        else:
            high, low = _add((high, low), _multiply(position, stride))
    if not block.shape:
        low = xp.zeros((), dtype=xp.int32, device=device)
    return high, low


def _merge(block: Block) -> Block:
    """Join each axis that is whole to the axis before it: fewer axes, the same elements."""
    shape, within, at = list(block.shape), list(block.within), list(block.at)
    for axis in range(len(shape) - 1, 0, -1):
        joint = within[axis] * within[axis - 1]
        # An int32 `at` that is an array must not overflow when it is multiplied.
        if shape[axis] == within[axis] and (isinstance(at[axis - 1], int) or joint <= SMALL):
            n = within.pop(axis)
            shape.pop(axis)
            at.pop(axis)
            shape[axis - 1] *= n
            within[axis - 1] *= n
            at[axis - 1] = at[axis - 1] * n
    return Block(tuple(shape), tuple(within), tuple(at))


def _position(
    block: Block, axis: int, *, xp: Namespace, device: Device, small: bool
) -> tuple[Any, Array]:
    """Return ``at + arange`` along one axis, shaped to broadcast against the others."""
    n, at = block.shape[axis], block.at[axis]
    steps = xp.reshape(
        xp.arange(n, dtype=xp.int32, device=device),
        tuple(n if a == axis else 1 for a in range(len(block.shape))),
    )
    if not isinstance(at, int):
        at = xp.astype(xp.asarray(at), xp.int32)
        return (0, steps + at) if small else _add((0, steps), (0, at))
    if small:
        return 0, steps + at
    return _add((0, steps), (signed(at >> 32), signed(at & MASK)))


def strides(within: Shape) -> list[int]:
    """Return how many elements one step along each axis passes over."""
    steps = [1] * len(within)
    for axis in range(len(within) - 2, -1, -1):
        steps[axis] = steps[axis + 1] * within[axis + 1]
    return steps


def _add(a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
    """Add two 64-bit numbers."""
    if isinstance(a[1], int) and a == (0, 0):
        return b
    low = a[1] + b[1]
    # Unsigned low < b[1] means a carry; flipping the top bits makes the signed order unsigned.
    carry = (low ^ _TOP) < (b[1] ^ _TOP)
    return _count(carry, low) + a[0] + b[0], low


def _count(flag: Array, like: Array) -> Array:
    """Return a boolean array as 0 and 1 of the type of `like`."""
    one = (like ^ like) + 1
    return backend_of(like).namespace.where(flag, one, one ^ one)


def _multiply(a: tuple[Any, Array], b: int) -> tuple[Any, Array]:
    """Multiply a 64-bit number by a constant, modulo 2**64."""
    if b == 1:
        return a
    b_high, b_low = signed(b >> 32 & MASK), signed(b & MASK)
    high = _multiply_high(a[1], b & MASK) + a[0] * b_low + a[1] * b_high
    return high, a[1] * b_low


def _multiply_high(a: Array, b: int) -> Array:
    """Return the upper 32 bits of the unsigned product, from products of 16-bit halves."""
    a0, a1 = a & 0xFFFF, (a >> 16) & 0xFFFF
    b0, b1 = b & 0xFFFF, b >> 16
    # Each product fits 32 bits unsigned; only its halves are used, so its sign does not matter.
    low, middle, other = a0 * signed(b0), a1 * signed(b0), a0 * signed(b1)
    carry = ((low >> 16) & 0xFFFF) + (middle & 0xFFFF) + (other & 0xFFFF)
    upper = ((middle >> 16) & 0xFFFF) + ((other >> 16) & 0xFFFF) + (carry >> 16)
    return a1 * signed(b1) + upper


def _start(a: Any) -> Any:
    """Return an entry of `at` as a Python int, or as it is if it is an integer array."""
    if isinstance(a, int | np.integer):
        return int(a)
    if "int" in str(getattr(a, "dtype", "")) and a.shape == ():
        return a
    message = f"`at` must hold integers, or integer arrays of shape (), got {a!r}."
    raise TypeError(message)


def _shape(name: str, shape: Sequence[int]) -> Shape:
    try:
        sizes = tuple(operator.index(n) for n in shape)
    except TypeError:
        message = f"`{name}` must be a sequence of integers, got {shape!r}."
        raise TypeError(message) from None
    if any(n < 0 for n in sizes):
        message = f"`{name}` must have no negative entry, got {sizes}."
        raise ValueError(message)
    return sizes
