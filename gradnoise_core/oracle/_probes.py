"""Outside gradients, of seven decades of scale, on leaves of several shapes.

They do not depend on the parameters: in a closed loop two right codings of one formula drift apart.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from gradnoise_core.oracle.vectors._outside import SCALES, uniform
from gradnoise_core.typing import Shape

__all__ = ["CYCLE", "DROP", "EMPTY", "SCALAR", "SHAPES", "STEPS", "Probes", "probes"]

#: How many steps a trajectory has, and the first at the lower rate.
STEPS, DROP = 100, 50

#: Some elements have no gradient until this step, and at every third after it.
LATE, EVERY = 10, 3

#: Where a subject takes them: a leaf of no axes and one of no elements.
SCALAR, EMPTY = "scalar", "empty"

#: The leaves, in the order in which trees have them. Two have one shape: what is kept for a leaf must not be found by its shape.
SHAPES: Mapping[str, Shape] = MappingProxyType(
    {"bias": (10,), EMPTY: (0, 3), SCALAR: (), "twin": (4, 10), "weight": (4, 10)}
)

#: The largest of an element's gradients, by the number of the element modulo 10: every decade,
#: then an element that has none until step `LATE` nor at every third, and one that never has.
CYCLE = (*(SCALES[i] for i in (6, 0, 7, 1, 5, 2, 4, 3)), 0.1, 0.0)


@dataclass(frozen=True)
class Probes:
    """What an optimizer is given.

    Parameters
    ----------
    paths : sequence of str
        The names of the leaves.
    start : list of NumPy arrays
        The parameters before the first step, one a leaf.
    gradients : list of lists of NumPy arrays
        One a leaf, of every step.
    idle : list of NumPy arrays of bool
        Which elements have no gradient at first, or ever.
    """

    paths: Sequence[str]
    start: list[Any]
    gradients: list[list[Any]]
    idle: list[Any]


def probes(shapes: Mapping[str, Shape], dtype: str) -> Probes:
    """Return gradients and parameters for leaves of these shapes, rounded to `dtype` once."""
    return _probes(tuple(shapes.items()), dtype)


@functools.lru_cache(maxsize=8)
def _probes(shapes: tuple[tuple[str, Shape], ...], dtype: str) -> Probes:
    start, idle, columns, first = [], [], [], 0
    t = np.arange(STEPS)
    none = (t < LATE) | (t % EVERY == 0)
    for path, shape in shapes:
        size = math.prod(shape)
        number = np.arange(first, first + size).reshape(shape) % len(CYCLE)
        first += size
        start.append((2.0 * uniform(f"start/{path}", shape)).astype(dtype))
        idle.append(number >= len(SCALES))
        g = uniform(f"gradients/{path}", (STEPS, *shape)) * np.asarray(CYCLE)[number] + 0.0
        g[none[:, *(None,) * len(shape)] & (number == len(SCALES))] = 0.0
        columns.append(g.astype(dtype))
    return Probes(
        tuple(path for path, _ in shapes),
        start,
        [[g[t] for g in columns] for t in range(STEPS)],
        idle,
    )
