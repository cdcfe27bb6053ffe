"""Threefry-2x32 with 20 rounds (Salmon et al., 2011), on int32 arrays and on Python ints.

int32 is the one word type on which a single implementation runs everywhere: torch has no
unsigned 32-bit addition or shift, and JAX has no 64-bit integers by default. Signed addition
wraps around, and a logical right shift is an arithmetic one and a mask.
"""

from gradnoise_core.typing import Array

__all__ = ["MASK", "PARITY", "signed", "threefry", "threefry_int"]

PARITY = 0x1BD11BDA
MASK = 0xFFFFFFFF
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def signed(word: int) -> int:
    """Return the int32 with the bits of the unsigned 32-bit `word`."""
    return word - (1 << 32) if word >> 31 else word


def threefry(key: tuple[Array, Array], counter: tuple[Array, Array]) -> tuple[Array, Array]:
    """Encrypt `counter` under `key`: both pairs (first word, second word) of int32 arrays.

    A word may be a Python int in the int32 range instead, except the second word of `counter`,
    and shapes broadcast.
    """
    k0, k1 = key
    schedule = (k0, k1, k0 ^ k1 ^ PARITY)
    x0, x1 = _add(counter[0], k0), _add(counter[1], k1)
    for group in range(5):
        for r in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = x0 ^ ((x1 << r) | ((x1 >> (32 - r)) & ((1 << r) - 1)))
        x0 = x0 + schedule[(group + 1) % 3]
        x1 = x1 + _add(schedule[(group + 2) % 3], group + 1)
    return x0, x1


def _add(a: Array, b: Array) -> Array:
    return signed((a + b) & MASK) if isinstance(a, int) and isinstance(b, int) else a + b


def threefry_int(key: tuple[int, int], counter: tuple[int, int]) -> tuple[int, int]:
    """Do as `threefry`, on unsigned 32-bit Python ints: keys are made on the host."""
    k0, k1 = key
    schedule = (k0, k1, k0 ^ k1 ^ PARITY)
    x0, x1 = (counter[0] + k0) & MASK, (counter[1] + k1) & MASK
    for group in range(5):
        for r in _ROTATIONS[group % 2]:
            x0 = (x0 + x1) & MASK
            x1 = x0 ^ (((x1 << r) | (x1 >> (32 - r))) & MASK)
        x0 = (x0 + schedule[(group + 1) % 3]) & MASK
        x1 = (x1 + schedule[(group + 2) % 3] + group + 1) & MASK
    return x0, x1
