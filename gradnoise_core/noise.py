"""Annealed Gaussian noise on gradients or on weights, as transformations."""

import math
from typing import Any, NamedTuple

import numpy as np

from gradnoise_core import _check
from gradnoise_core._base import GradientTransformation
from gradnoise_core._elementwise import Noise, Operands, elementwise
from gradnoise_core.backend import backend_of
from gradnoise_core.schedules import annealed
from gradnoise_core.typing import Array, Namespace, Schedule, Seed

__all__ = ["NoiseState", "add_gradient_noise", "add_weight_noise"]


# Tuples, not unions: torch.compile sees through no union that holds NumPy's types.
_NUMBER = (int, float)
_HOST = (int, float, np.ndarray, np.generic)


class NoiseState(NamedTuple):
    """How many updates were made."""

    count: Any


def add_gradient_noise(
    eta: Any = 0.01,
    gamma: float = 0.55,
    *,
    seed: Seed = 0,
    schedule: Schedule | None = None,
    domain: str = "gradient-noise",
) -> GradientTransformation:
    """Add annealed Gaussian noise to gradients.

    ``g <- g + N(0, sigma_t**2)`` with ``sigma_t**2 = eta / (1 + t)**gamma``, t = 0, 1, ...:
    equation 1 of Neelakantan et al. (2017). Put it after clipping and before the optimizer, the
    order that the paper found crucial; `noisy` does.

    Parameters
    ----------
    eta : float or sequence of R floats
        The variance at t = 0, in squared units of the gradient; one a replica if several.
    gamma : float
        The exponent of the decay of the variance.
    seed : int or sequence of int
        In [0, 2**64). R seeds make every leaf carry a leading replica axis of size R; replica r
        gets the noise of a solo run with seed r, to the bit.
    schedule : callable, optional
        Of t, returning a variance; instead of `eta` and `gamma`.
    domain : str
        Separates uses of one seed.

    Returns
    -------
    GradientTransformation
        Its state is the count t. It also stands in ``optax.chain``.

    Raises
    ------
    ValueError
        If `eta` or `gamma` is negative or NaN, a seed outside [0, 2**64); at ``update`` if a leaf
        lacks the replica axis, or if the schedule returns a negative or NaN variance.

    Notes
    -----
    The noise of an element depends on the seed, the leaf's path, t and the element's position
    alone: adding, removing or reordering other leaves does not change it. A 16-bit leaf is summed
    in float32 and rounded once. Non-finite gradients pass through.

    Examples
    --------
    >>> import numpy as np
    >>> import gradnoise_core as gn
    >>> noise = gn.add_gradient_noise(eta=0.01, seed=1)
    >>> grads = {"w": np.zeros(3, np.float32)}
    >>> noisy, state = noise.update(grads, noise.init(grads))
    >>> noisy["w"]
    array([-0.20099635, -0.08885639, -0.11520337], dtype=float32)
    """
    return _noise(eta, gamma, seed, schedule, domain, sign=1)


def add_weight_noise(
    eta: Any = 0.01,
    gamma: float = 0.55,
    *,
    seed: Seed = 0,
    schedule: Schedule | None = None,
    domain: str = "weight-noise",
) -> GradientTransformation:
    """Add annealed Gaussian noise to the updates, and so to the weights.

    ``u <- u - N(0, sigma_t**2)`` with ``sigma_t**2 = eta / (1 + t)**gamma``. Put it last, after
    the optimizer. Under plain SGD with rate h, gradient noise of variance v is weight noise of
    variance ``h**2 v``: with one seed and domain, the very same (the sign is chosen for it).
    Under momentum, AdaGrad or Adam it is not. The paper found it no substitute (section 4).

    Parameters
    ----------
    eta : float or sequence of R floats
        The variance at t = 0, in squared units of the weights; one a replica if several.
    gamma : float
        The exponent of the decay of the variance.
    seed : int or sequence of int
        In [0, 2**64); R of them for a leading replica axis.
    schedule : callable, optional
        Of t, returning a variance; instead of `eta` and `gamma`.
    domain : str
        Separates uses of one seed.

    Returns
    -------
    GradientTransformation
        Its state is the count t.

    Raises
    ------
    ValueError
        As `add_gradient_noise`.
    """
    return _noise(eta, gamma, seed, schedule, domain, sign=-1)


def _noise(
    eta: Any, gamma: float, seed: Seed, schedule: Schedule | None, domain: str, sign: int
) -> GradientTransformation:
    if schedule is not None and not callable(schedule):
        message = (
            f"`schedule` must be a function of the step that returns a variance, got {schedule!r}. "
            "For a constant variance pass schedules.constant(value)."
        )
        raise TypeError(message)
    variance = annealed(eta, gamma) if schedule is None else schedule

    def kernel(xp: Namespace, x: Operands, sigma: Any) -> tuple[Array, tuple[Array, ...]]:
        scaled = sigma * x.z
        return (x.g + scaled if sign > 0 else x.g - scaled), ()

    kernel.noise_sign = sign  # type: ignore[attr-defined]  # told to backends: see `Stage`
    return elementwise(
        NoiseState,
        kernel,
        coefficients=lambda t: (_standard_deviation(variance, t),),
        noise=Noise(seed, domain),
        scale=0,
    )


def _standard_deviation(variance: Schedule, t: Any) -> Any:
    """Return sigma_t: a Python float, R of them, or an array where t is traced."""
    value = variance(t)
    if isinstance(value, _HOST):
        _check.finite_at_least(f"schedule({t})", value, 0.0, "A schedule returns a variance.")
        return math.sqrt(value) if isinstance(value, _NUMBER) else np.sqrt(value)
    return backend_of(value).namespace.sqrt(value)
