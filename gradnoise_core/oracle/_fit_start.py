"""Where a fit starts: settings of each form of each optimizer, in closed form from first steps.

Under a constant gradient s the first step from 0 moves an element by ``f(s)``, and ``r(s) = s /
f(s)`` is what s is divided by: affine in s with eps outside the root, with eps inside of an affine
square. Its slope at large s gives the rate, its value at small s gives eps, or the first sum of
squares.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradnoise_core.optimizers import keywords
from gradnoise_core.oracle._responses import DECAYS, SIZES, Responses

__all__ = ["Family", "families"]

_MEMORIES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)
_DECAYS = (0.5, 0.8, 0.9, 0.95, 0.99, 0.995, 0.999)
_SECOND = (0.8, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999)


@dataclass(frozen=True)
class Family:
    """One form of an optimizer: its switches, what is free, and settings to start from."""

    optimizer: str
    free: tuple[str, ...]
    settings: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class _First:
    """What the first steps say.

    Parameters
    ----------
    small, slope : float
        r at the smallest s, and its slope at the largest.
    decay : float
        What share of a parameter decoupled decay takes off, or 0.
    coupled : float
        The weight of coupled decay, or 0.
    momentum : float
        By what the tail of a pulse falls, or 0 if it has none.
    linear : bool
        Whether the step is proportional to the gradient.
    """

    small: float
    slope: float
    decay: float
    coupled: float
    momentum: float
    linear: bool


def _read(seen: Responses) -> _First | None:
    f, sizes = seen.first(), np.asarray(SIZES)
    if not np.all(np.isfinite(seen.path)) or not np.all(f > 0):
        return None
    r = sizes / f
    slope = float((r[-1] - r[-2]) / (sizes[-1] - sizes[-2]))
    decays = seen.decay() / np.asarray(DECAYS)
    tail = seen.pulse("first")
    linear = bool(abs(r[0] / r[-1] - 1) < 1e-3)
    ratio = float(tail[2] / tail[1]) if tail[1] != 0 else 0.0
    steady = abs(tail[3] - ratio * tail[2]) < 1e-2 * abs(tail[2])
    share = abs(tail[1]) > 1e-3 * abs(tail[0])
    return _First(
        float(r[0]),
        slope if slope > 0 else float(r[-1] / sizes[-1]),
        float(decays[-3]),
        float(decays[0] * r[0]),
        ratio if steady and share and 0 < ratio < 1 else 0.0,
        linear,
    )


def families(seen: Responses, optimizer: str | None) -> Iterator[Family]:
    """Yield the forms that the first steps do not exclude."""
    first = _read(seen)
    if first is None:
        return
    decays: list[dict[str, Any]] = [{"weight_decay": 0.0}]
    if first.decay or first.coupled:
        decays = [{"weight_decay": first.coupled, "decoupled_weight_decay": False}]
        decays += [{"weight_decay": first.decay, "decoupled_weight_decay": True}]
    for decay in decays:
        for family in _linear(first) if first.linear else _adaptive(first):
            if optimizer is None or optimizer in (family.optimizer, _LIKE.get(family.optimizer)):
                yield _with_decay(family, decay)


#: Adam with decoupled decay is AdamW, and SGD is momentum without any.
_LIKE: Mapping[str, str] = {"adam": "adamw", "sgd": "momentum"}


def _with_decay(family: Family, decay: Mapping[str, Any]) -> Family:
    c = float(decay["weight_decay"])
    free = (*family.free, "weight_decay") if c else family.free
    settings = []
    for s in family.settings:
        by = s["learning_rate"] if decay.get("decoupled_weight_decay") else 1.0
        settings.append({**s, **decay, "weight_decay": c / by})
    return Family(family.optimizer, free, settings)


def _linear(first: _First) -> Iterator[Family]:
    h, mu = 1 / first.small, first.momentum
    k = keywords("sgd")
    yield Family("sgd", ("learning_rate",), [{**k, "learning_rate": h}])
    if not mu:
        return
    k = {**keywords("momentum", "torch"), "momentum": mu}
    shapes = {
        (False, False): 1.0,
        (True, False): 1 + mu,
        (True, True): 1 + mu + mu**2,
    }
    for (nesterov, new), gain in shapes.items():
        forms = {"nesterov": nesterov, "nesterov_from_new": new}
        setting = {**k, **forms, "learning_rate": h / gain}
        yield Family("momentum", ("learning_rate", "momentum"), [setting])
        # Dampened at every step the heavy ball is one at a lower rate.
        for dampen_first in (False, True) if nesterov else (False,):
            more = [
                {**setting, "dampening": d, "dampen_first": dampen_first} for d in (0.1, 0.5, 0.9)
            ]
            yield Family("momentum", ("learning_rate", "momentum", "dampening"), more)


def _adaptive(first: _First) -> Iterator[Family]:
    yield from _adam(first)
    yield from _adagrad(first)
    yield from _rmsprop(first)
    yield _adadelta(first)


#: Bias correction, eps_hat, amsgrad, amsgrad_corrected: the forms of Adam.
_ADAM = [
    (corrected, hat, *amsgrad)
    for corrected in (True, False)
    for hat in ((False, True) if corrected else (False,))
    for amsgrad in ((False, False), (True, False), (True, True))
    if corrected or not amsgrad[1]
]


def _adam(first: _First) -> Iterator[Family]:
    for corrected, hat, amsgrad, of_corrected in _ADAM:
        forms = {
            "eps_hat": hat,
            "bias_correction": corrected,
            "amsgrad": amsgrad,
            "amsgrad_corrected": of_corrected,
        }
        # Without correction and without b1 it is RMSProp.
        memories = list(itertools.product(_MEMORIES[0 if corrected else 1 :], _SECOND))
        # The tail of a pulse falls by b1 / sqrt(b2), but for the correction.
        memories += [(first.momentum * math.sqrt(b2), b2) for b2 in _SECOND if first.momentum]
        settings = []
        for b1, b2 in memories:
            one, two = (1.0, 1.0) if corrected else (1 - b1, math.sqrt(1 - b2))
            h = two / (one * first.slope)
            eps = max(first.small * h * one - two * SIZES[0], 0.0)
            eps *= math.sqrt(1 - b2) if hat else 1.0
            new = {"learning_rate": h, "b1": b1, "b2": b2, "eps": eps}
            settings.append({**keywords("adam"), **forms, **new})
        yield Family("adam", ("learning_rate", "b1", "b2", "eps"), settings)


def _floor(first: _First, h: float, weight: float, inside: bool) -> Iterator[tuple[float, float]]:
    """Yield eps and the first sum of squares, which together make the step at small s.

    `weight` is what the sum of squares is weighed with at the first step.
    """
    value = (first.small * h) ** 2 if inside else first.small * h
    yield value, 0.0
    for eps in (0.0, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1):
        if eps < value:
            yield eps, (value - eps) / weight if inside else (value - eps) ** 2 / weight


def _adagrad(first: _First) -> Iterator[Family]:
    h = 1 / first.slope
    for inside in (False, True):
        settings: dict[tuple[bool, bool], list[dict[str, Any]]] = {}
        for eps, start in _floor(first, h, 1.0, inside):
            new = {"learning_rate": h, "eps": eps, "initial_accumulator": start}
            settings.setdefault((eps > 0, start > 0), []).append(
                {**keywords("adagrad"), **new, "eps_in_sqrt": inside}
            )
        for (eps_free, start_free), chosen in settings.items():
            # In the root only the sum of the two counts.
            free = ["learning_rate"]
            free += ["eps"] if eps_free and not (inside and start_free) else []
            free += ["initial_accumulator"] if start_free else []
            yield Family("adagrad", tuple(free), chosen)


def _rmsprop(first: _First) -> Iterator[Family]:
    # Coupled decay makes a tail as momentum does.
    for mu in (0.0, first.momentum) if first.momentum else (0.0,):
        for inside, centered in itertools.product((False, True), repeat=2):
            for nesterov in (False, True) if mu else (False,):
                forms = {
                    "eps_in_sqrt": inside,
                    "centered": centered,
                    "momentum": mu,
                    "nesterov": nesterov,
                }
                yield from _rmsprop_of(first, forms)


def _rmsprop_of(first: _First, forms: Mapping[str, Any]) -> Iterator[Family]:
    gain = 1 + forms["momentum"] if forms["nesterov"] else 1.0
    settings: dict[tuple[bool, bool], list[dict[str, Any]]] = {}
    for rho in _DECAYS:
        squares = rho * (1 - rho) if forms["centered"] else 1 - rho
        h = math.sqrt(squares) / (first.slope * gain)
        for eps, start in _floor(first, h * gain, rho, forms["eps_in_sqrt"]):
            new = {"learning_rate": h, "decay": rho, "eps": eps, "initial_accumulator": start}
            settings.setdefault((eps > 0, start > 0), []).append(
                {**keywords("rmsprop"), **forms, **new}
            )
    for (eps_free, start_free), chosen in settings.items():
        free = ["learning_rate", "decay"]
        free += ["momentum"] if forms["momentum"] else []
        free += ["eps"] if eps_free else []
        free += ["initial_accumulator"] if start_free else []
        yield Family("rmsprop", tuple(free), chosen)


def _adadelta(first: _First) -> Family:
    h = 1 / first.small
    settings = [
        {
            **keywords("adadelta"),
            "learning_rate": h,
            "decay": rho,
            "eps": (1 - rho) / (h * first.slope) ** 2,
        }
        for rho in _DECAYS
    ]
    return Family("adadelta", ("learning_rate", "decay", "eps"), settings)
