"""The dialects of frameworks that are not at hand, and of the papers, against their formulas.

Each formula is restated here in plain NumPy, with its own constants, as the framework's source or
the paper has it: nothing is read from the table of dialects that is under test. Letters: p, g, h
the rate at the n-th step (n = 1, 2, ...), c the weight decay, s what is remembered.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from optimizer_cases import (
    DECAY,
    DIALECT_ROWS,
    DROP,
    GRADIENTS,
    RATES,
    START,
    TOLERANCE,
    path_of,
)

#: ``(p, g, h, n, c, s) -> p``
Formula = Callable[[Any, Any, float, int, float, dict[str, Any]], Any]


def plain(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
    return p - h * (g + c * p)


def rate_outside(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
    """TF 1 (without decay) and MLX."""
    s["b"] = 0.9 * s["b"] + (g + c * p)
    return p - h * s["b"]


def rate_outside_nesterov(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
    s["b"] = 0.9 * s["b"] + g
    return p - h * (g + 0.9 * s["b"])


def dampened_from_the_first_step(
    p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]
) -> Any:
    """MLX; torch takes b = g at n = 1."""
    s["b"] = 0.9 * s["b"] + (1 - 0.5) * g
    return p - h * s["b"]


def rate_inside(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
    """Chainer with its WeightDecay hook, and MXNet."""
    s["v"] = 0.9 * s["v"] - h * (g + c * p)
    return p + s["v"]


def rate_inside_nesterov(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
    """MXNet's NAG."""
    s["v"] = 0.9 * s["v"] - h * g
    return p + 0.9 * s["v"] - h * g


