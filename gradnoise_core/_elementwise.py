"""Transformations that act on each element alone: one driver for all of them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gradnoise_core import _check
from gradnoise_core._base import GradientTransformation
from gradnoise_core._dtypes import compute_dtype
from gradnoise_core._link import Link
from gradnoise_core._packed import Packed, pack_like, unpack
from gradnoise_core._tree_noise import check_replicas, packed_normals
from gradnoise_core.backend import backend_of
from gradnoise_core.tree import Leaves, flatten, flatten_like
from gradnoise_core.typing import Array, Rate, Seed, Step, Tree

__all__ = ["Noise", "Operands", "align", "elementwise", "rate_at", "step_count", "step_for"]


# A tuple, not a union: torch.compile sees through no union that holds NumPy's types.
_HOST = (np.ndarray, np.generic, list, tuple)
_NUMPYS = (np.ndarray, np.generic)


class Operands(NamedTuple):
    """What a kernel reads of one leaf, all of one shape and in its compute dtype."""

    g: Array
    p: Array
    z: Array
    slots: tuple[Array, ...]


class Noise(NamedTuple):
    """The stream that a kernel's standard normals z come from."""

    seed: Seed
    domain: str


#: ``(xp, operands, *coefficients) -> (update, slots)``
Kernel = Callable[..., tuple[Array, tuple[Array, ...]]]

#: What a slot holds at first: a number, or a function of the parameters' leaves.
Initial = float | Callable[[Leaves], list[Array]]


def elementwise(
    state: Callable[..., Any],
    kernel: Kernel,
    *,
    slots: Sequence[Initial] = (),
    coefficients: Callable[[Any], tuple[Any, ...]] = lambda t: (),
    needs_params: bool = False,
    noise: Noise | None = None,
) -> GradientTransformation:
    """Return the transformation that runs `kernel` on each leaf.

    Parameters
    ----------
    state : callable
        The state's named tuple: ``count``, then one tree for each slot.
    kernel : callable
        ``(xp, operands, *coefficients) -> (update, slots)`` on arrays of one shape.
    slots : sequence
        What the accumulators hold at first.
    coefficients : callable
        ``t -> tuple`` of numbers, of arrays of R numbers (one a replica), or of 0-d arrays.
    needs_params : bool
        Whether the kernel reads the parameters p.
    noise : Noise, optional
        Where the kernel's normals z come from.
    """
    seeds = _check.seeds(noise.seed) if noise else 0

    def init(params: Tree) -> Any:
        tree = flatten(params, "params")
        check_replicas(tree, "params", seeds)
        return state(0, *(tree.rebuild(_initial(tree, slot)) for slot in slots))

    def replicas(tree: Leaves, state_: Any) -> bool:
        _check_state(state, state_, len(slots))
        check_replicas(tree, "grads", seeds)
        several = _replicas(tree, coefficients, step_count(state_.count))
        return several or not isinstance(seeds, int)

    def run(packed: Packed, state_: Any, params: list[Array] | None) -> tuple[list[Array], Any]:
        t = step_count(state_.count)
        nothing = [None] * len(packed.arrays)
        p = params if needs_params and params is not None else nothing
        z = packed_normals(packed, seeds, t, noise.domain) if noise else nothing
        held = [
            pack_like(flatten_like(tree, packed.tree, "grads", f"state.{name}"), packed)
            for name, tree in zip(state_._fields[1:], state_[1:], strict=True)
        ]
        results = [
            _run(kernel, coefficients, t, *operands)
            for operands in zip(packed.arrays, p, z, *held, strict=True)
        ]
        columns = [[r[k] for r in results] for k in range(1 + len(slots))]
        trees = (packed.tree.rebuild(unpack(column, packed)) for column in columns[1:])
        return columns[0], state(t + 1, *trees)

    return GradientTransformation(init, Link(run, replicas, needs_params))


def _check_state(kind: Any, state: Any, slots: int) -> None:
    if not (hasattr(state, "_fields") and len(state) == 1 + slots and hasattr(state, "count")):
        message = (
            f"`state` must be a {kind.__name__}, got a {type(state).__name__}. Make it with this "
            "transformation's `init(params)`."
        )
        raise ValueError(message)


def step_count(t: Step) -> Step:
    """Return a concrete NumPy count, as a loaded checkpoint has it, as the Python int it was."""
    return int(t) if isinstance(t, _NUMPYS) else t


def step_for(t: Step, leaf: Array) -> Any:
    """Return t as a Python int, or as an array in the leaf's compute dtype where it is traced."""
    backend = backend_of(leaf)
    if isinstance(t, int) and not backend.traced(None):
        return t
    xp = backend.namespace
    if isinstance(t, int):  # torch.compile would compile anew for every number
        return xp.full((), t, dtype=compute_dtype(leaf, xp), device=backend.device(leaf))
    return xp.astype(xp.asarray(t), compute_dtype(leaf, xp))


def rate_at(rate: Rate, t: Any) -> Any:
    """Return the value of a rate, a number, R of them or a schedule, at step t."""
    value = rate(t) if callable(rate) else rate
    return np.asarray(value) if isinstance(value, list | tuple) else value


def align(value: Any, leaf: Array) -> Any:
    """Return a number as it is, and R of them shaped to meet the leaf's replica axis."""
    if isinstance(value, int | float):
        return value
    backend = backend_of(leaf)
    xp = backend.namespace
    if isinstance(value, _HOST):
        value = backend.from_host(np.asarray(value), device=backend.device(leaf))
    value = xp.astype(value, compute_dtype(leaf, xp))
    return xp.reshape(value, (*value.shape, *(1,) * (leaf.ndim - 1))) if value.ndim else value


def _initial(tree: Leaves, slot: Initial) -> list[Array]:
    if callable(slot):
        return slot(tree)
    xp = tree.backend.namespace if tree.backend else np
    return [xp.full_like(x, slot, dtype=compute_dtype(x, xp)) for x in tree.leaves]


def _replicas(tree: Leaves, coefficients: Callable[[Any], tuple[Any, ...]], t: Step) -> bool:
    """Return whether a coefficient has a number for each replica, and refuse leaves without."""
    if not tree.leaves:
        return False
    sizes = [len(c) for c in coefficients(step_for(t, tree.leaves[0])) if _several(c)]
    for size in sizes:
        check_replicas(tree, "grads", range(size))
    return bool(sizes)


def _several(value: Any) -> bool:
    return not isinstance(value, int | float) and len(getattr(value, "shape", (0,))) == 1


def _run(
    kernel: Kernel,
    coefficients: Callable[[Any], tuple[Any, ...]],
    t: Step,
    g: Array,
    p: Array | None,
    z: Array | None,
    *slots: Array,
) -> tuple[Array, ...]:
    """Run the kernel on one leaf, in its compute dtype, and round the update once."""
    backend = backend_of(g)
    xp = backend.namespace
    dtype = compute_dtype(g, xp)
    scalars = [align(c, g) for c in coefficients(step_for(t, g))]
    have = [x is not None for x in (g, p, z)]
    arrays = [xp.astype(x, dtype, copy=False) for x in (g, p, z) if x is not None]
    n = len(arrays)

    def run(*values: Any) -> tuple[Array, ...]:
        given = iter(values[:n])
        g, p, z = (next(given) if present else None for present in have)
        held, rest = values[n : n + len(slots)], values[n + len(slots) :]
        update, new = kernel(xp, Operands(g, p, z, held), *rest)
        return update, *new

    update, *new = backend.elementwise(run, (*arrays, *slots), scalars)
    return xp.astype(update, g.dtype, copy=False), *new
