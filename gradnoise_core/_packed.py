"""Small leaves packed into one array, so that Python's overhead is paid once and not for each.

A network of 20 layers has 42 leaves of a few thousand elements; eagerly, calling is then dearer
than computing. Where a compiler does the work (`Backend.joins` says no) leaves stay apart.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from gradnoise_core.backend import backend_of
from gradnoise_core.random._leaves import SMALL
from gradnoise_core.tree import Leaves
from gradnoise_core.typing import Array, Shape

__all__ = ["Packed", "pack", "pack_like", "unpack"]

#: How many elements to put into one array, so that calls cost little.
TOGETHER = 1 << 18


class Layout(NamedTuple):
    """Which leaves are together, and where in the array of their group.

    Attributes
    ----------
    groups : tuple of tuple of int
        Small leaves of one dtype, up to `TOGETHER` elements; every other leaf is alone.
    sizes : tuple of tuple of int
        The number of elements of each leaf of each group, of one replica.
    shapes : tuple of tuple
        The shape of each leaf in its group; None where it is that of its part of the array.
    """

    groups: tuple[tuple[int, ...], ...]
    sizes: tuple[tuple[int, ...], ...]
    shapes: tuple[tuple[Any, ...], ...]


class Packed(NamedTuple):
    """The leaves of a tree in groups, each one array.

    Attributes
    ----------
    tree : Leaves
        Structure, paths and shapes.
    layout : Layout
    lead : int
        1 if the leaves carry a replica axis, else 0.
    arrays : list of arrays
        A leaf that is alone, as it is; or of shape ``(n,)`` or ``(R, n)``, the elements of its
        leaves one after another.
    """

    tree: Leaves
    layout: Layout
    lead: int
    arrays: list[Array]


def pack(tree: Leaves, lead: int) -> Packed:
    """Return the leaves packed."""
    shapes = tuple(tuple(leaf.shape) for leaf in tree.leaves)
    kinds = tuple(map(_kind, tree.leaves)) if tree.backend and tree.backend.joins() else None
    empty = Packed(tree, _layout(shapes, kinds, lead), lead, [])
    return empty._replace(arrays=pack_like(tree.leaves, empty))


def pack_like(leaves: Sequence[Array], packed: Packed) -> list[Array]:
    """Return other leaves, of the same shapes, packed in the same groups."""
    layout = packed.layout
    return [
        leaves[group[0]]
        if len(group) == 1
        else _join([leaves[i] for i in group], packed.lead, sum(sizes))
        for group, sizes in zip(layout.groups, layout.sizes, strict=True)
    ]


def unpack(arrays: Sequence[Array], packed: Packed) -> list[Array]:
    """Return arrays of the groups as leaves: views, where the library has views."""
    leaves: list[Array] = [None] * len(packed.tree.leaves)
    for group, sizes, shapes, array in zip(*packed.layout, arrays, strict=True):
        if len(group) == 1:
            leaves[group[0]] = array
            continue
        parts = backend_of(array).split(array, sizes)
        for i, part, shape in zip(group, parts, shapes, strict=True):
            # Libraries whose leaves are joined have the method, and it costs less.
            leaves[i] = part if shape is None else part.reshape(shape)
    return leaves


def _kind(leaf: Array) -> Any:
    """Return what leaves that are put together have in common; None for one that stays alone."""
    sharding = backend_of(leaf).sharding
    return None if sharding is not None and sharding.shard(leaf) else leaf.dtype


@functools.lru_cache(maxsize=64)
def _layout(shapes: tuple[Shape, ...], kinds: tuple[Any, ...] | None, lead: int) -> Layout:
    groups = _groups(shapes, kinds)
    sizes = tuple(tuple(math.prod(shapes[i][lead:]) for i in group) for group in groups)
    flat = 1 + lead
    wanted = tuple(
        tuple(None if len(shapes[i]) == flat else shapes[i] for i in group) for group in groups
    )
    return Layout(groups, sizes, wanted)


def _groups(
    shapes: tuple[Shape, ...], kinds: tuple[Any, ...] | None
) -> tuple[tuple[int, ...], ...]:
    if kinds is None:
        return tuple((i,) for i in range(len(shapes)))
    groups: list[list[int]] = []
    filling: dict[Any, tuple[list[int], int]] = {}
    for i, (shape, kind) in enumerate(zip(shapes, kinds, strict=True)):
        size = math.prod(shape)
        if size > SMALL or kind is None:
            groups.append([i])
            continue
        group, held = filling.get(kind, ([], 0))
        if not group or held + size > TOGETHER:
            group, held = [], 0
            groups.append(group)
        group.append(i)
        filling[kind] = group, held + size
    return tuple(tuple(group) for group in groups)


def _join(leaves: Sequence[Array], lead: int, size: int) -> Array:
    # The size is spelt out, for -1 has no meaning where a leaf is empty.
    flat = [
        leaf
        if leaf.ndim == 1 + lead
        else leaf.reshape((*leaf.shape[:lead], math.prod(leaf.shape[lead:])))
        for leaf in leaves
    ]
    return backend_of(leaves[0]).join(flat, size)
