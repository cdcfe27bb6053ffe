"""Vectors of the optimizers: 100 steps of each, in every dialect, under gradients from outside.

The gradients do not depend on the parameters: in a closed loop two right codings of one formula
drift apart.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

import gradnoise_core as gn
from gradnoise_core.optimizers import DIALECTS, keywords
from gradnoise_core.oracle.vectors._outside import SCALES, uniform
from gradnoise_core.oracle.vectors._vector import Arrays, Maker, Output, Vector, scaled
from gradnoise_core.random import leaf_key, standard_normal

__all__ = ["MAKERS", "VARIANTS", "gradients", "options", "rates", "start"]

STEPS, DROP, SEED = 100, 50, 2017

#: Of float64, and of float32, in units of the power of two above the largest parameter.
TOLERANCE, TOLERANCE_32 = 1e-12, 2e-6

#: Santa divides by its momentum, which passes near 0.
_TOLERANCES_32: Mapping[str, float] = {"santa": 1e-5}

_DECAY = {"weight_decay": 0.01}

#: What is switched on besides a dialect's own keywords.
VARIANTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "sgd": {"plain": {}, "decay": _DECAY},
    "momentum": {
        "plain": {},
        "decay": _DECAY,
        "nesterov": {"nesterov": True, **_DECAY},
        "dampening": {"dampening": 0.5},
    },
    "adagrad": {"plain": {}, "decay": _DECAY},
    "rmsprop": {
        "plain": {},
        "decay": _DECAY,
        "centered": {"centered": True, **_DECAY},
        "momentum": {"momentum": 0.9},
        "nesterov": {"momentum": 0.9, "nesterov": True, "centered": True, **_DECAY},
    },
    "adadelta": {"plain": {}, "decay": _DECAY},
    "adam": {"plain": {}, "decay": _DECAY, "amsgrad": {"amsgrad": True, **_DECAY}},
    "adamw": {"plain": {}, "decay": _DECAY, "amsgrad": {"amsgrad": True, **_DECAY}},
    "sgld": {"plain": {}, "tempered": {"drift": 1.0, "temperature": 0.5}},
    "psgld": {"plain": {}, "eps-in-root": {"eps_in_sqrt": True, "initial_accumulator": 1.0}},
    # Its friction feeds on squares of the momentum: a small preconditioner keeps it from running
    # away under gradients of 10. Exploration ends after the rate's drop.
    "santa": {
        "euler": {"eps": 100.0, "burn_in": 60, "data_size": 2, "friction": 0.5},
        "symmetric": {"eps": 100.0, "burn_in": 60, "data_size": 2, "scheme": "sss"},
    },
}

#: Rates before and after the drop. Where pSGLD's v is 0 its noise has h / eps for a variance.
_RATES: Mapping[str, tuple[float, float]] = {"psgld": (1e-4, 1e-5)}

#: The domains of the normals that an optimizer draws, by the name of the input that repeats them.
_NOISE: Mapping[str, Mapping[str, str]] = {
    "sgld": {"normals": "sgld"},
    "psgld": {"normals": "psgld"},
    "santa": {"normals": "santa", "first_normals": "santa-momentum"},
}


def rates(optimizer: str) -> tuple[float, float]:
    """Return the rate before step 50, and from it on."""
    return _RATES.get(optimizer, (0.05, 0.005))


def start() -> Any:
    """Return the ten parameters before the first step."""
    return 2.0 * uniform("start", (len(SCALES) + 2,))


def gradients() -> Any:
    """Return the gradients, of shape (100, 10).

    Eight elements, one a decade of scale; one that is 0 until step 10, and one that is always.
    """
    g = uniform("gradients", (STEPS, len(SCALES) + 2)) * np.asarray([*SCALES, 0.1, 0.0])
    g[:10, -2] = 0.0
    return g + 0.0  # no negative zeros


def options(optimizer: str, dialect: str, variant: str) -> dict[str, Any]:
    """Return every keyword of a trajectory's optimizer."""
    return {**keywords(optimizer, dialect), **VARIANTS[optimizer][variant]}


def run(arrays: Arrays, optimizer: str, given: Mapping[str, Any], dtype: str = "float64") -> Any:
    """Return the parameters after each step, as NumPy arrays."""
    seed = {"seed": SEED} if optimizer in _NOISE else {}
    rate = gn.schedules.piecewise_constant(rates(optimizer), [DROP])
    steps = getattr(gn, optimizer)(rate, **given, **seed)
    p = arrays.array(start().astype(dtype))
    state, path = steps.init(p), []
    for g in gradients().astype(dtype):
        updates, state = steps.update(arrays.array(g), state, p)
        p = gn.apply_updates(p, updates)
        path.append(np.array(arrays.numpy(p)))
    return np.stack(path)


def _normals(optimizer: str) -> dict[str, Any]:
    """Return the normals that an optimizer draws: of each step, or of the first alone."""
    shape, out = (len(SCALES) + 2,), {}
    for name, domain in _NOISE.get(optimizer, {}).items():
        steps = range(1 if name.startswith("first") else STEPS)
        out[name] = np.stack(
            [standard_normal(leaf_key(SEED, "", t, domain=domain), shape) for t in steps]
        )
    return out


def _of(optimizer: str, dialect: str, variant: str) -> Maker:
    def make(arrays: Arrays) -> Vector:
        path = run(arrays, optimizer, options(optimizer, dialect, variant))
        before, after = rates(optimizer)
        drawn = {"seed": str(SEED), "path": "", "domains": dict(_NOISE.get(optimizer, {}))}
        narrow = _TOLERANCES_32.get(optimizer, TOLERANCE_32)
        more = {"inverse_temperature": "(1 + t)**0.5"} if optimizer == "santa" else {}
        return Vector(
            f"parameters[t] are those after step t = 0, 1, ... of {optimizer}, as {dialect} "
            f"means it ({variant}), from start, with gradients[t] and the rate of step t.",
            {
                "optimizer": optimizer,
                "dialect": dialect,
                "variant": variant,
                "keywords": {**options(optimizer, dialect, variant), **more},
                "rate": {
                    "schedule": "piecewise_constant",
                    "values": [before, after],
                    "boundaries": [DROP],
                },
                **({"noise": drawn} if optimizer in _NOISE else {}),
            },
            {
                "parameters": Output(
                    path, {"float64": scaled(path, TOLERANCE), "float32": scaled(path, narrow)}
                )
            },
            {"start": start(), "gradients": gradients(), **_normals(optimizer)},
        )

    return make


#: By ``trajectories/OPTIMIZER/DIALECT/VARIANT``.
MAKERS: Mapping[str, Maker] = MappingProxyType(
    {
        f"trajectories/{optimizer}/{dialect}/{variant}": _of(optimizer, dialect, variant)
        for optimizer, rows in DIALECTS.items()
        for dialect in rows
        for variant in VARIANTS[optimizer]
    }
)
