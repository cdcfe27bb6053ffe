"""bfloat16 without a library that has it: as the bits of the upper half of a float32."""

from typing import Any

import numpy as np

__all__ = ["from_bfloat16", "to_bfloat16"]


def to_bfloat16(x: Any) -> Any:
    """Return the bits of float32 numbers rounded to bfloat16, to nearest, ties to even; uint16."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    rounded = bits + (0x7FFF + (bits >> 16 & 1)).astype(np.uint32)
    return (rounded >> 16).astype(np.uint16)


def from_bfloat16(bits: Any) -> Any:
    """Return the float32 numbers that bfloat16 bits stand for."""
    return (np.asarray(bits, np.uint16).astype(np.uint32) << 16).view(np.float32)
