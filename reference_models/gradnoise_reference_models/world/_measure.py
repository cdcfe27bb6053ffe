"""The sizes of deviations, as they are recorded."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gradnoise_core.backend import backend_of
from gradnoise_core.oracle import OptimizerSteps, langevin_scales

__all__ = ["distance", "noise_ratios", "sgld_scales"]

#: At which t the scale of noise is measured.
AT = (0, 99)


def distance(
    steps: OptimizerSteps, optimizer: str, dialect: str, keywords: Mapping[str, Any]
) -> dict[str, float]:
    """Return ``share`` and ``absolute`` of the deviation from a formula."""
    found = steps.deviation(optimizer, dialect, **keywords)
    return {"share": _written(found.share), "absolute": _written(found.absolute)}


def sgld_scales(step: Any, rate: float, *, float32: bool) -> dict[str, float]:
    """Return ``drift`` and ``noise`` of an SGLD, in units of h g and of sqrt(h), at one rate."""
    dtype = "float32" if float32 else "float64"
    found = langevin_scales(step, learning_rate=rate, dtype=dtype)
    return {"drift": _written(found.drift), "noise": _written(found.noise)}


def noise_ratios(fn: Any, zeros: Any, eta: float, gamma: float) -> dict[str, float]:
    """Return the standard deviation of noise over what the paper's law has, at t = 0 and 99."""
    out = {}
    for t in range(AT[-1] + 1):
        noise = fn(dict(zeros), t)
        if t in AT:
            flat = [np.asarray(x, np.float64).ravel() for x in _on_host(noise.values())]
            deviation = float(np.sqrt(np.mean(np.concatenate(flat) ** 2)))
            # Of 15,000 normals: to one part in a hundred.
            out[str(t)] = float(f"{deviation / math.sqrt(eta / (1 + t) ** gamma):.2g}")
    return out


def _on_host(leaves: Iterable[Any]) -> list[Any]:
    return [np.array(backend_of(x).to_numpy(x)) for x in leaves]


def _written(value: float) -> float:
    """Return three digits of a finite number, which are those that are recorded."""
    if not math.isfinite(value):
        message = f"a deviation must be finite to be recorded, got {value}"
        raise ValueError(message)
    return float(f"{value:.3g}")