def nesterov_of_chainer(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
    s["v"] = 0.9 * s["v"] - h * g
    return p + 0.9**2 * s["v"] - (1 + 0.9) * h * g


def adagrad(start: float, eps: float, inside: bool = False, c_in_step: bool = False) -> Formula:
    def formula(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
        if not c_in_step:
            g = g + c * p
        s["a"] = (s["a"] if n > 1 else start) + g**2
        step = g / np.sqrt(s["a"] + eps) if inside else g / (np.sqrt(s["a"]) + eps)
        return p - h * (step + c * p) if c_in_step else p - h * step

    return formula


def rmsprop(
    rho: float, eps: float, start: float = 0.0, inside: bool = False, centered: bool = False
) -> Formula:
    """Without momentum."""

    def formula(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
        g = g + c * p
        s["v"] = rho * (s["v"] if n > 1 else start) + (1 - rho) * g**2
        s["m"] = rho * s["m"] + (1 - rho) * g
        v = s["v"] - s["m"] ** 2 if centered else s["v"]
        return p - h * g / (np.sqrt(v + eps) if inside else np.sqrt(v) + eps)

    return formula


def rmsprop_tf1_momentum(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
    s["v"] = 0.9 * (s["v"] if n > 1 else 1.0) + 0.1 * g**2
    s["d"] = 0.9 * s["d"] + h * g / np.sqrt(s["v"] + 1e-10)
    return p - s["d"]


def rmsprop_mxnet_centered(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
    """MXNet's rmspropalex_update, whose momentum is gamma2."""
    s["v"] = 0.9 * s["v"] + 0.1 * g**2
    s["m"] = 0.9 * s["m"] + 0.1 * g
    s["d"] = 0.9 * s["d"] - h * g / np.sqrt(s["v"] - s["m"] ** 2 + 1e-8)
    return p + s["d"]


def adadelta(rho: float, eps: float) -> Formula:
    def formula(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
        g = g + c * p
        s["v"] = rho * s["v"] + (1 - rho) * g**2
        step = np.sqrt((s["u"] + eps) / (s["v"] + eps)) * g
        s["u"] = rho * s["u"] + (1 - rho) * step**2
        return p - h * step

    return formula


def _moments(g: Any, s: dict[str, Any]) -> tuple[Any, Any]:
    s["m"] = 0.9 * s["m"] + 0.1 * g
    s["v"] = 0.999 * s["v"] + 0.001 * g**2
    return s["m"], s["v"]


def adam_paper(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
    m, v = _moments(g + c * p, s)
    return p - h * (m / (1 - 0.9**n)) / (np.sqrt(v / (1 - 0.999**n)) + 1e-8)


def adam_hat(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
    """TF 1, Chainer, MXNet."""
    m, v = _moments(g + c * p, s)
    return p - h * np.sqrt(1 - 0.999**n) / (1 - 0.9**n) * m / (np.sqrt(v) + 1e-8)


def amsgrad_hat(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
    m, v = _moments(g, s)
    s["w"] = np.maximum(s["w"], v)
    return p - h * np.sqrt(1 - 0.999**n) / (1 - 0.9**n) * m / (np.sqrt(s["w"]) + 1e-8)


def adam_uncorrected(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
    """MLX without bias correction, and with the amsgrad switch off algorithm 2 of AMSGrad."""
    m, v = _moments(g, s)
    return p - h * m / (np.sqrt(v) + 1e-8)


def adamw_paper(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
    """Loshchilov & Hutter's algorithm 2: eta_t multiplies both, alpha only the step."""
    eta, alpha = h / RATES[0], RATES[0]
    m, v = _moments(g, s)
    step = m / (1 - 0.9**n) / (np.sqrt(v / (1 - 0.999**n)) + 1e-8)
    return p - eta * (alpha * step + c * p)


def adamw_chainer(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
    m, v = _moments(g, s)
    return p - (h * np.sqrt(1 - 0.999**n) / (1 - 0.9**n) * m / (np.sqrt(v) + 1e-8) + c * p)


def adamw_mlx(p: Any, g: Any, h: float, n: int, c: float, s: dict[str, Any]) -> Any:
    m, v = _moments(g, s)
    return p * (1 - h * c) - h * m / (np.sqrt(v) + 1e-8)


NESTEROV = {"nesterov": True}

#: optimizer, dialect, our features, the formula.
CASES: list[tuple[str, str, dict[str, Any], Formula]] = [
    *(("sgd", dialect, {}, plain) for dialect in ("paper", "tf1", "chainer", "mxnet", "mlx")),
    *(("sgd", dialect, DECAY, plain) for dialect in ("paper", "chainer", "mxnet", "mlx")),
    ("momentum", "paper", {}, rate_inside),
    ("momentum", "paper", NESTEROV, rate_inside_nesterov),
    ("momentum", "tf1", {}, rate_outside),
    ("momentum", "tf1", NESTEROV, rate_outside_nesterov),
    ("momentum", "chainer", {}, rate_inside),
    ("momentum", "chainer", DECAY, rate_inside),
    ("momentum", "chainer", NESTEROV, nesterov_of_chainer),
    ("momentum", "mxnet", {}, rate_inside),
    ("momentum", "mxnet", DECAY, rate_inside),
    ("momentum", "mxnet", NESTEROV, rate_inside_nesterov),
    ("momentum", "mlx", {}, rate_outside),
    ("momentum", "mlx", DECAY, rate_outside),
    ("momentum", "mlx", NESTEROV, rate_outside_nesterov),
    ("momentum", "mlx", {"dampening": 0.5}, dampened_from_the_first_step),
    ("adagrad", "paper", {}, adagrad(0.0, 1e-10)),
    ("adagrad", "tf1", {}, adagrad(0.1, 0.0)),
    ("adagrad", "chainer", {}, adagrad(0.0, 1e-8)),
    ("adagrad", "chainer", DECAY, adagrad(0.0, 1e-8)),
    ("adagrad", "mxnet", {}, adagrad(0.0, 1e-7, inside=True)),
    ("adagrad", "mxnet", DECAY, adagrad(0.0, 1e-7, inside=True, c_in_step=True)),
    ("adagrad", "mlx", {}, adagrad(0.0, 1e-8)),
    ("rmsprop", "paper", {}, rmsprop(0.9, 1e-8)),
    ("rmsprop", "tf1", {}, rmsprop(0.9, 1e-10, start=1.0, inside=True)),
    (
        "rmsprop",
        "tf1",
        {"centered": True},
        rmsprop(0.9, 1e-10, start=1.0, inside=True, centered=True),
    ),
    ("rmsprop", "tf1", {"momentum": 0.9}, rmsprop_tf1_momentum),
    ("rmsprop", "chainer", {}, rmsprop(0.99, 1e-8)),
    ("rmsprop", "chainer", DECAY, rmsprop(0.99, 1e-8)),
    ("rmsprop", "mxnet", {}, rmsprop(0.9, 1e-8, inside=True)),
    ("rmsprop", "mxnet", DECAY, rmsprop(0.9, 1e-8, inside=True)),
    ("rmsprop", "mxnet", {"centered": True, "momentum": 0.9}, rmsprop_mxnet_centered),
    ("rmsprop", "mlx", {}, rmsprop(0.99, 1e-8)),
    ("adadelta", "paper", {}, adadelta(0.95, 1e-6)),
    ("adadelta", "tf1", {}, adadelta(0.95, 1e-8)),
    ("adadelta", "chainer", {}, adadelta(0.95, 1e-6)),
    ("adadelta", "chainer", DECAY, adadelta(0.95, 1e-6)),
    ("adadelta", "mlx", {}, adadelta(0.9, 1e-6)),
    ("adam", "paper", {}, adam_paper),
    ("adam", "paper", {"bias_correction": False}, adam_uncorrected),
    ("adam", "tf1", {}, adam_hat),
    ("adam", "chainer", {}, adam_hat),
    ("adam", "chainer", {"amsgrad": True}, amsgrad_hat),
    ("adam", "chainer", DECAY, adam_hat),
    ("adam", "mxnet", {}, adam_hat),
    ("adam", "mxnet", DECAY, adam_hat),
    ("adam", "mlx", {}, adam_uncorrected),
    ("adam", "mlx", {"bias_correction": True}, adam_paper),
    ("adamw", "paper", DECAY, adamw_paper),
    ("adamw", "chainer", DECAY, adamw_chainer),
    ("adamw", "mlx", {}, adamw_mlx),
]


@pytest.mark.parametrize(
    ("name", "dialect", "options", "formula"),
    CASES,
    ids=[f"{n}-{d}-{','.join(f)}" for n, d, f, _ in CASES],
)
def test_dialect_is_the_formula(
    name: str, dialect: str, options: dict[str, Any], formula: Formula
) -> None:
    decay = options.get("weight_decay", 0.01 if name == "adamw" else 0.0)
    remembered: dict[str, Any] = defaultdict(lambda: np.zeros_like(START))
    q = START
    for t, (g, p) in enumerate(zip(GRADIENTS, path_of(name, dialect, **options), strict=True)):
        q = formula(q, g, RATES[t >= DROP], t + 1, decay, remembered)
        assert np.abs(p - q).max() <= TOLERANCE, f"at step {t}"


def test_every_dialect_is_checked_against_a_peer_or_a_formula() -> None:
    """No row of the table may go unchecked: these are all but the installed frameworks' rows."""
    checked = {(name, dialect) for name, dialect, _, _ in CASES}
    installed = {"torch", "optax", "keras"}  # test_dialects.py and test_dialects_keras.py
    samplers = {"sgld", "psgld", "santa"}  # test_optimizers_langevin.py
    missing = {
        (name, dialect)
        for name, dialect in DIALECT_ROWS
        if name not in samplers and dialect not in installed
    } - checked
    assert not missing
