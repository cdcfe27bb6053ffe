"""The checks at the door: each names the argument, the rule, the value and the remedy."""

import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import array_api_compat
import numpy as np

from gradnoise_core.backend import backend_of

__all__ = ["finite", "finite_at_least", "fraction", "integer_below", "positive", "rate", "seeds"]


def _numbers(value: Any) -> list[float] | None:
    """Return the numbers in `value`, or None where reading them would stop a trace."""
    if isinstance(value, Real):
        return [float(value)]
    if isinstance(value, np.ndarray | list | tuple):
        array = np.asarray(value)
        if array.dtype.kind in "fiu" and array.ndim <= 1:
            return [float(x) for x in array.reshape(-1)]
        return [math.nan]
    if array_api_compat.is_array_api_obj(value):
        backend = backend_of(value)
        return None if backend.traced(value) else _numbers(np.asarray(backend.to_numpy(value)))
    return [math.nan]


def _check(name: str, value: Any, rule: str, good: Callable[[float], bool], remedy: str) -> None:
    numbers = _numbers(value)
    if numbers is None or (numbers and all(good(x) for x in numbers)):
        return
    message = f"`{name}` must be {rule}, got {value!r}. {remedy}".rstrip()
    raise ValueError(message)


def finite_at_least(name: str, value: Any, lowest: float, remedy: str = "") -> None:
    """Refuse a `value` that is NaN, infinite or below `lowest`."""
    rule = f"a finite number >= {lowest:g}"
    _check(name, value, rule, lambda x: lowest <= x < math.inf, remedy)


def finite(name: str, value: Any, remedy: str = "") -> None:
    """Refuse a `value` that is NaN or infinite."""
    _check(name, value, "a finite number", math.isfinite, remedy)


def positive(name: str, value: Any, remedy: str = "") -> None:
    """Refuse a `value` that is NaN, zero or below; infinity is allowed."""
    _check(name, value, "a number > 0", lambda x: x > 0.0, remedy)


def fraction(name: str, value: Any, remedy: str = "") -> None:
    """Refuse a `value` outside [0, 1)."""
    _check(name, value, "in [0, 1)", lambda x: 0.0 <= x < 1.0, remedy)


def rate(name: str, value: Any) -> None:
    """Refuse a learning rate that is neither callable nor a finite number >= 0."""
    if not callable(value):
        finite_at_least(name, value, 0.0, "Pass a number, one number a replica, or a schedule.")


def integer_below(name: str, value: Any, bits: int) -> int:
    """Return `value` as an int after refusing anything outside [0, 2**bits)."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        message = f"`{name}` must be an integer, got {value!r} of type {type(value).__name__}."
        raise TypeError(message)
    number = int(value)
    if not 0 <= number < 1 << bits:
        message = f"`{name}` must be in [0, 2**{bits}), got {number}. Take it modulo 2**{bits}."
        raise ValueError(message)
    return number


def seeds(value: int | Sequence[int]) -> int | tuple[int, ...]:
    """Return one checked 64-bit seed, or a tuple of them: one a replica."""
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes):
        if len(value) == 0:
            message = "`seed` must hold at least one seed, got an empty sequence."
            raise ValueError(message)
        return tuple(integer_below(f"seed[{i}]", s, 64) for i, s in enumerate(value))
    return integer_below("seed", value, 64)
