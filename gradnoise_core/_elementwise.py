"""Transformations that act on each element alone: one driver for all of them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradnoise_core import _check
from gradnoise_core._base import GradientTransformation
from gradnoise_core._dtypes import compute_dtype
from gradnoise_core._fused import Initial, Noise, Operands, Stage, StageKernel
from gradnoise_core._link import Link
from gradnoise_core._scalars import several, step_count, step_for
from gradnoise_core._tree_noise import check_replicas
from gradnoise_core.tree import Leaves, flatten
from gradnoise_core.typing import Array, Tree

__all__ = ["Noise", "Operands", "elementwise"]


def elementwise(
    state: Callable[..., Any],
    kernel: StageKernel,
    *,
    slots: Sequence[Initial] = (),
    coefficients: Callable[[Any], tuple[Any, ...]] = lambda t: (),
    needs_params: bool = False,
    noise: Noise | None = None,
    scale: int | None = None,
) -> GradientTransformation:
    """Return the transformation that runs `kernel` on each leaf; see `Stage`."""
    seeds = _check.seeds(noise.seed) if noise else 0
    stage = Stage(
        state,
        kernel,
        tuple(slots),
        coefficients,
        needs_params=needs_params,
        noise=Noise(seeds, noise.domain) if noise else None,
        scale=scale,
    )

    def init(params: Tree) -> Any:
        tree = flatten(params, "params")
        check_replicas(tree, "params", seeds)
        return state(0, *(tree.rebuild(_initial(tree, slot)) for slot in slots))

    def replicas(tree: Leaves, state_: Any) -> bool:
        _check_state(state, state_, len(slots))
        check_replicas(tree, "grads", seeds)
        wanted = _replicas(tree, coefficients, step_count(state_.count))
        return wanted or not isinstance(seeds, int)

    return GradientTransformation(init, Link(stage=stage, replicas=replicas))


def _check_state(kind: Any, state: Any, slots: int) -> None:
    if not (hasattr(state, "_fields") and len(state) == 1 + slots and hasattr(state, "count")):
        message = (
            f"`state` must be a {kind.__name__}, got a {type(state).__name__}. Make it with this "
            "transformation's `init(params)`."
        )
        raise ValueError(message)


def _initial(tree: Leaves, slot: Initial) -> list[Array]:
    if callable(slot):
        return slot(tree)
    xp = tree.backend.namespace if tree.backend else np
    return [xp.full_like(x, slot, dtype=compute_dtype(x, xp)) for x in tree.leaves]


def _replicas(tree: Leaves, coefficients: Callable[[Any], tuple[Any, ...]], t: Any) -> bool:
    """Return whether a coefficient has a number for each replica, and refuse leaves without."""
    if not tree.leaves:
        return False
    sizes = [len(c) for c in coefficients(step_for(t, tree.leaves[0])) if several(c)]
    for size in sizes:
        check_replicas(tree, "grads", range(size))
    return bool(sizes)
