"""A formula as a plain step on a dict of NumPy arrays: what is simplest to write, and to get wrong."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from gradnoise_core.oracle._formulas import Formula, Memory

__all__ = ["Plain"]


class Plain:
    """``step(params, grads, rate) -> new params``, which remembers what its formula needs.

    Parameters
    ----------
    formula : Formula
    keywords : mapping
        Of the formula.
    """

    def __init__(self, formula: Formula, keywords: Mapping[str, Any]) -> None:
        self.formula, self.keywords = formula, keywords
        self.count = 0
        self.memory: dict[str, Memory] = {}

    def __call__(
        self, params: Mapping[str, Any], grads: Mapping[str, Any], rate: float
    ) -> dict[str, Any]:
        """Return the new parameters."""
        self.count += 1
        return {name: self.leaf(name, p, grads[name], rate) for name, p in params.items()}

    def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
        """Return one leaf after the step."""
        with np.errstate(all="ignore"):  # what divides by 0 is to be judged, not to warn
            new = self.formula(p, g, rate, self.count, self.keywords, self.remembered(name))
        return np.asarray(new, dtype=np.asarray(p).dtype)

    def remembered(self, name: str) -> Memory:
        """Return what is remembered of a leaf."""
        return self.memory.setdefault(name, {})

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of all that is remembered."""
        return {"count": self.count, "memory": copy.deepcopy(self.memory)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.count, self.memory = state["count"], copy.deepcopy(dict(state["memory"]))
