"""The `update` functions of our transformations, which work on packed leaves.

A chain packs the leaves once for all links of ours that follow one another, and unpacks the
result once. Links of others (optax's) see trees.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gradnoise_core._packed import Packed, pack, pack_like, unpack
from gradnoise_core.tree import Leaves, flatten, flatten_like
from gradnoise_core.typing import Array, Tree

__all__ = ["Chain", "Link"]

#: ``(packed gradients, state, parameters packed alike or None) -> (arrays, new state)``
Run = Callable[[Packed, Any, list[Array] | None], tuple[list[Array], Any]]


def _never(tree: Leaves, state: Any) -> bool:
    return False


@dataclass(frozen=True)
class Link:
    """One transformation's update.

    Parameters
    ----------
    run : callable
        The update, on packed leaves.
    replicas : callable
        ``(tree, state) -> bool``: whether the leaves must carry a replica axis; refuses leaves
        that must and do not.
    needs_params : bool
        Whether it reads the parameters.
    """

    run: Run
    replicas: Callable[[Leaves, Any], bool] = _never
    needs_params: bool = False

    @property
    def ours(self) -> bool:
        """Whether it works on packed leaves."""
        return True

    def __call__(self, grads: Tree, state: Any, params: Tree | None = None) -> tuple[Tree, Any]:
        """Return ``(updates, new state)``."""
        updates, (new,) = _run_packed([self], grads, [state], params)
        return updates, new


@dataclass(frozen=True)
class Chain:
    """The updates of several transformations, one after another."""

    links: tuple[Any, ...]

    @property
    def ours(self) -> bool:
        """Whether all of it works on packed leaves."""
        return all(getattr(link, "ours", False) for link in self.links)

    @property
    def needs_params(self) -> bool:
        """Whether a link reads the parameters."""
        return any(link.needs_params for link in self.links)

    def replicas(self, tree: Leaves, state: Any) -> bool:
        """Return whether a link asks for a replica axis."""
        self._check(state)
        asked = [link.replicas(tree, s) for link, s in zip(self.links, state, strict=True)]
        return any(asked)

    def run(
        self, packed: Packed, state: Any, params: list[Array] | None
    ) -> tuple[list[Array], Any]:
        """Run every link on packed leaves."""
        new = []
        for link, part in zip(self.links, state, strict=True):
            arrays, after = link.run(packed, part, params)
            packed = packed._replace(arrays=arrays)
            new.append(after)
        return packed.arrays, tuple(new)

    def __call__(self, grads: Tree, state: Any, params: Tree | None = None) -> tuple[Tree, Any]:
        """Return ``(updates, new state)``."""
        self._check(state)
        new: list[Any] = []
        while len(new) < len(self.links):
            first = last = len(new)
            while last < len(self.links) and getattr(self.links[last], "ours", False):
                last += 1
            if last > first:
                links, parts = self.links[first:last], state[first:last]
                grads, after = _run_packed(links, grads, parts, params)
                new.extend(after)
            else:
                grads, one = self.links[first](grads, state[first], params)
                new.append(one)
        return grads, tuple(new)

    def _check(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != len(self.links):
            got = len(state) if isinstance(state, tuple) else type(state).__name__
            message = (
                f"`state` must have {len(self.links)} parts, one a link of the chain, "
                f"got {got}. Make it with this chain's `init(params)`."
            )
            raise ValueError(message)


def _run_packed(
    links: Sequence[Any], grads: Tree, states: Sequence[Any], params: Tree | None
) -> tuple[Tree, list[Any]]:
    """Pack, run links of ours, unpack."""
    tree = flatten(grads, "grads")
    asked = [link.replicas(tree, s) for link, s in zip(links, states, strict=True)]
    packed = pack(tree, int(any(asked)))
    p = None
    if any(link.needs_params for link in links):
        if params is None:
            message = "`params` must be given: this transformation reads the parameters."
            raise ValueError(message)
        p = pack_like(flatten_like(params, tree, "params", "grads"), packed)
    new = []
    for link, state in zip(links, states, strict=True):
        arrays, after = link.run(packed, state, p)
        packed = packed._replace(arrays=arrays)
        new.append(after)
    return tree.rebuild(unpack(packed.arrays, packed)), new
