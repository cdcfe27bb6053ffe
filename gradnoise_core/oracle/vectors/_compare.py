"""An array beside the one that is due: the first element that differs, and by how much."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradnoise_core.oracle.vectors._vector import Tolerance

__all__ = ["Difference", "compare", "stated"]


@dataclass(frozen=True)
class Difference:
    """Where an array is not what is due.

    Parameters
    ----------
    index : tuple of int
        Of the first element that differs, in row-major order.
    seen, due : str
    count, size : int
        How many elements differ, of how many.
    worst : float
        The largest difference of finite numbers; NaN if there is none.
    """

    index: tuple[int, ...]
    seen: str
    due: str
    count: int
    size: int
    worst: float


def compare(seen: Any, due: Any, tolerance: Tolerance | None) -> Difference | None:
    """Return how an array differs from what is due, which has its shape; None if it does not.

    Without a tolerance the bits must be equal. With one, a number that is due must come out
    finite and near, and infinity or NaN as they are.
    """
    wrong = _other_bits(seen, due) if tolerance is None else _far(seen, due, tolerance)
    if not wrong.any():
        return None
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    with np.errstate(all="ignore"):
        gap = np.abs(seen.astype(np.float64) - due.astype(np.float64))[wrong]
    gap = gap[np.isfinite(gap)]
    return Difference(
        first,
        _text(seen[first]),
        _text(due[first]),
        int(wrong.sum()),
        wrong.size,
        float(gap.max()) if gap.size else float("nan"),
    )


def _other_bits(seen: Any, due: Any) -> Any:
    words = f"u{due.dtype.itemsize}"
    return np.asarray(np.atleast_1d(seen).view(words) != np.atleast_1d(due).view(words)).reshape(
        due.shape
    )


def _far(seen: Any, due: Any, tolerance: Tolerance) -> Any:
    with np.errstate(all="ignore"):  # a signalling NaN warns even when it is only widened
        seen, due = seen.astype(np.float64), due.astype(np.float64)
        near = np.abs(seen - due) <= tolerance.absolute + tolerance.relative * np.abs(due)
        same = (seen == due) | (np.isnan(seen) & np.isnan(due))
    return ~np.where(np.isfinite(due), near & np.isfinite(seen), same)


def _text(value: Any) -> str:
    """Return a number that reads back as itself; of a word its hexadecimal digits too."""
    if value.dtype.kind == "f":
        with np.errstate(all="ignore"):
            return repr(float(value))
    width = 2 * value.dtype.itemsize
    return f"{int(value)} (0x{int(value) % (1 << 4 * width):0{width}x})"


def stated(tolerance: Tolerance | None) -> str:
    """Return a tolerance in words."""
    if tolerance is None:
        return "to the bit"
    parts = [f"{tolerance.absolute:.2g}"] if tolerance.absolute else []
    parts += [f"{tolerance.relative:.2g} of it"] if tolerance.relative else []
    return f"within {' + '.join(parts) or '0'}"
