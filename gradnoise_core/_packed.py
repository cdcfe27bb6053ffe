"""Small leaves packed into one array, so that Python's overhead is paid once and not for each.

A network of 20 layers has 42 leaves of a few thousand elements; eagerly, calling is then dearer
than computing. Where a compiler does the work (`Backend.block` is None) leaves stay apart.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from gradnoise_core._dtypes import dtype_name
from gradnoise_core.backend import backend_of
from gradnoise_core.random._leaves import SMALL
from gradnoise_core.tree import Leaves
from gradnoise_core.typing import Array

__all__ = ["Packed", "pack", "pack_like", "unpack"]


class Packed(NamedTuple):
    """The leaves of a tree in groups, each one array.

    Attributes
    ----------
    tree : Leaves
        Structure, paths and shapes.
    groups : list of list of int
        Which leaves are together: small ones of one dtype; every other one is alone.
    lead : int
        1 if the leaves carry a replica axis, else 0.
    arrays : list of arrays
        A leaf that is alone, as it is; or of shape ``(n,)`` or ``(R, n)``, the elements of its
        leaves one after another.
    """

    tree: Leaves
    groups: list[list[int]]
    lead: int
    arrays: list[Array]


def pack(tree: Leaves, lead: int) -> Packed:
    """Return the leaves packed."""
    empty = Packed(tree, _groups(tree.leaves), lead, [])
    return empty._replace(arrays=pack_like(tree.leaves, empty))


def pack_like(leaves: Sequence[Array], packed: Packed) -> list[Array]:
    """Return other leaves, of the same shapes, packed in the same groups."""
    return [_join([leaves[i] for i in group], packed.lead) for group in packed.groups]


def unpack(arrays: Sequence[Array], packed: Packed) -> list[Array]:
    """Return arrays of the groups as leaves: views, where the library has views."""
    like = packed.tree.leaves
    leaves: list[Array] = [None] * len(like)
    for group, array in zip(packed.groups, arrays, strict=True):
        parts = _split(array, [like[i].shape for i in group], packed.lead)
        for i, part in zip(group, parts, strict=True):
            leaves[i] = part
    return leaves


def _groups(leaves: Sequence[Array]) -> list[list[int]]:
    if not leaves:
        return []
    backend = backend_of(leaves[0])
    if backend.block(backend.device(leaves[0])) is None:
        return [[i] for i in range(len(leaves))]
    together: dict[str, list[int]] = {}
    alone = []
    for i, leaf in enumerate(leaves):
        if math.prod(leaf.shape) <= SMALL:
            together.setdefault(dtype_name(leaf), []).append(i)
        else:
            alone.append([i])
    return [*together.values(), *alone]


def _join(leaves: Sequence[Array], lead: int) -> Array:
    if len(leaves) == 1:
        return leaves[0]
    xp = backend_of(leaves[0]).namespace
    # The size is spelt out, for -1 has no meaning where a leaf is empty.
    flat = [xp.reshape(leaf, (*leaf.shape[:lead], math.prod(leaf.shape[lead:]))) for leaf in leaves]
    return xp.concat(flat, axis=-1)


def _split(array: Array, shapes: Sequence[tuple[int, ...]], lead: int) -> list[Array]:
    if len(shapes) == 1:
        return [array]
    xp = backend_of(array).namespace
    parts, start = [], 0
    for shape in shapes:
        stop = start + math.prod(shape[lead:])
        parts.append(xp.reshape(array[..., start:stop], shape))
        start = stop
    return parts
