"""Transformations of gradients: how they are chained and applied, and the paper's order."""

from typing import Any, NamedTuple

from gradnoise_core import _check
from gradnoise_core._apply import apply_gradients, apply_updates
from gradnoise_core._base import EmptyState, GradientTransformation
from gradnoise_core._fused import Operands, Stage
from gradnoise_core._link import Chain, Link
from gradnoise_core.backend import backend_of
from gradnoise_core.clipping import clip_by_global_norm
from gradnoise_core.noise import add_gradient_noise
from gradnoise_core.tree import flatten, map_leaves
from gradnoise_core.typing import Array, Namespace, Schedule, Seed, Tree

__all__ = [
    "EmptyState",
    "GradientTransformation",
    "SkipState",
    "apply_gradients",
    "apply_updates",
    "chain",
    "noisy",
    "skip_non_finite",
    "zero_nans",
]


def chain(*transformations: Any) -> GradientTransformation:
    """Return the transformation that applies several in turn.

    Parameters
    ----------
    *transformations : GradientTransformation
        Ours, optax's, or any pair of ``init`` and ``update``.

    Returns
    -------
    GradientTransformation
        Its state is the tuple of their states.

    Raises
    ------
    TypeError
        If one of them has no ``init`` and ``update``.

    Examples
    --------
    >>> import numpy as np
    >>> import gradnoise_core as gn
    >>> optimizer = gn.chain(gn.clip_by_global_norm(1.0), gn.sgd(0.5))
    >>> params = np.array([3.0, 4.0])
    >>> optimizer.update(params, optimizer.init(params))[0]
    array([-0.3, -0.4])
    """
    for i, link in enumerate(transformations):
        if not (callable(getattr(link, "init", None)) and callable(getattr(link, "update", None))):
            message = (
                f"`transformations[{i}]` must have `init` and `update`, got {link!r}. "
                "Call the function that makes it, as in chain(sgd(0.1))."
            )
            raise TypeError(message)

    def init(params: Tree) -> tuple[Any, ...]:
        return tuple(link.init(params) for link in transformations)

    updates = Chain(tuple(link.update for link in transformations))
    return GradientTransformation(init, updates)


def noisy(
    optimizer: Any,
    eta: Any = 0.01,
    gamma: float = 0.55,
    *,
    clip: float | None = None,
    seed: Seed = 0,
    schedule: Schedule | None = None,
) -> GradientTransformation:
    """Clip, then add gradient noise, then optimize: the order that the paper found crucial.

    Parameters
    ----------
    optimizer : GradientTransformation
        Ours or optax's.
    eta, gamma, seed, schedule
        As in `add_gradient_noise`.
    clip : float, optional
        The largest global norm; no clipping by default. With several seeds, of each replica. A
        gradient whose norm is not finite passes unclipped: `skip_non_finite` skips such steps.

    Returns
    -------
    GradientTransformation

    Raises
    ------
    ValueError
        If `eta`, `gamma`, `clip` or `seed` is out of range.

    Examples
    --------
    >>> import gradnoise_core as gn
    >>> optimizer = gn.noisy(gn.adam(1e-3), eta=0.01, clip=10.0, seed=1)
    """
    noise = add_gradient_noise(eta, gamma, seed=seed, schedule=schedule)
    if clip is None:
        return chain(noise, optimizer)
    several = not isinstance(_check.seeds(seed), int)
    return chain(clip_by_global_norm(clip, replicas=several), noise, optimizer)


def zero_nans() -> GradientTransformation:
    """Replace every NaN in the gradient by 0; infinities stay."""

    def init(params: Tree) -> EmptyState:
        flatten(params, "params")
        return EmptyState()

    return GradientTransformation(init, Link(stage=Stage(EmptyState, _without_nans)))


def _without_nans(xp: Namespace, x: Operands) -> tuple[Array, tuple[Array, ...]]:
    return xp.where(xp.isnan(x.g), xp.zeros_like(x.g), x.g), ()


class SkipState(NamedTuple):
    """How many steps were skipped, and the state of what may be skipped."""

    skipped: Any
    inner: Any


def skip_non_finite(inner: Any) -> GradientTransformation:
    """Skip a step whose gradient has a NaN or an infinity.

    The updates are then 0 and the state of `inner`, its step count included, stays as it was.

    Parameters
    ----------
    inner : GradientTransformation
        What is skipped. With a replica axis, one bad replica skips the step of all.

    Returns
    -------
    GradientTransformation
    """

    def init(params: Tree) -> SkipState:
        return SkipState(0, inner.init(params))

    def update(grads: Tree, state: SkipState, params: Tree | None = None) -> tuple[Tree, SkipState]:
        tree = flatten(grads, "grads")
        finite = _all_finite(tree.leaves)
        zeros = tree.rebuild([backend_of(g).namespace.zeros_like(g) for g in tree.leaves])
        if isinstance(finite, bool):
            if not finite:
                return zeros, SkipState(state.skipped + 1, state.inner)
            updates, new = inner.update(grads, state.inner, params)
            return updates, SkipState(state.skipped, new)
        updates, new = inner.update(grads, state.inner, params)
        return _select(
            finite,
            (updates, SkipState(state.skipped, new)),
            (zeros, SkipState(state.skipped + 1, state.inner)),
        )

    return GradientTransformation(init, update)


def _all_finite(leaves: list[Array]) -> Any:
    """Return a bool, or a boolean array where the values are traced."""
    finite: Any = True
    for g in leaves:
        backend = backend_of(g)
        good = backend.namespace.all(backend.namespace.isfinite(g))
        finite = finite & (good if backend.traced(g) else bool(good))
    return finite


def _select(flag: Array, yes: Any, no: Any) -> Any:
    """Choose between two trees of arrays and step counts."""
    xp = backend_of(flag).namespace
    return map_leaves(lambda a, b: xp.where(flag, a, b), yes, no)
