"""Annealed Gaussian noise on gradients or on weights, as transformations."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gradnoise_core import _check
from gradnoise_core._base import GradientTransformation
from gradnoise_core._dtypes import compute_dtype
from gradnoise_core._elementwise import align, step_count, step_for
from gradnoise_core._link import Link
from gradnoise_core._packed import Packed
from gradnoise_core._tree_noise import check_replicas, packed_normals
from gradnoise_core.backend import backend_of
from gradnoise_core.schedules import annealed
from gradnoise_core.tree import Leaves, flatten
from gradnoise_core.typing import Array, Schedule, Seed, Step, Tree

__all__ = ["NoiseState", "add_gradient_noise", "add_weight_noise"]


# Tuples, not unions: torch.compile sees through no union that holds NumPy's types.
_NUMBER = (int, float)
_HOST = (int, float, np.ndarray, np.generic)


class NoiseState(NamedTuple):
    """How many updates were made."""

    count: Any


def add_gradient_noise(
    eta: Any = 0.01,
    gamma: float = 0.55,
    *,
    seed: Seed = 0,
    schedule: Schedule | None = None,
    domain: str = "gradient-noise",
) -> GradientTransformation:
    """Add annealed Gaussian noise to gradients.

    ``g <- g + N(0, sigma_t**2)`` with ``sigma_t**2 = eta / (1 + t)**gamma``, t = 0, 1, ...:
    equation 1 of Neelakantan et al. (2017). Put it after clipping and before the optimizer, the
    order that the paper found crucial; `noisy` does.

    Parameters
    ----------
    eta : float or sequence of R floats
        The variance at t = 0, in squared units of the gradient; one a replica if several.
    gamma : float
        The exponent of the decay of the variance.
    seed : int or sequence of int
        In [0, 2**64). R seeds make every leaf carry a leading replica axis of size R; replica r
        gets the noise of a solo run with seed r, to the bit.
    schedule : callable, optional
        Of t, returning a variance; instead of `eta` and `gamma`.
    domain : str
        Separates uses of one seed.

    Returns
    -------
    GradientTransformation
        Its state is the count t. It also stands in ``optax.chain``.

    Raises
    ------
    ValueError
        If `eta` or `gamma` is negative or NaN, a seed outside [0, 2**64); at ``update`` if a leaf
        lacks the replica axis, or if the schedule returns a negative or NaN variance.

    Notes
    -----
    The noise of an element depends on the seed, the leaf's path, t and the element's position
    alone: adding, removing or reordering other leaves does not change it. A 16-bit leaf is summed
    in float32 and rounded once. Non-finite gradients pass through.

    Examples
    --------
    >>> import numpy as np
    >>> import gradnoise_core as gn
    >>> noise = gn.add_gradient_noise(eta=0.01, seed=1)
    >>> grads = {"w": np.zeros(3, np.float32)}
    >>> noisy, state = noise.update(grads, noise.init(grads))
    >>> noisy["w"]
    array([-0.20099635, -0.08885639, -0.11520337], dtype=float32)
    """
    return _noise(eta, gamma, seed, schedule, domain, sign=1)


def add_weight_noise(
    eta: Any = 0.01,
    gamma: float = 0.55,
    *,
    seed: Seed = 0,
    schedule: Schedule | None = None,
    domain: str = "weight-noise",
) -> GradientTransformation:
    """Add annealed Gaussian noise to the updates, and so to the weights.

    ``u <- u - N(0, sigma_t**2)`` with ``sigma_t**2 = eta / (1 + t)**gamma``. Put it last, after
    the optimizer. Under plain SGD with rate h, gradient noise of variance v is weight noise of
    variance ``h**2 v``: with one seed and domain, the very same (the sign is chosen for it).
    Under momentum, AdaGrad or Adam it is not. The paper found it no substitute (section 4).

    Parameters
    ----------
    eta : float or sequence of R floats
        The variance at t = 0, in squared units of the weights; one a replica if several.
    gamma : float
        The exponent of the decay of the variance.
    seed : int or sequence of int
        In [0, 2**64); R of them for a leading replica axis.
    schedule : callable, optional
        Of t, returning a variance; instead of `eta` and `gamma`.
    domain : str
        Separates uses of one seed.

    Returns
    -------
    GradientTransformation
        Its state is the count t.

    Raises
    ------
    ValueError
        As `add_gradient_noise`.
    """
    return _noise(eta, gamma, seed, schedule, domain, sign=-1)


def _noise(
    eta: Any, gamma: float, seed: Seed, schedule: Schedule | None, domain: str, sign: int
) -> GradientTransformation:
    if schedule is not None and not callable(schedule):
        message = (
            f"`schedule` must be a function of the step that returns a variance, got {schedule!r}. "
            "For a constant variance pass schedules.constant(value)."
        )
        raise TypeError(message)
    variance = annealed(eta, gamma) if schedule is None else schedule
    seeds = _check.seeds(seed)

    def init(params: Tree) -> NoiseState:
        check_replicas(flatten(params, "params"), "params", seeds)
        return NoiseState(0)

    def replicas(tree: Leaves, state: NoiseState) -> bool:
        check_replicas(tree, "grads", seeds)
        # Several variances ask for a replica axis too.
        sizes = _sizes(variance, step_count(state.count), tree)
        for size in sizes:
            check_replicas(tree, "grads", range(size))
        return bool(sizes) or not isinstance(seeds, int)

    def run(packed: Packed, state: NoiseState, params: Any) -> tuple[list[Array], NoiseState]:
        t = step_count(state.count)
        traced = packed.tree.backend is not None and packed.tree.backend.traced(None)
        some = slice(None) if traced else _noisy_replicas(seeds, variance, t)
        chosen = seeds if isinstance(seeds, int) else seeds[some]
        normals = packed_normals(packed, chosen, t, domain)
        add = functools.partial(_add, sign, variance, t)
        arrays = [_add_to(g, z, some, add) for g, z in zip(packed.arrays, normals, strict=True)]
        return arrays, NoiseState(t + 1)

    return GradientTransformation(init, Link(run, replicas))


def _sizes(variance: Schedule, t: Step, tree: Leaves) -> list[int]:
    """Return how many variances there are, if there are several."""
    if not tree.leaves:
        return []
    shape: Any = getattr(variance(step_for(t, tree.leaves[0])), "shape", ())
    return [shape[0]] if len(shape) == 1 else []


def _standard_deviation(variance: Schedule, t: Step, leaf: Array, some: slice = slice(None)) -> Any:
    """Return sigma_t: a Python float for a Python int t, else in the leaf's compute dtype."""
    value = variance(step_for(t, leaf))
    if len(getattr(value, "shape", ())) == 1:
        value = value[some]
    if isinstance(value, _HOST):
        _check.finite_at_least(f"schedule({t})", value, 0.0, "A schedule returns a variance.")
        return math.sqrt(value) if isinstance(value, _NUMBER) else align(np.sqrt(value), leaf)
    return backend_of(leaf).namespace.sqrt(align(value, leaf))


