"""Does a schedule follow the paper's law? Values at steps where the mistakes part."""

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from gradnoise_core import _check
from gradnoise_core.oracle._laws import explain
from gradnoise_core.oracle._report import Claim, Report

__all__ = ["STEPS", "check_schedule"]

#: Where schedules are judged: the first steps, where t from 1 shows most; both sides of a hundred,
#: for schedules in stages; powers of ten; and where 32-bit counts and floats end.
STEPS = (
    *(0, 1, 2, 3, 9, 10, 99, 100, 101, 199, 200, 999, 1000, 10**4, 10**5, 10**6),
    *(2**24, 2**24 + 1, 10**9, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 10**12, 2**53),
)


def check_schedule(
    fn: Callable[[int], Any],
    *,
    eta: float = 0.01,
    gamma: float = 0.55,
    kind: Literal["variance", "standard deviation"] = "variance",
    rtol: float = 1e-6,
) -> Report:
    """Judge whether ``fn(t)`` is ``eta / (1 + t)**gamma``, at t = 0, 1, 2, ..., 2**53.

    Parameters
    ----------
    fn : callable
        Of t, a Python int >= 0, returning a number or an array of shape ``()``.
    eta : float
        The variance at t = 0, > 0.
    gamma : float
        The exponent of the variance's decay, > 0.
    kind : {"variance", "standard deviation"}
        What `fn` claims to return; the second is the root of the first.
    rtol : float
        How far a value may be from the law's, of its size. 1e-6 is for float32; a schedule in
        float64 keeps within 1e-14.

    Returns
    -------
    Report
        A schedule that fails is compared with the wrong laws in use elsewhere, and the one that it
        follows is named.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Without randomness there is no false alarm: a schedule passes if and only if it keeps within
    `rtol` at every t of the list.

    Examples
    --------
    >>> check_schedule(lambda t: 0.01 / (1 + t) ** 0.55).passed
    True
    >>> print(check_schedule(lambda t: 0.1 / (1 + t) ** 0.275).failures[0].cause)
    the standard deviation is used as the variance: square it
    """
    _check.positive("eta", eta, "Without noise there is nothing to judge.")
    _check.positive("gamma", gamma, "A schedule without decay needs no check.")
    _check.positive("rtol", rtol)
    if kind not in ("variance", "standard deviation"):
        message = f"`kind` must be 'variance' or 'standard deviation', got {kind!r}. Name one."
        raise ValueError(message)
    power = 1.0 if kind == "variance" else 0.5
    subject = f"the schedule of {kind} with eta = {eta:g}, gamma = {gamma:g}"
    try:
        values = [_number(fn(t)) for t in STEPS]
    except Exception as error:  # noqa: BLE001  # a judge reports, whatever it is
        seen = f"{type(error).__name__}: {error}"
        return Report(subject, (Claim("is a number at every t", False, seen),))
    due = [(eta / (1 + t) ** gamma) ** power for t in STEPS]
    first = [t for t, v in zip(STEPS, values, strict=True) if not (math.isfinite(v) and v >= 0)]
    good = not first
    claims = [
        Claim(
            "is a finite number >= 0 at every t",
            good,
            "" if good else f"{values[STEPS.index(first[0])]} at t = {first[0]}",
        ),
        _law(values, due, kind, eta, gamma, rtol),
        _pure(fn, values),
    ]
    return Report(subject, tuple(claims))


def _law(
    values: list[float], due: list[float], kind: str, eta: float, gamma: float, rtol: float
) -> Claim:
    errors = [
        abs(v - d) / d if math.isfinite(v) else math.inf for v, d in zip(values, due, strict=True)
    ]
    worst = int(np.argmax(errors))
    passed = errors[worst] <= rtol
    cause = ""
    if not passed and all(math.isfinite(v) and v >= 0 for v in values):
        squared = values if kind == "variance" else [v * v for v in values]
        cause = explain(STEPS, squared, eta, gamma, 4 * rtol)
    root = "" if kind == "variance" else "the root of "
    return Claim(
        f"is {root}eta / (1 + t)**gamma",
        passed,
        f"{values[worst]:.8g} at t = {STEPS[worst]}",
        f"{due[worst]:.8g} to {rtol:g} of it",
        cause,
    )


def _pure(fn: Callable[[int], Any], values: list[float]) -> Claim:
    """Claim that the value depends on t alone, not on what was asked before."""
    again = [_number(fn(t)) for t in reversed(STEPS)][::-1]
    odd = [
        (t, a, b)
        for t, a, b in zip(STEPS, values, again, strict=True)
        if a != b and not (math.isnan(a) and math.isnan(b))
    ]
    seen = f"{odd[0][1]:.8g} and then {odd[0][2]:.8g} at t = {odd[0][0]}" if odd else ""
    cause = "it counts its own calls: a schedule is a function of the t that it is given"
    return Claim("depends on t alone", not odd, seen, "the same value again", cause)


def _number(value: Any) -> float:
    shape = getattr(value, "shape", ())
    if tuple(shape) != ():
        message = f"a schedule returns one number, got an array of shape {tuple(shape)}"
        raise TypeError(message)
    return float(value)
