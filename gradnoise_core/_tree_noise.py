"""A standard normal for every element of a tree."""

from typing import Any

import numpy as np

from gradnoise_core._packed import Packed
from gradnoise_core.backend import Backend
from gradnoise_core.random._counters import block
from gradnoise_core.random._keys import Key
from gradnoise_core.random._leaves import leaf_keys, some_keys, standard_normals
from gradnoise_core.random._runs import Runs, runs_of_block
from gradnoise_core.tree import Leaves
from gradnoise_core.typing import Array, Device, Step

__all__ = ["check_replicas", "group_runs", "packed_normals", "runs_of_shard", "tree_normals"]


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
    if all(len(group) == 1 for group in packed.layout.groups):
        normals = tree_normals(tree, seeds, step, domain)
        return [normals[i] for (i,) in packed.layout.groups]
    assert tree.backend is not None  # there is a group of several leaves
    backend, device = tree.backend, tree.backend.device(tree.leaves[0])
    draw = backend.draw
    assert draw is not None  # a backend that joins leaves draws them together
    return [
        backend.namespace.reshape(draw(runs, device, normals=True), g.shape)
        for runs, g in zip(group_runs(packed, seeds, step, domain), packed.arrays, strict=True)
    ]


def group_runs(packed: Packed, seeds: Any, step: Step, domain: str) -> list[Runs]:
    """Return how to draw a standard normal for every element of packed leaves: no array yet."""
    tree = packed.tree
    if not tree.leaves:
        return []
    keys = leaf_keys(seeds, tree.paths, step, domain)
    out = []
    for group, sizes in zip(packed.layout.groups, packed.layout.sizes, strict=True):
        runs = Runs(some_keys(keys, group), (0,) * len(group), sizes)
        if packed.lead and isinstance(seeds, int):
            runs = _rows(runs, tree.leaves[group[0]].shape[0])
        out.append(runs)
    return out


def _rows(runs: Runs, count: int) -> Runs:
    """Return the runs of leaves with a replica axis under one seed: theirs is one leaf, in rows."""
    keys = Key(*(np.tile(word, count) for word in runs.keys))
    starts = tuple(r * n for r in range(count) for n in runs.sizes)
    return Runs(keys, starts, runs.sizes * count)


def runs_of_shard(runs: Runs, shard: Any, backend: Backend, device: Device) -> Runs:
    """Return the runs of the block that a process holds of one leaf."""
    local, within, at = shard
    key = Key(*(word[..., 0] for word in runs.keys))
    shape = tuple(local.shape)
    if key.shape:
        mine = slice(at[0], at[0] + shape[0])
        key = Key(*(word[mine] for word in key))
        shape, within, at = shape[1:], within[1:], at[1:]
    where = block(shape, within, at)
    if where.size == 0:
        empty = Key(*(word[..., None] for word in key))
        return Runs(empty, (0,), (0,))
    found = runs_of_block(key, where, backend, device, always=True)
    assert found is not None  # where it starts is a Python int
    return found


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
