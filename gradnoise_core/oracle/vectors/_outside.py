"""Gradients from outside, of seven decades of scale: the same bits on every machine.

Each is a word of the stream over 2**31, which is exact, times a scale.
"""

from typing import Any

import numpy as np

from gradnoise_core.random import leaf_key, words
from gradnoise_core.typing import Shape

__all__ = ["SCALES", "uniform"]

#: One a decade.
SCALES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


def uniform(name: str, shape: Shape) -> Any:
    """Return float64 numbers in [-1, 1), the words of the leaf `name` over 2**31."""
    return words(leaf_key(0, name, 0, domain="vectors"), shape).astype(np.float64) / 2.0**31
