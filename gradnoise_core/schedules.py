"""Functions of the step t, counted from 0: noise variances and learning rates.

Any callable of t is a schedule. t is a Python int, or, where it is traced, an array of shape
``()`` in the real dtype of the leaf at hand.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradnoise_core import _check
from gradnoise_core.backend import backend_of
from gradnoise_core.typing import Schedule

__all__ = ["annealed", "constant", "exponential_decay", "inverse_time_decay", "piecewise_constant"]


# Tuples, not unions: torch.compile sees through no union that holds NumPy's types.
_NUMPYS = (np.integer, np.ndarray)
_INTEGER = (int, np.integer)


def annealed(eta: Any = 0.01, gamma: float = 0.55) -> Schedule:
    """Return the annealed noise variance ``sigma_t**2 = eta / (1 + t)**gamma``.

    Equation 1 of Neelakantan et al. (2017), who take eta from {0.01, 0.3, 1.0}.

    Parameters
    ----------
    eta : float or sequence of R floats
        The variance at t = 0, in squared units of the gradient; one a replica if several.
    gamma : float
        The exponent of the decay.

    Returns
    -------
    callable
        Of t; returns a variance, not a standard deviation.

    Raises
    ------
    ValueError
        If `eta` or `gamma` is negative, infinite or NaN.

    Examples
    --------
    >>> variance = annealed(eta=1.0)
    >>> variance(0)
    1.0
    >>> round(variance(99), 6)
    0.079433
    """
    _check.finite_at_least("eta", eta, 0.0, "It is a variance: 0 for no noise.")
    _check.finite_at_least("gamma", gamma, 0.0, "0 keeps the variance constant.", several=False)
    eta = _several(eta)

    def variance(t: Any) -> Any:
        t = _number(t)
        return _beside(eta, t) / (1 + t) ** gamma

    return variance


def constant(value: Any) -> Schedule:
    """Return the schedule that is `value` at every t.

    Parameters
    ----------
    value : float or sequence of R floats
        One a replica if several. As a noise schedule it is a variance.

    Raises
    ------
    ValueError
        If `value` is negative, infinite or NaN.

    Examples
    --------
    >>> constant(0.5)(1000)
    0.5
    """
    _check.finite_at_least("value", value, 0.0)
    value = _several(value)
    return lambda t: _beside(value, t)


def exponential_decay(initial: float, factor: float, steps: int = 1) -> Schedule:
    """Return ``initial * factor**(t / steps)``.

    Examples
    --------
    >>> exponential_decay(0.1, 0.5, steps=10)(20)
    0.025
    """
    _check.finite_at_least("initial", initial, 0.0)
    _check.finite_at_least("factor", factor, 0.0)
    _check.positive("steps", steps)
    return lambda t: initial * factor ** (t / steps)


def inverse_time_decay(initial: float, decay: float) -> Schedule:
    """Return ``initial / (1 + decay * t)``.

    Examples
    --------
    >>> inverse_time_decay(0.1, 1.0)(4)
    0.02
    """
    _check.finite_at_least("initial", initial, 0.0)
    _check.finite_at_least("decay", decay, 0.0)
    return lambda t: initial / (1 + decay * t)


def piecewise_constant(values: Sequence[float], boundaries: Sequence[int]) -> Schedule:
    """Return ``values[i]`` from step ``boundaries[i - 1]`` on.

    Parameters
    ----------
    values : sequence of float
        One more than there are boundaries.
    boundaries : sequence of int
        The first step of each value but the first, increasing.

    Examples
    --------
    >>> rate = piecewise_constant([0.1, 0.01], [50])
    >>> rate(49), rate(50)
    (0.1, 0.01)
    """
    _check.finite_at_least("values", values, 0.0)
    steps = list(boundaries)
    if len(values) != len(steps) + 1 or sorted(set(steps)) != steps:
        message = (
            f"`boundaries` must be increasing and one fewer than `values`, got {steps} for "
            f"{len(values)} values."
        )
        raise ValueError(message)

    def value(t: Any) -> Any:
        if isinstance(t, int):
            return values[sum(t >= b for b in steps)]
        xp = backend_of(t).namespace
        out = 0 * t + values[0]
        for step, later in zip(steps, values[1:], strict=True):
            out = xp.where(t >= step, 0 * t + later, out)
        return out

    return value


def _number(t: Any) -> Any:
    """Return a NumPy integer as a Python int."""
    return int(t) if isinstance(t, _NUMPYS) and t.dtype.kind in "iu" else t


def _several(value: Any) -> Any:
    return np.asarray(value, dtype=np.float64) if isinstance(value, list | tuple) else value


def _beside(value: Any, t: Any) -> Any:
    """Return `value` in the library of `t`, if it is several numbers and `t` an array."""
    if not isinstance(value, np.ndarray) or isinstance(t, _INTEGER):
        return value
    backend = backend_of(t)
    return backend.namespace.astype(backend.from_host(value, device=backend.device(t)), t.dtype)
