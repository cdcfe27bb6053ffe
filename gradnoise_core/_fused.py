"""Stages: what transformations do to each element alone, and how several run as one.

A chain of ours is mostly stages. Those that follow one another are composed into one kernel, so
that a noisy optimizer reads its gradient once and writes its results once, wherever the backend
can: it draws the normals of a piece, runs the kernel on that piece, and goes on.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gradnoise_core._dtypes import compute_dtype, dtype_name
from gradnoise_core._packed import Packed, pack_like, unpack
from gradnoise_core._scalars import align, several, step_count, step_for
from gradnoise_core._tree_noise import group_runs, packed_normals, runs_of_shard
from gradnoise_core.backend import Backend, backend_of
from gradnoise_core.random._runs import Runs
from gradnoise_core.tree import Leaves, flatten_like
from gradnoise_core.typing import Array, Namespace, Seed

__all__ = ["Draw", "Noise", "Operands", "Stage", "run_stages"]


class Operands(NamedTuple):
    """What a stage's kernel reads of one leaf, all of one shape and in its compute dtype."""

    g: Array
    p: Array
    z: Array
    slots: tuple[Array, ...]


class Noise(NamedTuple):
    """The stream that a kernel's standard normals z come from."""

    seed: Seed
    domain: str


class Draw(NamedTuple):
    """The normals of one stage, for a backend that draws them as it goes.

    Attributes
    ----------
    runs : Runs
    wanted : tuple of bool, optional
        Which replicas have noise; those without (variance 0) may be given zeros.
    """

    runs: Runs
    wanted: tuple[bool, ...] | None


# A tuple, not a union: torch.compile sees through no union that holds NumPy's types.
_HOST = (int, float, np.ndarray)

#: What a slot holds at first: a number, or a function of the parameters' leaves.
Initial = float | Callable[[Leaves], list[Array]]

#: ``(xp, operands, *coefficients) -> (update, slots)``
StageKernel = Callable[..., tuple[Array, tuple[Array, ...]]]


@dataclass(frozen=True)
class Stage:
    """What a transformation does to each element.

    Parameters
    ----------
    state : callable
        The state's named tuple: ``count``, if it has one, then a tree for each slot.
    kernel : callable
        ``(xp, operands, *coefficients) -> (update, slots)`` on arrays of one shape. Its attribute
        ``noise_sign``, if it has one, says that it is ``g + noise_sign * coefficient * z``.
    slots : tuple
        What the accumulators hold at first.
    coefficients : callable
        ``t -> tuple`` of numbers, of arrays of R numbers (one a replica), or of 0-d arrays.
    measure : callable, optional
        ``packed gradients -> tuple`` of further coefficients, measured on the whole gradient.
    needs_params : bool
        Whether the kernel reads the parameters p.
    noise : Noise, optional
        Where the kernel's normals z come from.
    scale : int, optional
        Which coefficient all of z is multiplied by: where it is 0 no z is needed.
    """

    state: Any
    kernel: StageKernel
    slots: tuple[Initial, ...] = ()
    coefficients: Callable[[Any], tuple[Any, ...]] = lambda t: ()
    measure: Callable[[Packed], tuple[Any, ...]] | None = None
    needs_params: bool = False
    noise: Noise | None = None
    scale: int | None = None

    @property
    def counts(self) -> bool:
        """Whether the state counts updates."""
        return "count" in self.state._fields


def run_stages(
    stages: Sequence[Stage], packed: Packed, states: Sequence[Any], params: list[Array] | None
) -> tuple[list[Array], list[Any]]:
    """Run stages one after another on packed gradients; return the updates and the new states."""
    steps = [step_count(s.count) if stage.counts else 0 for stage, s in _pairs(stages, states)]
    held = [_slots(stage, s, packed) for stage, s in _pairs(stages, states)]
    measured = tuple(stage.measure(packed) if stage.measure else () for stage in stages)
    plan = _Plan(tuple(stages), tuple(steps), measured, _lazily(packed))
    normals = plan.normals(packed)
    columns: list[list[Array]] = []
    for k, g in enumerate(packed.arrays):
        p = params[k] if params is not None and any(s.needs_params for s in stages) else None
        slots = [tree[k] for stage_slots in held for tree in stage_slots]
        columns.append(plan.run(packed, k, g, p, slots, [z[k] for z in normals]))
    rows = list(zip(*columns, strict=True)) or [()] * (1 + sum(len(s.slots) for s in stages))
    return list(rows[0]), _new_states(stages, states, steps, [list(r) for r in rows[1:]], packed)


