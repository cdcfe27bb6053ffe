"""Many settings of one formula at once, and how far each is from what was observed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradnoise_core.oracle._formulas import FORMULAS, Memory
from gradnoise_core.oracle._responses import Responses

__all__ = ["distance", "misfit", "simulate"]


def simulate(
    optimizer: str, settings: Sequence[Mapping[str, Any]], seen: Responses, steps: int
) -> Any:
    """Return the parameters after each step, (T, settings, E).

    Parameters
    ----------
    settings : sequence of mappings
        Keywords, with "learning_rate"; those that are no numbers are the first setting's.
    """
    k: dict[str, Any] = dict(settings[0])
    for name, value in settings[0].items():
        if isinstance(value, float | int) and not isinstance(value, bool):
            k[name] = np.asarray([[float(s[name])] for s in settings])
    h = k.pop("learning_rate")
    formula, memory = FORMULAS[optimizer], Memory()
    p, path = np.broadcast_to(seen.start, (len(settings), seen.start.size)), []
    with np.errstate(all="ignore"):
        for t in range(steps):
            value, relative = seen.rates[t]
            rate = h * value if relative else value
            p = formula(p, seen.gradients[t], rate, t + 1, k, memory)
            path.append(p)
    return np.stack(path)


def misfit(path: Any, seen: Responses) -> Any:
    """Return residuals, (T, settings, E): of each change, in units of the observed one."""
    steps = len(path)
    moved = np.diff(path, axis=0, prepend=np.broadcast_to(seen.start, path[:1].shape))
    due = seen.moved[:steps, None]
    size = np.maximum.accumulate(np.abs(due), axis=0)
    # A step that is as small as this beside its parameter is known to some digits only.
    rounding = 1e-2 * float(np.finfo(seen.dtype).eps) ** 0.5 * np.abs(seen.path[:steps, None])
    off = (moved - due) / (np.abs(due) + 1e-6 * size + rounding + 1e-30)
    return np.where(np.isfinite(off), off, 1e6)


def distance(path: Any, seen: Responses) -> tuple[Any, Any]:
    """Return the largest difference of each setting: of the way gone, and as it is."""
    steps = len(path)
    due = seen.path[:steps, None]
    away = np.maximum.accumulate(np.abs(due - seen.start), axis=0)
    size = np.maximum(np.abs(seen.start), np.maximum.accumulate(np.abs(due), axis=0))
    t = np.arange(1, steps + 1).reshape(-1, 1, 1)
    rounding = float(np.finfo(seen.dtype).eps) * (1 + t / 2) * size
    off = np.abs(path - due)
    off = np.where(np.isfinite(off), off, np.inf)
    beyond = np.maximum(off - rounding, 0.0) / (away + 1e-300)
    return beyond.max(axis=(0, 2)), off.max(axis=(0, 2))
