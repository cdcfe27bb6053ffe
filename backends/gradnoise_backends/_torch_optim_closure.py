"""Closures that make a gradient, so that they make a noisy one.

Each evaluation within a step sees the noise n of that step, and so the gradient of one function,
``f(x) + n . (x - x0)``, where x0 is where the step starts. A line search looks at values too; so
they are of that function as well. Its value at x0, which ``step`` returns, is f's.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

__all__ = ["noisy"]

Leaves = Mapping[str, torch.Tensor]


def noisy(
    closure: Callable[[], Any],
    add: Callable[[], None],
    drawn: Callable[[], tuple[Leaves, Leaves]] | None,
) -> Callable[[], Any]:
    """Return a closure that adds noise to the gradients which `closure` leaves.

    Parameters
    ----------
    closure : callable
        Makes the gradients and returns the loss.
    add : callable
        Adds the noise of the step to the gradients.
    drawn : callable, optional
        Returns the parameters that have a gradient, and the noise of each: for a line search.
    """
    slope = None if drawn is None else _Slope(drawn)

    def evaluate() -> Any:
        loss = closure()
        add()
        return loss if slope is None else loss + slope.at_here()

    return evaluate


class _Slope:
    """The linear function ``n . (x - x0)``."""

    def __init__(self, drawn: Callable[[], tuple[Leaves, Leaves]]) -> None:
        self._drawn = drawn
        self._parts: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] | None = None

    def at_here(self) -> Any:
        """Return its value where the parameters are now; 0 where they are at first."""
        with torch.no_grad():
            if self._parts is None:
                params, noise = self._drawn()
                self._parts = [(p, p.detach().clone(), noise[name]) for name, p in params.items()]
                return 0.0
            # In binary64: near the minimum a line search compares values that differ little.
            return sum(float(((p - x0).double() * n.double()).sum()) for p, x0, n in self._parts)
