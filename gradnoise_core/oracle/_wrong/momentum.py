"""Mistakes in SGD and momentum."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradnoise_core.oracle._formulas import Memory, momentum
from gradnoise_core.oracle._plain import Plain
from gradnoise_core.oracle._wrong._registry import Mistake, formula, keyword, structure

__all__ = ["MOMENTUM"]

_K = Mapping[str, Any]
_DECAY = {"weight_decay": 0.01}
_NESTEROV = {"nesterov": True}


def _decay_without_rate(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    return p - h * g - k["weight_decay"] * p


def _doubled_decay(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    return p - h * (g + 2 * k["weight_decay"] * p)


def _mean(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    mu = k["momentum"]
    s["b"] = mu * s.get("b", 0.0) + (1 - mu) * (g + k["weight_decay"] * p)
    return p - h * s["b"]


def _decay_beside(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    """Decay the step, not what the momentum sums."""
    return momentum(p, g, h, n, {**k, "weight_decay": 0.0}, s) - h * k["weight_decay"] * p


def _old_buffer(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    before = s.get("b", 0.0 * g)
    s["b"] = k["momentum"] * before + g
    return p - h * before


def _twice_ahead(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    mu = k["momentum"]
    s["b"] = mu * s.get("b", 0.0) + g
    return p - h * (g + mu * (g + mu * s["b"]))


def _without_gradient(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    s["b"] = k["momentum"] * s.get("b", 0.0) + g
    return p - h * k["momentum"] * s["b"]


class _Aliasing(Plain):
    """The buffer is the caller's first gradient itself, which in-place code then changes."""

    def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
        s = self.remembered(name)
        if "b" not in s:
            s["b"] = g
        else:
            s["b"] *= self.keywords["momentum"]
            s["b"] += g
        step = np.array(s["b"])
        g *= 0.0  # zero_grad() by a loop that keeps the arrays
        return p - rate * step


class _DecayInGradient(Plain):
    """``g += c p`` on the caller's array."""

    def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
        g += self.keywords["weight_decay"] * p
        return p - rate * g


