"""The stream written once more, each of its decisions a field."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradnoise_core.random import quantile_table

__all__ = ["MASK", "Port", "blake2b", "draw", "leaf_text", "table"]

MASK = 0xFFFFFFFF
Pair = tuple[int, int]


def blake2b(text: bytes) -> int:
    """Return the 64-bit number of a leaf."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def leaf_text(domain: str, path: str) -> bytes:
    """Return what is hashed."""
    return f"{domain}\0{path}".encode()


def table(words: Any) -> Any:
    """Return the normals of uint32 words: section 2 of the specification, in float32."""
    a, b = quantile_table()
    sign = words >> np.uint32(31) == 1
    m = np.where(sign, ~words, words)
    bits = (m.astype(np.float32) + np.float32(0.5)).view(np.uint32).astype(np.int64)
    segment = (bits >> 14) - (126 << 9)
    z = a[segment] + (bits >> 2 & 4095).astype(np.float32) * b[segment]
    return np.where(sign, z, -z)


def _words_of(n: int) -> Pair:
    return n >> 32 & MASK, n & MASK


@dataclass(frozen=True)
class Port:
    """A port of the stream; every default is the right decision."""

    rounds: int = 20
    rotations: tuple[int, ...] = (13, 15, 26, 6, 17, 29, 16, 24)
    parity: int = 0x1BD11BDA
    injects_count: bool = True
    leaf_id: Callable[[bytes], int] = blake2b
    text: Callable[[str, str], bytes] = leaf_text
    seed_words: Callable[[int], Pair] = _words_of
    counted: Callable[[int], Pair] = _words_of
    step: Callable[[int], int] = int
    step_first: bool = False
    element: Callable[[Any], Any] = lambda i: i
    low_only: bool = False
    counter_swapped: bool = False
    block: Callable[[Any], Any] = lambda i: i >> np.uint64(1)
    word: Callable[[Any], Any] = lambda i: i & np.uint64(1)
    whole: bool = True
    order: str = "C"
    replica: Callable[[Sequence[int], int], int] = lambda seeds, r: seeds[r]
    normal: Callable[[Any], Any] = table


def draw(
    port: Port,
    seed: int | Sequence[int],
    path: str,
    step: int,
    shape: Sequence[int],
    *,
    domain: str = "gradient-noise",
    within: Sequence[int] | None = None,
    at: Sequence[int] | None = None,
    words: bool = False,
) -> Any:
    """Return a port's float32 normals, or uint32 words, of a block of a leaf."""
    if not isinstance(seed, int):
        parts = [
            draw(port, port.replica(seed, r), path, step, shape, domain=domain, within=within,
                 at=at, words=words)
            for r in range(len(seed))
        ]  # fmt: skip
        return np.stack(parts)
    leaf = port.leaf_id(port.text(domain, path))
    first, second = (port.step(step), leaf) if port.step_first else (leaf, port.step(step))
    key = port.seed_words(seed)
    for n in (first, second):
        key = _encrypt_int(port, key, port.counted(n))
    index = port.element(_indices(port, shape, within, at))
    block = port.block(index)
    high, low = (block >> np.uint64(32)).astype(np.uint32), block.astype(np.uint32)
    if port.low_only:
        high = np.zeros_like(high)
    counter = (low, high) if port.counter_swapped else (high, low)
    pair = _encrypt(port, (np.uint32(key[0]), np.uint32(key[1])), counter)
    chosen = np.where(port.word(index) == 0, pair[0], pair[1]).reshape(tuple(shape))
    return chosen if words else port.normal(chosen)


def _indices(
    port: Port, shape: Sequence[int], within: Sequence[int] | None, at: Sequence[int] | None
) -> Any:
    """Return the position of each element in the leaf, as uint64."""
    whole = tuple(shape) if within is None or not port.whole else tuple(within)
    start = (0,) * len(whole) if at is None or not port.whole else tuple(at)
    strides = [math.prod(whole[axis + 1 :]) for axis in range(len(whole))]
    if port.order == "F":
        strides = [math.prod(whole[:axis]) for axis in range(len(whole))]
    out = np.zeros(tuple(shape), np.uint64)
    for axis, stride in enumerate(strides):
        along = (1,) * axis + (shape[axis],) + (1,) * (len(shape) - axis - 1)
        steps = [(start[axis] + i) * stride & (1 << 64) - 1 for i in range(shape[axis])]
        out = out + np.asarray(steps, np.uint64).reshape(along)
    return out.reshape(-1)


def _encrypt_int(port: Port, key: Pair, counter: Pair) -> Pair:
    arrays = [np.asarray([w], np.uint32) for w in (*key, *counter)]
    a, b = _encrypt(port, (arrays[0], arrays[1]), (arrays[2], arrays[3]))
    return int(a[0]), int(b[0])


def _encrypt(port: Port, key: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[Any, Any]:
    schedule = (key[0], key[1], key[0] ^ key[1] ^ np.uint32(port.parity))
    with np.errstate(over="ignore"):
        a, b = counter[0] + schedule[0], counter[1] + schedule[1]
        for n in range(1, port.rounds + 1):
            r = port.rotations[(n - 1) % len(port.rotations)]
            a = a + b
            b = (b << np.uint32(r) | b >> np.uint32(32 - r)) ^ a
            if n % 4 == 0:
                a = a + schedule[n // 4 % 3]
                count = n // 4 if port.injects_count else 0
                b = b + schedule[(n // 4 + 1) % 3] + np.uint32(count)
    return a, b
