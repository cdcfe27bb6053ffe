"""What tests of optimizers share: cases made from the table of dialects, and outside gradients."""

from typing import Any

import numpy as np

import gradnoise_core as gn
from gradnoise_core.optimizers import DIALECTS

__all__ = [
    "DECAY",
    "DIALECT_ROWS",
    "DROP",
    "GRADIENTS",
    "RATES",
    "START",
    "TOLERANCE",
    "features",
    "is_seeded",
    "make",
    "path_of",
]

#: Every (optimizer, dialect) of the table.
DIALECT_ROWS = [(name, dialect) for name, rows in DIALECTS.items() for dialect in rows]

#: Parameters and gradients for trajectories in float64. The gradients come from outside, |g| from
#: 1e-6 to 10 and independent of p: in a closed loop two codings of one formula drift apart.
STEPS, DROP, SIZE = 100, 50, 64
RATES = (0.05, 0.005)
_RNG = np.random.default_rng(20170101)
GRADIENTS = np.logspace(-6, 1, SIZE) * _RNG.uniform(-1, 1, (STEPS, SIZE))
START = _RNG.standard_normal(SIZE)

#: How far two codings of one formula may be apart, at any step.
TOLERANCE = 1e-12

DECAY: dict[str, Any] = {"weight_decay": 0.01}


def features(name: str) -> dict[str, Any]:
    """Switch on what is off in the paper's row and what no dialect sets."""
    paper, *others = DIALECTS[name].values()
    return {
        k: True if v is False else 0.3
        for k, v in paper.items()
        if v in (False, 0.0) and not any(k in row for row in others)
    }


def make(name: str, dialect: str = "paper", rate: Any = None, **options: Any) -> Any:
    """Return an optimizer with its features on, and a rate that drops at step 2."""
    rate = gn.schedules.piecewise_constant([0.05, 0.005], [2]) if rate is None else rate
    if name == "santa":  # whose friction feeds on u**2 and runs away above 2
        options = {"eps": 100.0, "burn_in": 3, **options}
    return getattr(gn, name)(rate, dialect=dialect, **{**features(name), **options})


def is_seeded(name: str) -> bool:
    """Whether an optimizer draws noise."""
    return "seed" in getattr(gn, name).__annotations__


def path_of(name: str, dialect: str, gradients: Any = GRADIENTS, **options: Any) -> Any:
    """Return the parameters after each step of an optimizer, whose rate drops at `DROP`."""
    rate = gn.schedules.piecewise_constant(RATES, [DROP])
    optimizer = getattr(gn, name)(rate, dialect=dialect, **options)
    p, path = START, []
    state = optimizer.init(p)
    for g in gradients:
        updates, state = optimizer.update(g, state, p)
        p = gn.apply_updates(p, updates)
        path.append(p)
    return np.stack(path)
