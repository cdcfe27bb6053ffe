"""Mistakes in decoupled weight decay."""

from collections.abc import Mapping
from typing import Any

from gradnoise_core.oracle._formulas import Memory, adamw, decoupled
from gradnoise_core.oracle._plain import Plain
from gradnoise_core.oracle._wrong._registry import Mistake, formula, keyword

__all__ = ["ADAMW", "as_adamw"]

_K = Mapping[str, Any]
_DECAY = {"weight_decay": 0.01}


def as_adamw(mistake: Mistake, k: _K) -> Plain:
    """Return an AdamW that makes a mistake of Adam's."""
    step = mistake.make("adam", k)
    adam = step.formula
    step.formula = lambda p, g, h, n, k, s: decoupled(adam, p, g, h, n, k, s)
    return step


def _plain(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    """Return the parameters after a step without decay."""
    return adamw(p, g, h, n, {**k, "weight_decay": 0.0}, s)


def _coupled(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    return _plain(p, g + k["weight_decay"] * p, h, n, k, s)


def _after(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    return _plain(p, g, h, n, k, s) * (1 - h * k["weight_decay"])


def _in_direction(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    return _plain(p, g, h, n, k, s) + h * k["weight_decay"] * p


def _rate_squared(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    return _plain(p, g, h, n, k, s) - h * h * k["weight_decay"] * p


def _in_moment(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    new = _plain(p, g, h, n, k, s)
    s["m"] = s["m"] + k["weight_decay"] * p
    return new


ADAMW: tuple[Mistake, ...] = (
    Mistake(
        name="adamw-coupled",
        optimizer="adamw",
        dialect="torch",
        hyperparameters=_DECAY,
        make=formula(_coupled),
        wrong="the weight decay is added to the gradient (L2), where it is claimed to be decoupled",
        source="torch.optim.Adam(weight_decay=...) under AdamW's name",
    ),
    Mistake(
        name="adamw-decay-without-rate",
        optimizer="adamw",
        dialect="torch",
        hyperparameters=_DECAY,
        make=keyword(decay_by="nothing"),
        wrong="the decay is not multiplied by the rate",
        source="Chainer, TF Addons; Optimisers.jl#182",
        diagnosis="`decay_by` is nothing, as in chainer",
    ),
    Mistake(
        name="adamw-decay-by-first-rate",
        optimizer="adamw",
        dialect="torch",
        hyperparameters=_DECAY,
        make=keyword(decay_by="schedule"),
        wrong="the decay follows the schedule's multiplier, and not the rate",
        source="Loshchilov & Hutter's algorithm 2; timm's fixed decay",
        diagnosis="`decay_by` is schedule, as in paper",
    ),
    Mistake(
        name="adamw-decay-after-step",
        optimizer="adamw",
        dialect="torch",
        hyperparameters=_DECAY,
        make=formula(_after),
        wrong="the parameters decay after the step, not before",
        source="likely slip",
    ),
    Mistake(
        name="adamw-decay-grows",
        optimizer="adamw",
        dialect="optax",
        hyperparameters=_DECAY,
        make=formula(_in_direction),
        wrong="the decay has the wrong sign: the parameters grow",
        source="likely slip where updates are added",
    ),
    Mistake(
        name="adamw-decay-by-rate-squared",
        optimizer="adamw",
        dialect="torch",
        hyperparameters=_DECAY,
        make=formula(_rate_squared),
        wrong="the decay is multiplied by the rate twice",
        source="likely slip: optax.add_decayed_weights given h c before the scaling by h",
    ),
    Mistake(
        name="adamw-decay-in-moment",
        optimizer="adamw",
        dialect="torch",
        hyperparameters=_DECAY,
        make=formula(_in_moment),
        wrong="the decay is added to the stored first moment",
        source="likely slip of in-place code",
    ),
    Mistake(
        name="adamw-no-decay",
        optimizer="adamw",
        dialect="torch",
        hyperparameters=_DECAY,
        make=keyword(weight_decay=0.0),
        wrong="the weight decay is taken and ignored",
        source="likely slip",
        diagnosis="`weight_decay` is 0, not 0.01",
    ),
    Mistake(
        name="adamw-decay-of-another",
        optimizer="adamw",
        dialect="torch",
        make=keyword(weight_decay=1e-4),
        wrong="the weight decay is optax's default",
        source="torch's is 0.01, optax's 1e-4, Keras's 0.004",
        diagnosis="`weight_decay` is 0.0001, as in optax, not 0.01",
    ),
)
