"""The stream once more, from its specification alone: Python ints, and no code of the package."""

import functools
import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

MASK = 2**32 - 1
TABLE = Path(__file__).parents[1] / "gradnoise_core" / "random" / "quantile_table_v1.npy"

Pair = tuple[int, int]


def threefry(key: Pair, counter: Pair) -> Pair:
    """Threefry-2x32, 20 rounds (Salmon et al., 2011), round by round."""
    schedule = (*key, key[0] ^ key[1] ^ 0x1BD11BDA)
    a, b = (counter[0] + key[0]) % 2**32, (counter[1] + key[1]) % 2**32
    for n in range(1, 21):
        r = (13, 15, 26, 6, 17, 29, 16, 24)[(n - 1) % 8]
        a = (a + b) % 2**32
        b = (b * 2**r) % 2**32 + b // 2 ** (32 - r)
        b ^= a
        if n % 4 == 0:
            a = (a + schedule[n // 4 % 3]) % 2**32
            b = (b + schedule[(n // 4 + 1) % 3] + n // 4) % 2**32
    return a, b


def fold_in(key: Pair, n: int) -> Pair:
    return threefry(key, divmod(n, 2**32))


def leaf_key(seed: int, path: str, step: int, domain: str = "gradient-noise") -> Pair:
    name = domain.encode() + b"\x00" + path.encode()
    leaf = int(hashlib.blake2b(name, digest_size=8).hexdigest(), 16)
    return fold_in(fold_in(divmod(seed, 2**32), leaf), step)


def word(key: Pair, element: int) -> int:
    """Return the unsigned word of the element at a row-major position of the whole leaf."""
    return threefry(key, divmod(element // 2, 2**32))[element % 2]


def element(index: Sequence[int], within: Sequence[int]) -> int:
    """Return the row-major position of an index in a leaf."""
    position = 0
    for i, n in zip(index, within, strict=True):
        position = position * n + i
    return position


def block(key: Pair, shape: Sequence[int], within: Sequence[int], at: Sequence[int]) -> Any:
    """Return the words of a block, as int32."""
    out = np.empty(tuple(shape), dtype=np.uint32)
    for index in np.ndindex(*shape):
        start = [int(a) + i for a, i in zip(at, index, strict=True)]
        out[index] = word(key, element(start, within))
    return out.view(np.int32)


def normal(u: int) -> float:
    """Return z(u), a float32 value: section 2 of the specification, step by step."""
    m = u if u < 2**31 else MASK - u
    y = _float32(_float32(m) + 0.5)
    bits = struct.unpack("<I", struct.pack("<f", y))[0]
    exponent, mantissa = bits >> 23, bits & (2**23 - 1)
    segment = (exponent - 126) * 512 + (mantissa >> 14)
    a, b = _table()[:, segment]
    # In float64 the product and the sum are exact: one rounding, as a fused operation has.
    magnitude = _float32(float(a) + (mantissa >> 2) % 4096 * float(b))
    return magnitude if u >= 2**31 else -magnitude


def border_words() -> Any:
    """Return the words at which the segment changes, and those on both sides, as uint32.

    Both halves of the range; the ends of the range too.
    """
    octave, part = np.meshgrid(np.arange(33), np.arange(512), indexing="ij")
    edges = np.ceil(2.0 ** (octave - 1.0) * (1 + part / 512) - 0.5).astype(np.int64).ravel()
    near = (edges[:, None] + np.arange(-2, 3)).ravel()
    # Above 2**24 a float32 is rounded to a neighbour many words away.
    wide = (edges[:, None] + np.array([-129, -128, -127, -65, -64, -63, 63, 64, 65])).ravel()
    m = np.unique(np.concatenate([near, wide]))
    m = m[(m >= 0) & (m < 2**31)]
    return np.concatenate([m, MASK - m]).astype(np.uint32)


def _float32(x: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", x))[0])


@functools.cache
def _table() -> Any:
    return np.load(TABLE, allow_pickle=False)
