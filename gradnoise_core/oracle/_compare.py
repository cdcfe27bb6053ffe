"""How far a trajectory is from another, in units of what rounding allows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["RELATIVE", "Difference", "difference", "relative_tolerance", "units"]

#: Of the way that an element has gone, by dtype: what two right codings may differ by.
RELATIVE: Mapping[str, float] = {"float64": 1e-12, "float32": 1e-4}


@dataclass(frozen=True)
class Difference:
    """The first place where two trajectories part.

    Parameters
    ----------
    where : str
        ``step 3, leaf 'weight' at (0, 2)``.
    size, allowed : float
        There.
    largest : float
        In units of what is allowed, anywhere.
    """

    where: str
    size: float
    allowed: float
    largest: float

    def __str__(self) -> str:
        """Return it in words."""
        return f"off by {self.size:.2g} at {self.where}"


def relative_tolerance(dtype: str, keywords: Mapping[str, Any]) -> float:
    """Return how far two right codings may be apart, in units of the way gone.

    Where Adam divides by ``1 - b**n`` a rounding of ``b**n`` counts ``1 / (1 - b)`` times.
    """
    slowest = 0.0
    if keywords.get("bias_correction"):
        slowest = max(float(keywords[b]) for b in ("b1", "b2"))
    return RELATIVE[dtype] + 4 * float(np.finfo(dtype).eps) / (1 - slowest)


def units(seen: Any, due: Any, start: Any, dtype: str, relative: float) -> tuple[Any, Any]:
    """Return ``|seen - due|`` and what is allowed, for one leaf: step by step along axis 0.

    Allowed is `relative` times the farthest that the element has been from its start, plus the
    rounding of the parameter itself at each step: half a unit, always to one side at worst.
    """
    due = np.asarray(due, np.float64)
    start = np.asarray(start, np.float64)
    away = np.maximum.accumulate(np.abs(due - start), axis=0)
    steps = np.arange(1, len(due) + 1).reshape(-1, *(1,) * start.ndim)
    size = np.maximum(np.abs(start), np.maximum.accumulate(np.abs(due), axis=0))
    rounding = float(np.finfo(dtype).eps) * (1 + steps / 2) * size
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(np.asarray(seen, np.float64) - due)
    allowed = relative * away + rounding + 1e-300
    known = np.isfinite(allowed)  # nothing is near a number that is none
    return np.where(known & ~np.isnan(off), off, np.inf), np.where(known, allowed, 1.0)


def difference(
    seen: Sequence[Sequence[Any]],
    due: Sequence[Sequence[Any]],
    start: Sequence[Any],
    paths: Sequence[str],
    dtype: str,
    relative: float,
    *,
    only: Sequence[Any] | None = None,
    steps: slice = slice(None),
) -> Difference | None:
    """Return where `seen` leaves `due` first, or None if it does not.

    Parameters
    ----------
    only : sequence of arrays of bool, optional
        The elements that count, one array a leaf.
    steps : slice
        The steps that count.
    """
    first: tuple[int, int, Difference] | None = None
    largest = 0.0
    for i, path in enumerate(paths):
        off, allowed = units(
            np.stack([p[i] for p in seen]), np.stack([p[i] for p in due]), start[i], dtype, relative
        )
        if only is not None:
            off = np.where(only[i], off, 0.0)
        off, allowed = off[steps], allowed[steps]
        bad = off > allowed
        if not bad.any():
            continue
        with np.errstate(over="ignore"):
            largest = max(largest, float(np.max(off / allowed)))
        t = int(np.argmax(bad.reshape(len(bad), -1).any(axis=1)))
        ratio = off[t] / allowed[t]
        at = tuple(int(j) for j in np.unravel_index(int(np.argmax(ratio)), ratio.shape))
        if first is None or t < first[0]:
            where = f"step {t + (steps.start or 0)}, leaf {path!r}" + (f" at {at}" if at else "")
            first = (t, i, Difference(where, float(off[t][at]), float(allowed[t][at]), 0.0))
    if first is None:
        return None
    found = first[2]
    return Difference(found.where, found.size, found.allowed, largest)
