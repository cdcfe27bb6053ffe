"""A standard normal for every element of a tree."""

import math
from typing import Any

from gradnoise_core._packed import Packed
from gradnoise_core.random._leaves import joined_normals, leaf_keys, standard_normals
from gradnoise_core.tree import Leaves
from gradnoise_core.typing import Array, Step

__all__ = ["check_replicas", "packed_normals", "tree_normals"]


def tree_normals(tree: Leaves, seeds: Any, step: Step, domain: str) -> list[Array]:
    """Return a float32 standard normal for every element of every leaf."""
    if tree.backend is None:
        return []
    lead = 0 if isinstance(seeds, int) else 1
    shapes = [tuple(leaf.shape)[lead:] for leaf in tree.leaves]
    device = tree.backend.device(tree.leaves[0])
    return standard_normals(seeds, tree.paths, shapes, step, domain, tree.backend, device)


def packed_normals(packed: Packed, seeds: Any, step: Step, domain: str) -> list[Array]:
    """Return a float32 standard normal for every element of packed leaves."""
    tree = packed.tree
    if all(len(group) == 1 for group in packed.groups):
        normals = tree_normals(tree, seeds, step, domain)
        return [normals[i] for (i,) in packed.groups]
    assert tree.backend is not None  # there is a group of several leaves
    device = tree.backend.device(tree.leaves[0])
    lead = 0 if isinstance(seeds, int) else 1
    out = []
    for group in packed.groups:
        paths = tuple(tree.paths[i] for i in group)
        shapes = [tuple(tree.leaves[i].shape)[lead:] for i in group]
        if len(group) == 1:
            out += standard_normals(seeds, paths, shapes, step, domain, tree.backend, device)
        else:
            keys = leaf_keys(seeds, paths, step, domain)
            sizes = tuple(math.prod(s) for s in shapes)
            out.append(joined_normals(keys, sizes, tree.backend, device))
    return out


def check_replicas(tree: Leaves, name: str, seeds: Any) -> None:
    """Refuse a leaf without the replica axis that several seeds (or rates) ask for."""
    if isinstance(seeds, int):
        return
    for path, leaf in zip(tree.paths, tree.leaves, strict=True):
        if leaf.ndim == 0 or leaf.shape[0] != len(seeds):
            message = (
                f"`{name}` must have a leading replica axis of size {len(seeds)}, one for "
                f"each seed (or rate), got shape {tuple(leaf.shape)} at {path!r}."
            )
            raise ValueError(message)
