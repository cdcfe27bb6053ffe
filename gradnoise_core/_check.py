"""The checks at the door: each names the argument, the rule, the value and the remedy."""

import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import array_api_compat
import numpy as np

from gradnoise_core.backend import backend_of

__all__ = [
    "finite",
    "finite_at_least",
    "fraction",
    "integer_below",
    "nonnegative",
    "positive",
    "rate",
    "schedule",
    "seeds",
    "whole",
]


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


def _check(
    name: str,
    value: Any,
    rule: str,
    good: Callable[[float], bool],
    remedy: str,
    *,
    several: bool = True,
) -> None:
    numbers = _numbers(value)
    if not several and _is_sequence(value):
        numbers, remedy = [math.nan], "Pass one number, the same for all replicas."
    if numbers is None or (numbers and all(good(x) for x in numbers)):
        return
    message = f"`{name}` must be {rule}, got {value!r}. {remedy}"
    raise ValueError(message)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, list | tuple) or len(getattr(value, "shape", ())) > 0


def finite_at_least(
    name: str, value: Any, lowest: float, remedy: str = "", *, several: bool = True
) -> None:
    """Refuse a `value` that is NaN, infinite or below `lowest`, or several where one is wanted."""
    rule = f"a finite number >= {lowest:g}"
    remedy = remedy or f"The smallest that is allowed is {lowest:g}."
    _check(name, value, rule, lambda x: lowest <= x < math.inf, remedy, several=several)


def nonnegative(name: str, value: Any, remedy: str = "") -> None:
    """Refuse a `value` that is NaN, infinite or negative."""
    finite_at_least(name, value, 0.0, remedy)


def finite(name: str, value: Any, remedy: str = "") -> None:
    """Refuse a `value` that is NaN or infinite."""
    remedy = remedy or "Pass one that is neither NaN nor infinite."
    _check(name, value, "a finite number", math.isfinite, remedy)


def positive(name: str, value: Any, remedy: str = "", *, several: bool = False) -> None:
    """Refuse a `value` that is NaN, zero or below; infinity is allowed."""
    remedy = remedy or "Pass one above 0."
    _check(name, value, "a number > 0", lambda x: x > 0.0, remedy, several=several)


def fraction(name: str, value: Any, remedy: str = "") -> None:
    """Refuse a `value` outside [0, 1)."""
    remedy = remedy or "0 remembers nothing, and the nearer to 1 the longer it remembers."
    _check(name, value, "in [0, 1)", lambda x: 0.0 <= x < 1.0, remedy, several=False)


def whole(name: str, value: Any, remedy: str) -> None:
    """Refuse a `value` that is no whole number >= 0."""

    def good(x: float) -> bool:
        return 0.0 <= x < math.inf and x.is_integer()

    _check(name, value, "a whole number >= 0", good, remedy, several=False)


def rate(name: str, value: Any) -> None:
    """Refuse a learning rate that is neither callable nor a finite number >= 0."""
    if not callable(value):
        finite_at_least(name, value, 0.0, "Pass a number, one number a replica, or a schedule.")


def schedule(name: str, value: Any, returns: str) -> None:
    """Refuse a schedule that is no function."""
    if not callable(value):
        message = (
            f"`{name}` must be a function of the step that returns {returns}, got {value!r}. "
            "For a constant pass schedules.constant(value)."
        )
        raise TypeError(message)


def integer_below(name: str, value: Any, bits: int) -> int:
    """Return `value` as an int after refusing anything outside [0, 2**bits)."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        message = (
            f"`{name}` must be an integer, got {value!r} of type {type(value).__name__}. "
            "Pass an int."
        )
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
            message = (
                "`seed` must hold at least one seed, got an empty sequence. Pass one a replica."
            )
            raise ValueError(message)
        return tuple(integer_below(f"seed[{i}]", s, 64) for i, s in enumerate(value))
    return integer_below("seed", value, 64)
