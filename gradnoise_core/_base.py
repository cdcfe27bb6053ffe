"""The contract of every transformation, which is optax's."""

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["EmptyState", "GradientTransformation"]


class GradientTransformation(NamedTuple):
    """A pair of pure functions.

    Attributes
    ----------
    init : callable
        ``params -> state``; the state is a named tuple of arrays and step counts, nothing else.
    update : callable
        ``(grads, state, params=None) -> (updates, state)``; changes none of its arguments.
    """

    init: Callable[..., Any]
    update: Callable[..., Any]


class EmptyState(NamedTuple):
    """The state of a transformation that remembers nothing."""
