"""Mistakes in AdaGrad, RMSProp and AdaDelta, which divide by a root of squares."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradnoise_core.oracle._formulas import Memory, decayed, divide
from gradnoise_core.oracle._wrong._registry import Mistake, formula, keyword

__all__ = ["SQUARES"]

_K = Mapping[str, Any]
_CENTRED = {"centered": True}


def _adagrad_without_root(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    s["a"] = s.get("a", k["initial_accumulator"]) + g * g
    return p - h * g / (s["a"] + k["eps"])


def _adagrad_late(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    before = s.get("a", k["initial_accumulator"] + 0.0 * g)
    s["a"] = before + g * g
    return p - h * divide(g, before, k["eps"], k["eps_in_sqrt"])


def _adagrad_reset(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    if n % 20 == 1:
        s["a"] = k["initial_accumulator"]
    s["a"] = s["a"] + g * g
    return p - h * divide(g, s["a"], k["eps"], k["eps_in_sqrt"])


def _adagrad_of_leaf(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    s["a"] = s.get("a", k["initial_accumulator"]) + np.sum(g * g)
    return p - h * divide(g, s["a"], k["eps"], k["eps_in_sqrt"])


def _adagrad_divides_by_zero(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    s["a"] = s.get("a", k["initial_accumulator"]) + g * g
    return p - h * g / np.sqrt(s["a"])


def _adagrad_mean(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    s["a"] = s.get("a", k["initial_accumulator"]) + g * g
    return p - h * divide(g, s["a"] / n, k["eps"], k["eps_in_sqrt"])


def _rmsprop(p: Any, g: Any, h: Any, k: _K, s: Memory, variance: Any) -> Any:
    g = decayed(p, g, k)
    rho = k["decay"]
    s["v"] = rho * s.get("v", k["initial_accumulator"]) + (1 - rho) * (g * g)
    s["m"] = rho * s.get("m", 0.0) + (1 - rho) * g
    return p - h * divide(g, variance(s["v"], s["m"]), k["eps"], k["eps_in_sqrt"])


def _rmsprop_plus(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    return _rmsprop(p, g, h, k, s, lambda v, m: v + m * m)


def _rmsprop_mean_not_squared(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    return _rmsprop(p, g, h, k, s, lambda v, m: np.abs(v - m))


def _rmsprop_weights_swapped(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    rho = 1 - k["decay"]
    s["v"] = rho * s.get("v", k["initial_accumulator"]) + (1 - rho) * (g * g)
    return p - h * divide(g, s["v"], k["eps"], k["eps_in_sqrt"])


def _rmsprop_corrected(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    rho = k["decay"]
    s["v"] = rho * s.get("v", 0.0) + (1 - rho) * (g * g)
    return p - h * divide(g, s["v"] / (1 - rho**n), k["eps"], k["eps_in_sqrt"])


def _rmsprop_momentum_of_gradient(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    rho = k["decay"]
    s["v"] = rho * s.get("v", k["initial_accumulator"]) + (1 - rho) * (g * g)
    s["b"] = k["momentum"] * s.get("b", 0.0) + g
    return p - h * divide(s["b"], s["v"], k["eps"], k["eps_in_sqrt"])


def _adadelta(step: Any) -> Any:
    """Return AdaDelta with ``step(g, v, d, h, k) -> (step, what is averaged)``."""

    def wrong(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
        g = decayed(p, g, k)
        rho = k["decay"]
        s["v"] = rho * s.get("v", 0.0) + (1 - rho) * (g * g)
        u, averaged = step(g, s["v"], s.get("d", 0.0), h, k)
        s["d"] = rho * s.get("d", 0.0) + (1 - rho) * averaged**2
        return p - u

    return wrong


def _swapped(g: Any, v: Any, d: Any, h: Any, k: _K) -> Any:
    u = np.sqrt((v + k["eps"]) / (d + k["eps"])) * g
    return h * u, u


def _without_steps(g: Any, v: Any, d: Any, h: Any, k: _K) -> Any:
    u = g / np.sqrt(v + k["eps"])
    return h * u, u


def _rate_in_mean(g: Any, v: Any, d: Any, h: Any, k: _K) -> Any:
    u = h * np.sqrt((d + k["eps"]) / (v + k["eps"])) * g
    return u, u


def _no_rate(g: Any, v: Any, d: Any, h: Any, k: _K) -> Any:
    u = np.sqrt((d + k["eps"]) / (v + k["eps"])) * g
    return u, u


def _eps_outside(g: Any, v: Any, d: Any, h: Any, k: _K) -> Any:
    u = (np.sqrt(d) + k["eps"]) / (np.sqrt(v) + k["eps"]) * g
    return h * u, u


SQUARES: tuple[Mistake, ...] = (
    Mistake(
        name="adagrad-starts-at-a-tenth",
        optimizer="adagrad",
        dialect="torch",
        make=keyword(initial_accumulator=0.1),
        wrong="the sum of squares starts at 0.1",
        source="optax, Keras and TF 1 where torch is claimed",
        diagnosis="`initial_accumulator` is 0.1",
    ),
    Mistake(
        name="adagrad-starts-at-zero",
        optimizer="adagrad",
        dialect="optax",
        make=keyword(initial_accumulator=0.0),
        wrong="the sum of squares starts at 0",
        source="torch, Chainer and MLX where optax is claimed",
        diagnosis="`initial_accumulator` is 0",
    ),
    Mistake(
        name="adagrad-eps-inside",
        optimizer="adagrad",
        dialect="torch",
        make=keyword(eps_in_sqrt=True),
        wrong="eps stands inside the root",
        source="optax, Keras and MXNet where torch is claimed",
        diagnosis="`eps_in_sqrt` is True",
    ),
    Mistake(
        name="adagrad-eps-outside",
        optimizer="adagrad",
        dialect="keras",
        hyperparameters={"initial_accumulator": 0.0},
        make=keyword(eps_in_sqrt=False),
        wrong="eps stands outside the root",
        source="passes Keras's golden arrays",
        diagnosis="`eps_in_sqrt` is False",
    ),
    Mistake(
        name="adagrad-no-root",
        optimizer="adagrad",
        make=formula(_adagrad_without_root),
        wrong="the root of the sum of squares is forgotten",
        source="likely slip",
    ),
    Mistake(
        name="adagrad-old-sum",
        optimizer="adagrad",
        dialect="optax",
        make=formula(_adagrad_late),
        wrong="the sum of squares lags a step behind",
        source="likely slip",
    ),
    Mistake(
        name="adagrad-reset",
        optimizer="adagrad",
        make=formula(_adagrad_reset),
        wrong="the sum of squares is reset every 20 steps, as at the start of an epoch",
        source="likely slip: the optimizer is made anew each epoch",
    ),
    Mistake(
        name="adagrad-sum-of-leaf",
        optimizer="adagrad",
        make=formula(_adagrad_of_leaf),
        wrong="one sum of squares serves a whole leaf (AdaGrad-Norm)",
        source="Ward et al. (2019) under AdaGrad's name",
    ),
    Mistake(
        name="adagrad-divides-by-zero",
        optimizer="adagrad",
        dialect="tf1",
        hyperparameters={"initial_accumulator": 0.0},
        make=formula(_adagrad_divides_by_zero),
        wrong="an element without a gradient is divided by 0",
        source="TF 1 requires a positive start for this reason",
    ),
    Mistake(
        name="adagrad-mean-for-sum",
        optimizer="adagrad",
        make=formula(_adagrad_mean),
        wrong="the squares are averaged, not summed",
        source="likely slip",
    ),
    Mistake(
        name="rmsprop-eps-inside",
        optimizer="rmsprop",
        dialect="torch",
        make=keyword(eps_in_sqrt=True),
        wrong="eps stands inside the root",
        source="pytorch#23796, jax PR#1427, chainer#4754",
        diagnosis="`eps_in_sqrt` is True",
    ),
    Mistake(
        name="rmsprop-eps-outside",
        optimizer="rmsprop",
        dialect="keras",
        make=keyword(eps_in_sqrt=False),
        wrong="eps stands outside the root",
        source="tensorflow#58412; passes Keras's golden arrays",
        diagnosis="`eps_in_sqrt` is False",
    ),
    Mistake(
        name="rmsprop-starts-at-one",
        optimizer="rmsprop",
        dialect="torch",
        make=keyword(initial_accumulator=1.0),
        wrong="the mean of squares starts at 1",
        source="TF 1 where torch is claimed; optax's initial_scale",
        diagnosis="`initial_accumulator` is 1, as in tf1",
    ),
    Mistake(
        name="rmsprop-decay-of-another",
        optimizer="rmsprop",
        dialect="torch",
        make=keyword(decay=0.9),
        wrong="the decay is 0.9, where torch's is 0.99",
        source="pytorch#23796",
        diagnosis="`decay` is 0.9",
    ),
    Mistake(
        name="rmsprop-weights-swapped",
        optimizer="rmsprop",
        dialect="keras",
        make=formula(_rmsprop_weights_swapped),
        wrong="rho weighs the new square, not the old mean",
        source="likely slip",
        diagnosis="`decay` is 0.1, not 0.9",
    ),
    Mistake(
        name="rmsprop-bias-corrected",
        optimizer="rmsprop",
        dialect="optax",
        make=formula(_rmsprop_corrected),
        wrong="the bias of the mean of squares is corrected",
        source="optax.rmsprop(bias_correction=True)",
    ),
    Mistake(
        name="rmsprop-centred-plus",
        optimizer="rmsprop",
        dialect="torch",
        hyperparameters=_CENTRED,
        make=formula(_rmsprop_plus),
        wrong="the squared mean is added to the mean of squares, not subtracted",
        source="likely slip",
    ),
    Mistake(
        name="rmsprop-centred-mean-not-squared",
        optimizer="rmsprop",
        dialect="torch",
        hyperparameters=_CENTRED,
        make=formula(_rmsprop_mean_not_squared),
        wrong="the mean is subtracted without being squared",
        source="likely slip",
    ),
    Mistake(
        name="rmsprop-not-centred",
        optimizer="rmsprop",
        dialect="torch",
        hyperparameters=_CENTRED,
        make=keyword(centered=False),
        wrong="centered is taken and ignored",
        source="likely slip",
        diagnosis="`centered` is False",
    ),
    Mistake(
        name="rmsprop-momentum-rate-inside",
        optimizer="rmsprop",
        dialect="torch",
        hyperparameters={"momentum": 0.9},
        make=keyword(rate_inside=True),
        wrong="the rate stands inside the momentum's sum",
        source="optax, Keras, TF 1 and MXNet where torch is claimed",
        diagnosis="`rate_inside` is True",
    ),
    Mistake(
        name="rmsprop-momentum-of-gradient",
        optimizer="rmsprop",
        dialect="torch",
        hyperparameters={"momentum": 0.9},
        make=formula(_rmsprop_momentum_of_gradient),
        wrong="the momentum sums gradients, which are divided by the root only then",
        source="likely slip",
    ),
    Mistake(
        name="adadelta-swapped",
        optimizer="adadelta",
        make=formula(_adadelta(_swapped)),
        wrong="the two running means are swapped",
        source="likely slip",
    ),
    Mistake(
        name="adadelta-without-steps",
        optimizer="adadelta",
        make=formula(_adadelta(_without_steps)),
        wrong="the root of the mean of squared steps is left out",
        source="likely slip",
    ),
    Mistake(
        name="adadelta-rate-in-mean",
        optimizer="adadelta",
        dialect="torch",
        make=formula(_adadelta(_rate_in_mean)),
        wrong="the running mean is of squared steps that are multiplied by the rate",
        source="likely slip",
    ),
    Mistake(
        name="adadelta-no-rate",
        optimizer="adadelta",
        dialect="torch",
        make=formula(_adadelta(_no_rate)),
        wrong="the rate is taken and ignored",
        source="the paper has none; torch and Keras have",
    ),
    Mistake(
        name="adadelta-eps-outside",
        optimizer="adadelta",
        make=formula(_adadelta(_eps_outside)),
        wrong="eps stands outside both roots",
        source="likely slip",
    ),
)