def _noisy_replicas(seeds: Any, variance: Schedule, t: Step) -> slice:
    """Return the range of replicas outside of which the variance is known to be 0."""
    value = variance(t) if isinstance(t, int) and not isinstance(seeds, int) else None
    if not isinstance(value, np.ndarray) or value.ndim != 1 or not value.any():
        return slice(None)
    noisy = np.flatnonzero(value)
    return slice(int(noisy[0]), int(noisy[-1]) + 1)


def _add_to(g: Array, z: Array, some: slice, add: Callable[..., Array]) -> Array:
    """Return g with noise added to some replicas; those without cost nothing."""
    if z.shape == g.shape:
        return add(g, z, slice(None))
    xp = backend_of(g).namespace
    return xp.concat(
        [g[: some.start, ...], add(g[some, ...], z, some), g[some.stop :, ...]], axis=0
    )


def _add(sign: int, variance: Schedule, t: Step, g: Array, z: Array, some: slice) -> Array:
    """Return ``g + sign * sigma_t * z``, computed in the leaf's compute dtype and rounded once."""
    xp = backend_of(g).namespace
    dtype = compute_dtype(g, xp)
    z, wide = xp.astype(z, dtype, copy=False), xp.astype(g, dtype, copy=False)
    scaled = _standard_deviation(variance, t, g, some) * z
    total = wide + scaled if sign > 0 else wide - scaled
    return xp.astype(total, g.dtype, copy=False)