def _pairs(stages: Sequence[Stage], states: Sequence[Any]) -> Any:
    return zip(stages, states, strict=True)


def _slots(stage: Stage, state: Any, packed: Packed) -> list[list[Array]]:
    """Return the accumulators of a state, packed as the gradients are."""
    first = 1 if stage.counts else 0
    return [
        pack_like(flatten_like(tree, packed.tree, "grads", f"state.{name}"), packed)
        for name, tree in zip(state._fields[first:], state[first:], strict=True)
    ]


def _new_states(
    stages: Sequence[Stage],
    states: Sequence[Any],
    steps: Sequence[Any],
    rows: list[list[Array]],
    packed: Packed,
) -> list[Any]:
    new, columns = [], iter(rows)
    for stage, state, t in zip(stages, states, steps, strict=True):
        if not stage.counts:
            new.append(state)
            continue
        trees = [packed.tree.rebuild(unpack(next(columns), packed)) for _ in stage.slots]
        new.append(stage.state(t + 1, *trees))
    return new


def _lazily(packed: Packed) -> bool:
    """Return whether the backend draws normals as it goes."""
    backend = packed.tree.backend
    return backend is not None and backend.elementwise is not None and not backend.traced(None)


class _Plan(NamedTuple):
    """How stages run on the groups of packed leaves."""

    stages: tuple[Stage, ...]
    steps: tuple[Any, ...]
    measured: tuple[tuple[Any, ...], ...]
    lazy: bool

    def normals(self, packed: Packed) -> list[list[Any]]:
        """Return, for each noisy stage, the normals of each group, or how to draw them."""
        draw: Callable[..., list[Any]] = group_runs if self.lazy else packed_normals
        return [
            draw(packed, stage.noise.seed, t, stage.noise.domain)
            for stage, t in zip(self.stages, self.steps, strict=True)
            if stage.noise
        ]

    def run(
        self,
        packed: Packed,
        k: int,
        g: Array,
        p: Array | None,
        slots: list[Array],
        normals: list[Any],
    ) -> list[Array]:
        """Run the stages on one group, in its compute dtype, and round once a stage."""
        backend = backend_of(g)
        scalars = [
            (*stage.coefficients(step_for(t, g)), *extra)
            for stage, t, extra in zip(self.stages, self.steps, self.measured, strict=True)
        ]
        local = _Local(backend, g)
        kernel = _compose(
            self.stages,
            tuple(len(s) for s in scalars),
            p is not None,
            g.dtype if dtype_name(g) in ("float16", "bfloat16") else None,
        )
        dtype = compute_dtype(g, backend.namespace)
        arrays = [
            backend.namespace.astype(local.block(x), dtype, copy=False)
            for x in (g, p, *slots)
            if x is not None
        ]
        flat = [local.scalar(c) for coefficients in scalars for c in coefficients]
        if self.lazy:
            normals = [
                Draw(local.runs(runs), self._wanted(scalars, i, local))
                for i, runs in enumerate(normals)
            ]
        update, *new = _run(backend, kernel, arrays, flat, normals, local.device)
        update = backend.namespace.astype(update, g.dtype, copy=False)
        return [local.like(update), *(local.like(x) for x in new)]

    def _wanted(
        self, scalars: list[tuple[Any, ...]], noisy: int, local: "_Local"
    ) -> tuple[bool, ...] | None:
        """Return which replicas have noise in the noisy-th stage that draws; None for all."""
        which = [i for i, stage in enumerate(self.stages) if stage.noise][noisy]
        scale = self.stages[which].scale
        value = scalars[which][scale] if scale is not None else None
        if not isinstance(value, np.ndarray) or value.ndim != 1:
            return None
        return tuple(bool(x) for x in local.scalar(value) != 0)


