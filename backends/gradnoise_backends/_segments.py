"""Sums of rows by id, with leading axes, from a function of a matrix of rows."""

import math
from collections.abc import Callable

from gradnoise_core.backend import backend_of
from gradnoise_core.typing import Array, Namespace

__all__ = ["of_leading_axes"]

SegmentSum = Callable[[Array, Array, int], Array]


def of_leading_axes(xp: Namespace, add_rows: SegmentSum) -> SegmentSum:
    """Return `add_rows`, of values ``(N, n)`` and ids ``(N,)``, as `Backend.segment_sum`.

    A solo run goes straight through; of more, each counts its ids on from those of the one before.
    """

    def segment_sum(values: Array, ids: Array, count: int) -> Array:
        *lead, _ = ids.shape
        if not lead:
            return add_rows(values, ids, count)
        parts = math.prod(lead)
        device = backend_of(ids).device(ids)
        first = xp.arange(parts, dtype=ids.dtype, device=device) * count
        flat = xp.reshape(xp.reshape(ids, (parts, ids.shape[-1])) + first[:, None], (-1,))
        rows = xp.reshape(values, (flat.shape[0], values.shape[-1]))
        return xp.reshape(add_rows(rows, flat, parts * count), (*lead, count, values.shape[-1]))

    return segment_sum
