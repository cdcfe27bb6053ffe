"""The optimizers as formulas on one array: a second, plain coding of each, to compare and to fit.

Hyperparameters may be arrays that broadcast against the parameters: one run then tries many. The
letters are those of the optimizers' docstrings.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

__all__ = [
    "FORMULAS",
    "Formula",
    "Memory",
    "adadelta",
    "adagrad",
    "adam",
    "adam_step",
    "adamw",
    "decayed",
    "decoupled",
    "divide",
    "moments",
    "momentum",
    "rmsprop",
    "running",
    "sgd",
]

#: What a formula remembers of one array, by letter.
Memory: TypeAlias = dict[str, Any]

#: ``(p, g, h, n, k, s) -> p`` at the n-th update, n = 1, 2, ...: k are the keywords of a dialect,
#: s is what is remembered.
Formula: TypeAlias = Callable[[Any, Any, Any, int, Mapping[str, Any], Memory], Any]


def divide(g: Any, a: Any, eps: Any, inside: bool) -> Any:
    """Return ``g / sqrt(a + eps)`` or ``g / (sqrt(a) + eps)``; 0 where that is 0 / 0."""
    root = np.sqrt(a + eps) if inside else np.sqrt(a) + eps
    empty = root == 0
    return np.where(empty, 0.0, g) / np.where(empty, 1.0, root)


def decayed(p: Any, g: Any, k: Mapping[str, Any]) -> Any:
    """Return the gradient with coupled decay."""
    return g if k.get("decoupled_weight_decay") else g + k["weight_decay"] * p


def _apart(p: Any, h: Any, k: Mapping[str, Any]) -> Any:
    """Return what decoupled decay takes off."""
    return h * k["weight_decay"] * p if k.get("decoupled_weight_decay") else 0.0


def running(x: Any, weight: Any, k: Mapping[str, Any], s: Memory) -> Any:
    """Return the momentum's sum, or what Nesterov takes in its place."""
    mu = k["momentum"]
    s["b"] = mu * s.get("b", 0.0) + weight * x
    if not k["nesterov"]:
        return s["b"]
    if k.get("nesterov_from_new"):
        return (1 + mu) * x + mu**2 * s["b"]
    return x + mu * s["b"]


def sgd(p: Any, g: Any, h: Any, n: int, k: Mapping[str, Any], s: Memory) -> Any:
    """Return the parameters after a step of SGD."""
    return p - h * decayed(p, g, k)


def momentum(p: Any, g: Any, h: Any, n: int, k: Mapping[str, Any], s: Memory) -> Any:
    """Return the parameters after a step with momentum."""
    g = decayed(p, g, k)
    weight = 1 - k["dampening"] if n > 1 or k["dampen_first"] else 1.0
    inside = k["rate_inside"]
    step = running(h * g if inside else g, weight, k, s)
    return p - (step if inside else h * step) - _apart(p, h, k)


def adagrad(p: Any, g: Any, h: Any, n: int, k: Mapping[str, Any], s: Memory) -> Any:
    """Return the parameters after a step of AdaGrad."""
    g = decayed(p, g, k)
    s["a"] = s.get("a", k["initial_accumulator"]) + g * g
    return p - h * divide(g, s["a"], k["eps"], k["eps_in_sqrt"]) - _apart(p, h, k)


def rmsprop(p: Any, g: Any, h: Any, n: int, k: Mapping[str, Any], s: Memory) -> Any:
    """Return the parameters after a step of RMSProp."""
    g = decayed(p, g, k)
    rho = k["decay"]
    s["v"] = rho * s.get("v", k["initial_accumulator"]) + (1 - rho) * (g * g)
    v = s["v"]
    if k["centered"]:
        s["m"] = rho * s.get("m", 0.0) + (1 - rho) * g
        v = np.maximum(v - s["m"] ** 2, 0.0)
    step = divide(g, v, k["eps"], k["eps_in_sqrt"])
    inside = k["rate_inside"]
    step = running(h * step if inside else step, 1.0, k, s)
    return p - (step if inside else h * step) - _apart(p, h, k)


def adadelta(p: Any, g: Any, h: Any, n: int, k: Mapping[str, Any], s: Memory) -> Any:
    """Return the parameters after a step of AdaDelta."""
    g = decayed(p, g, k)
    rho = k["decay"]
    s["v"] = rho * s.get("v", 0.0) + (1 - rho) * (g * g)
    step = np.sqrt((s.get("d", 0.0) + k["eps"]) / (s["v"] + k["eps"])) * g
    s["d"] = rho * s.get("d", 0.0) + (1 - rho) * (step * step)
    return p - h * step - _apart(p, h, k)


def moments(g: Any, k: Mapping[str, Any], s: Memory) -> tuple[Any, Any]:
    """Return Adam's running means of g and of its square."""
    s["m"] = k["b1"] * s.get("m", 0.0) + (1 - k["b1"]) * g
    s["v"] = k["b2"] * s.get("v", 0.0) + (1 - k["b2"]) * (g * g)
    return s["m"], s["v"]


def adam_step(
    g: Any, n: int, k: Mapping[str, Any], s: Memory, powers: tuple[Any, Any] | None = None
) -> Any:
    """Return Adam's direction; `powers` stand for those of b1 and b2 to the n."""
    m, v = moments(g, k, s)
    b1, b2 = powers or (k["b1"] ** n, k["b2"] ** n)
    c1, c2 = (1 - b1, 1 - b2) if k["bias_correction"] else (1.0, 1.0)
    if k["amsgrad"]:
        corrected = k["amsgrad_corrected"]
        s["w"] = np.maximum(s.get("w", 0.0), v / c2 if corrected else v)
        v = s["w"] * c2 if corrected else s["w"]
    eps = k["eps"] / c2**0.5 if k["eps_hat"] else k["eps"]
    return divide(m / c1, v / c2, eps, inside=False)


def adam(p: Any, g: Any, h: Any, n: int, k: Mapping[str, Any], s: Memory) -> Any:
    """Return the parameters after a step of Adam."""
    return p - h * adam_step(decayed(p, g, k), n, k, s) - _apart(p, h, k)


def adamw(p: Any, g: Any, h: Any, n: int, k: Mapping[str, Any], s: Memory) -> Any:
    """Return the parameters after a step of AdamW."""
    return decoupled(adam, p, g, h, n, k, s)


def decoupled(
    step: Formula, p: Any, g: Any, h: Any, n: int, k: Mapping[str, Any], s: Memory
) -> Any:
    """Return the parameters after a step of Adam and AdamW's decay beside it."""
    first = s.setdefault("first rate", h)
    by = {"rate": h, "schedule": h / first, "nothing": 1.0}[k["decay_by"]]
    return step(p, g, h, n, {**k, "weight_decay": 0.0}, s) - by * k["weight_decay"] * p


#: By the name of the optimizer; those that draw noise have none.
FORMULAS: Mapping[str, Formula] = {
    "sgd": sgd,
    "momentum": momentum,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adadelta": adadelta,
    "adam": adam,
    "adamw": adamw,
}
