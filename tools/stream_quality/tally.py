"""What is kept of a sample of normals: how many lie in each of 13.6 million cells, and power sums.

Both are exact to far below what chance does to them. A cell is 2**-20 wide, as far as a normal of
the stream may be from the exact quantile, and a count is an integer. Powers are of the float32
values in float64; sums over a piece lose at most 2**-39 of the sum of magnitudes, by the bound on
dot products of `PIECE` numbers, and pieces are joined without loss by ``math.fsum``.
"""

import math
from typing import Any, NamedTuple

import numpy as np

__all__ = ["EDGE", "PER_UNIT", "POWERS", "Tally", "join", "tally"]

#: Cells go from -EDGE to EDGE, the first and the last one on to infinity; the largest normal of
#: the stream is 6.338.
EDGE, PER_UNIT = 6.5, 1 << 20
CELLS = int(2 * EDGE * PER_UNIT)
POWERS = 8

#: Normals to work on at once, so that the powers stay in the cache.
PIECE = 1 << 13


class Tally(NamedTuple):
    """What is kept of a sample.

    Attributes
    ----------
    size : int
    cells : int64 array of shape (CELLS,)
        How many values lie in each cell; cell i begins at ``-EDGE + i / PER_UNIT``.
    sums : tuple of float
        Of the powers 1 to 8.
    smallest, largest : float
    """

    size: int
    cells: Any
    sums: tuple[float, ...]
    smallest: float
    largest: float


def tally(values: Any) -> Tally:
    """Return what is kept of float32 values."""
    cells = np.zeros(CELLS, dtype=np.int64)
    sums: list[list[float]] = [[] for _ in range(POWERS)]
    for start in range(0, values.size, PIECE):
        z = values[start : start + PIECE].astype(np.float64)
        for total, power_sum in zip(sums, _power_sums(z), strict=True):
            total.append(power_sum)
        np.add.at(cells, _cell(z), 1)
    return Tally(
        values.size,
        cells,
        tuple(math.fsum(total) for total in sums),
        float(values.min()),
        float(values.max()),
    )


def _power_sums(z: Any) -> tuple[float, ...]:
    z2 = z * z
    z3, z4 = z2 * z, z2 * z2
    factors = ((z, z), (z2, z), (z2, z2), (z2, z3), (z3, z3), (z3, z4), (z4, z4))
    return float(np.sum(z)), *(float(np.dot(a, b)) for a, b in factors)


def _cell(z: Any) -> Any:
    """Return the cell of each float64 that was a float32.

    All steps are exact for magnitudes from 2**-51 on: 23 bits before the point and, beyond the
    first cell, 23 behind it. The stream's smallest normal is 2**-32.
    """
    with np.errstate(invalid="ignore"):  # what is not a number shows in the sums
        cell = (z * PER_UNIT + CELLS // 2).astype(np.int64)
    return np.clip(cell, 0, CELLS - 1, out=cell)


def join(tallies: list[Tally]) -> Tally:
    """Return what is kept of all the samples together, in whatever order they come."""
    return Tally(
        sum(t.size for t in tallies),
        sum(t.cells for t in tallies),
        tuple(math.fsum(t.sums[k] for t in tallies) for k in range(POWERS)),
        min(t.smallest for t in tallies),
        max(t.largest for t in tallies),
    )