def _run(
    backend: Backend,
    kernel: Callable[..., tuple[Array, ...]],
    arrays: list[Array],
    scalars: list[Any],
    normals: list[Any],
    device: Any,
) -> tuple[Array, ...]:
    """Run a kernel as the backend does it best, or as it is."""
    xp = backend.namespace
    if backend.elementwise is not None and not backend.traced(None):
        done: tuple[Array, ...] | None = backend.elementwise(kernel, arrays, scalars, normals)
        if done is not None:
            return done
    drawn = [_drawn(backend, z, arrays[0].shape, device) for z in normals]
    wide = tuple(xp.astype(z, arrays[0].dtype, copy=False) for z in drawn)
    return kernel(xp, tuple(arrays), wide, [align(c, arrays[0]) for c in scalars])


def _drawn(backend: Backend, z: Any, shape: tuple[int, ...], device: Any) -> Array:
    if not isinstance(z, Draw):
        return z
    assert backend.draw is not None  # a backend that draws as it goes draws ahead too
    return backend.namespace.reshape(backend.draw(z.runs, device, normals=True), shape)


@functools.lru_cache(maxsize=256)
def _compose(
    stages: tuple[Stage, ...], counts: tuple[int, ...], with_params: bool, narrow: Any
) -> Callable[..., tuple[Array, ...]]:
    """Return one kernel for several: ``(xp, arrays, normals, scalars) -> (update, *slots)``.

    `arrays` are the gradient, the parameters if any stage reads them, and the slots; `scalars` the
    coefficients of all stages. A 16-bit update is rounded to its dtype after each stage, by a
    kernel whose attribute ``narrow`` says so: it needs its own library's dtype.
    """

    def kernel(
        xp: Namespace, arrays: Sequence[Array], normals: Sequence[Array], scalars: Sequence[Any]
    ) -> tuple[Array, ...]:
        update, rest = arrays[0], iter(arrays[1:])
        p = next(rest) if with_params else None
        z, numbers = iter(normals), iter(scalars)
        new: list[Array] = []
        for i, (stage, count) in enumerate(zip(stages, counts, strict=True)):
            slots = tuple(next(rest) for _ in stage.slots)
            operands = Operands(update, p, next(z) if stage.noise else None, slots)
            update, after = stage.kernel(xp, operands, *(next(numbers) for _ in range(count)))
            new.extend(after)
            if narrow is not None and i < len(stages) - 1:
                update = xp.astype(xp.astype(update, narrow), xp.float32)
        return (update, *new)

    # That all of it is g + sign * sigma * z: a backend may have a kernel for just that.
    alone = stages[0].kernel if len(stages) == 1 else None
    kernel.narrow = narrow is not None  # type: ignore[attr-defined]
    kernel.noise_sign = getattr(alone, "noise_sign", None)  # type: ignore[attr-defined]
    return kernel


class _Local:
    """The block that this process holds of a sharded leaf; of any other leaf, the whole."""

    def __init__(self, backend: Backend, g: Array) -> None:
        self.sharding = None if backend.traced(None) else backend.sharding
        self.g = g
        self.shard = self.sharding.shard(g) if self.sharding else None
        self.backend = backend
        self.device = backend.device(g)

    def block(self, x: Array) -> Array:
        if self.shard is None or self.sharding is None:
            return x
        found = self.sharding.shard(x)
        if found is None or found[2] != self.shard[2] or found[0].shape != self.shard[0].shape:
            message = (
                "`grads`, `params` and the state must be sharded alike, got a leaf of shape "
                f"{tuple(x.shape)} that is placed otherwise than its gradient. Redistribute it."
            )
            raise ValueError(message)
        return found[0]

    def scalar(self, value: Any) -> Any:
        """Return a coefficient for the block; of one a replica, those of its replicas."""
        if self.sharding is not None and not isinstance(value, _HOST):
            value = self.sharding.whole(value)
        if self.shard is None or not several(value):
            return value
        local, _, at = self.shard
        return value[at[0] : at[0] + local.shape[0]]

    def runs(self, runs: Runs) -> Runs:
        if self.shard is None:
            return runs
        return runs_of_shard(runs, self.shard, self.backend, self.device)

    def like(self, x: Array) -> Array:
        return x if self.shard is None or self.sharding is None else self.sharding.like(x, self.g)
