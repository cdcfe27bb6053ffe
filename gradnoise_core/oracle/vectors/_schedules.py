"""Vectors of the schedules: the noise's variance and standard deviation, and learning rates."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradnoise_core import schedules
from gradnoise_core.oracle.vectors._places import STEPS
from gradnoise_core.oracle.vectors._vector import Arrays, Maker, Output, Tolerance, Vector

__all__ = ["MAKERS", "TOLERANCES"]

#: A power in float32 through exp and log is off by some units in the last place.
TOLERANCES = {"float64": Tolerance(relative=1e-14), "float32": Tolerance(relative=4e-6)}

_NOISE_STEPS = (*range(10), 99, 100, 999, 10**4, 10**6, *STEPS[3:])
_RATE_STEPS = (*range(10), 49, 50, 51, 99, 100, 101)

#: eta and gamma: the paper's three, no noise, no decay, and a decay as of 1/t.
_ANNEALED = {
    "paper": (0.01, 0.55),
    "eta-0-3": (0.3, 0.55),
    "eta-1": (1.0, 0.55),
    "no-noise": (0.0, 0.55),
    "no-decay": (0.01, 0.0),
    "inverse": (0.01, 1.0),
}

#: The function of `gradnoise_core.schedules`, its keywords, and the formula.
_RATES: dict[str, tuple[str, Mapping[str, Any], str]] = {
    "constant": ("constant", {"value": 0.05}, "value"),
    "exponential-decay": (
        "exponential_decay",
        {"initial": 0.1, "factor": 0.5, "steps": 10},
        "initial * factor**(t / steps)",
    ),
    "inverse-time-decay": (
        "inverse_time_decay",
        {"initial": 0.1, "decay": 0.25},
        "initial / (1 + decay * t)",
    ),
    "piecewise-constant": (
        "piecewise_constant",
        {"values": [0.05, 0.005, 0.0005], "boundaries": [50, 100]},
        "values[i], where i is the number of boundaries that t has reached",
    ),
}


def _values(function: Any, steps: Sequence[int]) -> Output:
    return Output(np.asarray([function(t) for t in steps], np.float64), TOLERANCES)


def _annealed(eta: float, gamma: float) -> Maker:
    def make(arrays: Arrays) -> Vector:
        variance = schedules.annealed(eta, gamma)
        return Vector(
            "At t = steps[i], counted from 0: variance[i] is eta / (1 + t)**gamma, and "
            "standard_deviation[i] its root.",
            {
                "schedule": "annealed",
                "eta": eta,
                "gamma": gamma,
                "steps": [str(t) for t in _NOISE_STEPS],
            },
            {
                "variance": _values(variance, _NOISE_STEPS),
                "standard_deviation": _values(lambda t: math.sqrt(variance(t)), _NOISE_STEPS),
            },
        )

    return make


def _rate(name: str, keywords: Mapping[str, Any], formula: str) -> Maker:
    def make(arrays: Arrays) -> Vector:
        return Vector(
            f"At t = steps[i], counted from 0: rate[i] is {formula}.",
            {"schedule": name, **keywords, "steps": [str(t) for t in _RATE_STEPS]},
            {"rate": _values(getattr(schedules, name)(**keywords), _RATE_STEPS)},
        )

    return make


MAKERS: dict[str, Maker] = {
    **{f"schedules/annealed/{name}": _annealed(*pair) for name, pair in _ANNEALED.items()},
    **{f"schedules/rate/{name}": _rate(*row) for name, row in _RATES.items()},
}
