"""What a known mistake is: how an optimizer with it steps, what is wrong, where it was found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradnoise_core.oracle._formulas import FORMULAS, Formula
from gradnoise_core.oracle._plain import Plain

__all__ = ["Make", "Mistake", "formula", "in_float32", "keyword", "structure"]

#: ``(optimizer, its keywords) -> a plain step with the mistake``.
Make = Callable[[str, Mapping[str, Any]], Plain]


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One mistake, and what an implementation that makes it claims to be.

    Parameters
    ----------
    name : str
        Words joined by hyphens.
    optimizer, dialect : str
        What is claimed.
    hyperparameters : mapping
        What is claimed besides.
    make : callable
        ``(optimizer, keywords) -> Plain``.
    wrong : str
        What is wrong, in a sentence without a full stop.
    source : str
        Where it was found, or ``"likely slip"``.
    diagnosis : str
        What the report must say; `wrong` where it is empty.
    learning_rate : float
        With which it is judged.
    any_optimizer : bool
        Whether other optimizers can have the mistake too.
    seen_in_path : bool
        Whether the parameters tell; else resumption, or the gradients.
    """

    name: str
    optimizer: str
    dialect: str = "paper"
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    make: Make
    wrong: str
    source: str
    diagnosis: str = ""
    learning_rate: float = 0.05
    any_optimizer: bool = False
    seen_in_path: bool = True


def formula(wrong: Formula) -> Make:
    """Return what makes a step of a wrong formula."""
    return lambda optimizer, k: Plain(wrong, k)


def keyword(**changes: Any) -> Make:
    """Return what makes the right formula with other keywords; a function gets the right value."""

    def make(optimizer: str, k: Mapping[str, Any]) -> Plain:
        new = {name: x(k[name]) if callable(x) else x for name, x in changes.items()}
        return Plain(FORMULAS[optimizer], {**k, **new})

    return make


def in_float32(k: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords with their numbers rounded to float32."""
    return {n: float(np.float32(x)) if isinstance(x, float) else x for n, x in k.items()}


def structure(kind: Callable[[Formula, Mapping[str, Any]], Plain]) -> Make:
    """Return what makes a step of the right formula in a wrong frame."""
    return lambda optimizer, k: kind(FORMULAS[optimizer], k)