MOMENTUM: tuple[Mistake, ...] = (
    Mistake(
        name="sgd-decay-without-rate",
        optimizer="sgd",
        hyperparameters=_DECAY,
        make=formula(_decay_without_rate),
        wrong="the decay is not multiplied by the rate",
        source="Optimisers.jl#182",
    ),
    Mistake(
        name="sgd-decay-doubled",
        optimizer="sgd",
        hyperparameters=_DECAY,
        make=formula(_doubled_decay),
        wrong="the decay is the gradient of c p**2, twice that of c p**2 / 2",
        source="Keras's and TF's l2 regularizers against weight_decay",
    ),
    Mistake(
        name="sgd-decay-written-into-gradient",
        optimizer="sgd",
        hyperparameters=_DECAY,
        make=structure(_DecayInGradient),
        wrong="the decay is added to the caller's gradient in place",
        source="torch-sgld 0.1; MXNet 2.0",
        diagnosis="the caller's gradients are not written to",
        seen_in_path=False,
    ),
    Mistake(
        name="momentum-rate-inside",
        optimizer="momentum",
        dialect="torch",
        make=keyword(rate_inside=True),
        wrong="the rate stands inside the momentum's sum, which tells when the rate falls",
        source="pytorch#1099; Keras, Chainer and MXNet do so",
        diagnosis="`rate_inside` is True",
    ),
    Mistake(
        name="momentum-rate-outside",
        optimizer="momentum",
        dialect="keras",
        make=keyword(rate_inside=False),
        wrong="the rate stands outside the momentum's sum, which tells when the rate falls",
        source="torch where Keras is claimed",
        diagnosis="`rate_inside` is False",
    ),
    Mistake(
        name="momentum-first-step-dampened",
        optimizer="momentum",
        dialect="torch",
        hyperparameters={"dampening": 0.5},
        make=keyword(dampen_first=True),
        wrong="the first step is dampened too",
        source="pytorch PR#152833; MLX (mlx#473, lost again in #629)",
        diagnosis="`dampen_first` is True",
    ),
    Mistake(
        name="momentum-first-step-not-dampened",
        optimizer="momentum",
        dialect="mlx",
        hyperparameters={"dampening": 0.5},
        make=keyword(dampen_first=False),
        wrong="the first step is not dampened",
        source="torch where MLX is claimed",
        diagnosis="`dampen_first` is False, as in torch",
    ),
    Mistake(
        name="momentum-dampening-ignored",
        optimizer="momentum",
        dialect="torch",
        hyperparameters={"dampening": 0.5},
        make=keyword(dampening=0.0),
        wrong="dampening is taken and ignored",
        source="likely slip",
        diagnosis="`dampening` is 0, ",
    ),
    Mistake(
        name="momentum-mean",
        optimizer="momentum",
        dialect="optax",
        make=formula(_mean),
        wrong="the momentum is a running mean: the new gradient is weighed by 1 - mu",
        source="likely slip; optax.ema against optax.trace",
    ),
    Mistake(
        name="momentum-decay-beside",
        optimizer="momentum",
        dialect="torch",
        hyperparameters=_DECAY,
        make=formula(_decay_beside),
        wrong="the decay is added to the step, not to the gradient that the momentum sums",
        source="optax.add_decayed_weights after the trace; SGDW under SGD's name",
        diagnosis="`decoupled_weight_decay` is True, as in keras",
    ),
    Mistake(
        name="momentum-decay-in-buffer",
        optimizer="momentum",
        dialect="keras",
        hyperparameters=_DECAY,
        make=keyword(decoupled_weight_decay=False),
        wrong="the decay goes into the momentum, where it is claimed to be decoupled",
        source="torch's L2 where Keras is claimed",
        diagnosis="`decoupled_weight_decay` is False",
    ),
    Mistake(
        name="momentum-step-late",
        optimizer="momentum",
        dialect="torch",
        make=formula(_old_buffer),
        wrong="the step is by the momentum before this gradient",
        source="likely slip",
    ),
    Mistake(
        name="momentum-buffer-is-the-gradient",
        optimizer="momentum",
        dialect="optax",
        make=structure(_Aliasing),
        wrong="the buffer is the caller's first gradient, not a copy of it",
        source="torch clones it for this reason; likely slip of in-place code",
        diagnosis="the caller's gradients are not written to",
        seen_in_path=False,
    ),
    Mistake(
        name="nesterov-twice-ahead",
        optimizer="momentum",
        dialect="torch",
        hyperparameters=_NESTEROV,
        make=formula(_twice_ahead),
        wrong="Nesterov's step looks ahead from the momentum that has looked ahead",
        source="Chainer's form with the rate outside",
        diagnosis="`nesterov_from_new` is True, as in chainer",
    ),
    Mistake(
        name="nesterov-of-chainer",
        optimizer="momentum",
        dialect="keras",
        hyperparameters=_NESTEROV,
        make=keyword(nesterov_from_new=True),
        wrong="Nesterov's step uses the new velocity where the old one is due",
        source="Chainer 7.8",
        diagnosis="`nesterov_from_new` is True, as in chainer",
    ),
    Mistake(
        name="nesterov-without-gradient",
        optimizer="momentum",
        dialect="torch",
        hyperparameters=_NESTEROV,
        make=formula(_without_gradient),
        wrong="Nesterov's step leaves the new gradient out: mu b for g + mu b",
        source="likely slip",
    ),
    Mistake(
        name="nesterov-ignored",
        optimizer="momentum",
        dialect="torch",
        hyperparameters=_NESTEROV,
        make=keyword(nesterov=False),
        wrong="nesterov is taken and ignored",
        source="Keras's golden test of it leaves the momentum at 0",
        diagnosis="`nesterov` is False",
    ),
)
