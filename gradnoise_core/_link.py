"""The `update` functions of our transformations, which work on packed leaves.

A chain packs the leaves once for all links of ours that follow one another, runs their stages
together, and unpacks the result once. Links of others (optax's) see trees.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gradnoise_core._fused import Stage, run_stages
from gradnoise_core._packed import Packed, pack, pack_like, unpack
from gradnoise_core.tree import Leaves, flatten, flatten_like
from gradnoise_core.typing import Array, Tree

__all__ = ["Chain", "Link", "OtherDtypeError"]

#: ``packed gradients -> arrays``, by a transformation without a state
Run = Callable[[Packed], list[Array]]


class OtherDtypeError(Exception):
    """Parameters are of other dtypes than their gradients, where a link wants them alike."""


def _never(tree: Leaves, state: Any) -> bool:
    return False


@dataclass(frozen=True)
class Link:
    """One transformation's update: what it does to each element, or else to all of them.

    Parameters
    ----------
    stage : Stage, optional
        What it does to each element.
    run : callable, optional
        What it does instead, on packed leaves, without a state.
    replicas : callable
        ``(tree, state) -> bool``: whether the leaves must carry a replica axis; refuses leaves
        that must and do not.
    one_dtype : bool
        Whether each parameter must have its gradient's dtype; otherwise `OtherDtypeError`.
    """

    stage: Stage | None = None
    run: Run | None = None
    replicas: Callable[[Leaves, Any], bool] = _never
    one_dtype: bool = False

    @property
    def links(self) -> "tuple[Link, ...] | None":
        """The links that it stands for: itself."""
        return (self,)

    def parts(self, state: Any) -> tuple[Any, ...]:
        """Return the state of each of `links`."""
        return (state,)

    def joined(self, parts: Sequence[Any]) -> Any:
        """Return the state from that of each of `links`."""
        return parts[0]

    def __call__(self, grads: Tree, state: Any, params: Tree | None = None) -> tuple[Tree, Any]:
        """Return ``(updates, new state)``."""
        updates, (new,) = _run_links([self], grads, [state], params)
        return updates, new


@dataclass(frozen=True)
class Chain:
    """The updates of several transformations, one after another."""

    updates: tuple[Any, ...]

    @property
    def links(self) -> tuple[Link, ...] | None:
        """All links, those of chains within included; None if one is not ours."""
        inner = [getattr(update, "links", None) for update in self.updates]
        return None if None in inner else tuple(link for links in inner for link in links or ())

    def parts(self, state: Any) -> tuple[Any, ...]:
        """Return the state of each of `links`."""
        self._check(state)
        pairs = zip(self.updates, state, strict=True)
        return tuple(part for update, s in pairs for part in update.parts(s))

    def joined(self, parts: Sequence[Any]) -> Any:
        """Return the state from that of each of `links`."""
        states, rest = [], list(parts)
        for update in self.updates:
            n = len(update.links)
            states.append(update.joined(rest[:n]))
            rest = rest[n:]
        return tuple(states)

    def __call__(self, grads: Tree, state: Any, params: Tree | None = None) -> tuple[Tree, Any]:
        """Return ``(updates, new state)``."""
        self._check(state)
        new: list[Any] = []
        while len(new) < len(self.updates):
            first = last = len(new)
            while (
                last < len(self.updates) and getattr(self.updates[last], "links", None) is not None
            ):
                last += 1
            if last > first:
                ours = Chain(self.updates[first:last])
                parts = ours.parts(state[first:last])
                grads, after = _run_links(ours.links or (), grads, parts, params)
                new.extend(ours.joined(after))
            else:
                grads, one = self.updates[first](grads, state[first], params)
                new.append(one)
        return grads, tuple(new)

    def _check(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != len(self.updates):
            got = len(state) if isinstance(state, tuple) else type(state).__name__
            message = (
                f"`state` must have {len(self.updates)} parts, one a link of the chain, "
                f"got {got}. Make it with this chain's `init(params)`."
            )
            raise ValueError(message)


def _run_links(
    links: Sequence[Link], grads: Tree, states: Sequence[Any], params: Tree | None
) -> tuple[Tree, list[Any]]:
    """Pack, run links of ours, unpack."""
    tree = flatten(grads, "grads")
    asked = [link.replicas(tree, s) for link, s in zip(links, states, strict=True)]
    packed = pack(tree, int(any(asked)))
    p = None
    if any(link.stage is not None and link.stage.needs_params for link in links):
        if params is None:
            message = "`params` must be given: this transformation reads the parameters."
            raise ValueError(message)
        leaves = flatten_like(params, tree, "params", "grads")
        if any(link.one_dtype for link in links) and not _alike(leaves, tree.leaves):
            raise OtherDtypeError
        p = pack_like(leaves, packed)
    new: list[Any] = []
    for stages, run in _segments(links):
        mine = states[len(new) : len(new) + max(len(stages), 1)]
        if run is not None:
            arrays, after = (run(packed) if packed.arrays else []), list(mine)
        else:
            arrays, after = run_stages(stages, packed, mine, p)
        packed = packed._replace(arrays=arrays)
        new.extend(after)
    return tree.rebuild(unpack(packed.arrays, packed)), new


def _alike(leaves: Sequence[Array], others: Sequence[Array]) -> bool:
    return [x.dtype for x in leaves] == [x.dtype for x in others]


def _segments(links: Sequence[Link]) -> list[tuple[list[Stage], Run | None]]:
    """Return stages that can run as one, in turn with what acts on whole leaves."""
    segments: list[tuple[list[Stage], Run | None]] = []
    for link in links:
        if link.stage is None:
            segments.append(([], link.run))
        elif link.stage.measure is not None or not segments or segments[-1][1] is not None:
            segments.append(([link.stage], None))
        else:
            segments[-1][0].append(link.stage)
    return segments
