"""Division by a root with eps, which the optimizers place in two ways."""

from gradnoise_core.typing import Array, Namespace

__all__ = ["divide_by_root"]


def divide_by_root(xp: Namespace, g: Array, a: Array, eps: float, eps_in_sqrt: bool) -> Array:
    """Return ``g / sqrt(a + eps)`` or ``g / (sqrt(a) + eps)``; 0 where that is 0 / 0."""
    root = xp.sqrt(a + eps) if eps_in_sqrt else xp.sqrt(a) + eps
    if eps == 0:
        empty = a == 0
        root = xp.where(empty, xp.ones_like(a), root)
        g = xp.where(empty, xp.zeros_like(g), g)
    return g / root
