"""Links that several optimizers share: rate, weight decay, momentum."""

from typing import Any, NamedTuple

from gradnoise_core import _check
from gradnoise_core._base import GradientTransformation
from gradnoise_core._elementwise import Operands, elementwise
from gradnoise_core._scalars import rate_at
from gradnoise_core.backend import backend_of
from gradnoise_core.transformation import chain
from gradnoise_core.typing import Array, Namespace, Rate, Tree

__all__ = [
    "CountState",
    "TraceState",
    "add_decayed_weights",
    "at_first",
    "scale_by_learning_rate",
    "trace",
    "with_decay",
]


class CountState(NamedTuple):
    """How many updates were made."""

    count: Any


class TraceState(NamedTuple):
    """A running sum of gradients (or of steps)."""

    count: Any
    trace: Tree


def scale_by_learning_rate(learning_rate: Rate) -> GradientTransformation:
    """Return ``u = -h_t g``.

    Parameters
    ----------
    learning_rate : float, sequence of R floats, or schedule
        h >= 0; one a replica if several.

    Raises
    ------
    ValueError
        If the rate is negative, infinite or NaN.
    """
    _check.rate("learning_rate", learning_rate)

    def kernel(xp: Namespace, x: Operands, rate: Any) -> tuple[Array, tuple[Array, ...]]:
        return -(rate * x.g), ()

    def rates(t: Any) -> tuple[Any, ...]:
        return (rate_at(learning_rate, t, "learning_rate"),)

    return elementwise(CountState, kernel, coefficients=rates)


def add_decayed_weights(weight_decay: Rate) -> GradientTransformation:
    """Return ``u = g + c_t p``: L2 before an optimizer, decoupled decay within one.

    Parameters
    ----------
    weight_decay : float or schedule
        c; below 0 where it stands after the scaling by ``-h``.

    Raises
    ------
    ValueError
        If the decay is infinite or NaN.
    """
    if not callable(weight_decay):
        _check.finite("weight_decay", weight_decay)

    def kernel(xp: Namespace, x: Operands, decay: Any) -> tuple[Array, tuple[Array, ...]]:
        return x.g + decay * x.p, ()

    return elementwise(
        CountState,
        kernel,
        coefficients=lambda t: (rate_at(weight_decay, t, "weight_decay", _check.finite),),
        needs_params=True,
    )


def trace(
    momentum: float,
    *,
    nesterov: bool = False,
    dampening: float = 0.0,
    dampen_first: bool = True,
    nesterov_from_new: bool = False,
) -> GradientTransformation:
    """Return ``b = mu b + (1 - d) g`` and ``u = b``, or with `nesterov` ``u = g + mu b``.

    Parameters
    ----------
    momentum : float
        mu in [0, 1).
    nesterov : bool
        Whether to look ahead (Sutskever et al., 2013).
    dampening : float
        d in [0, 1).
    dampen_first : bool
        Whether the first step is dampened too (MLX); torch starts with ``b = g``.
    nesterov_from_new : bool
        Chainer's form, ``u = (1 + mu) g + mu**2 b`` with the new b in place of the old.
    """
    _check.fraction("momentum", momentum)
    _check.fraction("dampening", dampening)

    def kernel(xp: Namespace, x: Operands, weight: Any) -> tuple[Array, tuple[Array, ...]]:
        b = momentum * x.slots[0] + weight * x.g
        if not nesterov:
            return b, (b,)
        if nesterov_from_new:
            return (1 + momentum) * x.g + momentum**2 * b, (b,)
        return x.g + momentum * b, (b,)

    def weights(t: Any) -> tuple[Any, ...]:
        return (1.0 - dampening if dampen_first else at_first(t, 1.0, 1.0 - dampening),)

    return elementwise(TraceState, kernel, slots=(0.0,), coefficients=weights)


def at_first(t: Any, first: float, later: float) -> Any:
    """Return `first` at step 0 and `later` after it."""
    if isinstance(t, int):
        return first if t == 0 else later
    return backend_of(t).namespace.where(t == 0, 0 * t + first, 0 * t + later)


def with_decay(
    links: list[GradientTransformation],
    learning_rate: Rate,
    weight_decay: Rate,
    *,
    decoupled: bool,
) -> GradientTransformation:
    """Return the chain of `links`, which end in a step, with weight decay.

    Coupled decay (L2) adds ``c p`` to the gradient. Decoupled decay (Loshchilov & Hutter, 2019)
    takes ``h c p`` off the parameters besides the step.
    """
    if not callable(weight_decay):
        _check.finite_at_least("weight_decay", weight_decay, 0.0)
        if isinstance(weight_decay, int | float) and weight_decay == 0:
            return chain(*links)

    def coefficient(t: Any) -> Any:
        c = rate_at(weight_decay, t, "weight_decay")
        return -rate_at(learning_rate, t, "learning_rate") * c if decoupled else c

    decay = add_decayed_weights(coefficient)
    return chain(*links, decay) if decoupled else chain(decay, *links)
