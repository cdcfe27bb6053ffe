"""Step counts, rates and other coefficients: numbers, R of them (one a replica), or traced."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradnoise_core import _check
from gradnoise_core._dtypes import compute_dtype
from gradnoise_core.backend import backend_of
from gradnoise_core.typing import Array, Rate, Step

__all__ = ["align", "rate_at", "several", "step_count", "step_for"]


# A tuple, not a union: torch.compile sees through no union that holds NumPy's types.
_HOST = (np.ndarray, np.generic, list, tuple)
_NUMPYS = (np.ndarray, np.generic)


def step_count(t: Step) -> Step:
    """Return a concrete NumPy count, as a loaded checkpoint has it, as the Python int it was."""
    return int(t) if isinstance(t, _NUMPYS) else t


def step_for(t: Step, leaf: Array) -> Any:
    """Return t as a Python int, or as an array in the leaf's compute dtype where it is traced."""
    backend = backend_of(leaf)
    if isinstance(t, int) and not backend.traced(None):
        return t
    xp = backend.namespace
    if isinstance(t, int):  # torch.compile would compile anew for every number
        return xp.full((), t, dtype=compute_dtype(leaf, xp), device=backend.device(leaf))
    return xp.astype(xp.asarray(t), compute_dtype(leaf, xp))


def rate_at(
    rate: Rate, t: Any, name: str, check: Callable[[str, Any, str], None] = _check.nonnegative
) -> Any:
    """Return the value of a rate, a number, R of them or a schedule, at step t.

    `check` refuses what a schedule returns where it can be read without waiting for a device; a
    rate that is a number was checked when it was given.
    """
    value = rate(t) if callable(rate) else rate
    if isinstance(value, float) and 0.0 < value < math.inf:  # good to every check, and soon told
        return value
    value = np.asarray(value) if isinstance(value, list | tuple) else value
    if callable(rate) and _is_read_at_once(value, t):
        step = t if isinstance(t, int) else "t"
        check(f"{name}({step})", value, "The schedule must return such a number at every step.")
    return value


def _is_read_at_once(value: Any, t: Any) -> bool:
    # Under torch.compile, where t is no int, NumPy's arrays are traced too.
    return not hasattr(value, "shape") or (isinstance(t, int) and isinstance(value, _NUMPYS))


def align(value: Any, leaf: Array) -> Any:
    """Return a number as it is, and R of them shaped to meet the leaf's replica axis."""
    if isinstance(value, int | float):
        return value
    backend = backend_of(leaf)
    xp = backend.namespace
    if isinstance(value, _HOST):
        value = backend.from_host(np.asarray(value), device=backend.device(leaf))
    value = xp.astype(value, compute_dtype(leaf, xp))
    return xp.reshape(value, (*value.shape, *(1,) * (leaf.ndim - 1))) if value.ndim else value


def several(value: Any) -> bool:
    """Return whether a coefficient is a number for each replica."""
    return not isinstance(value, int | float) and len(getattr(value, "shape", (0,))) == 1
