"""Ranks over gloo on loopback, each of which compares its blocks with the whole; prints verdicts.

A verdict is "" where a rank's block equals the slice of the whole, else what differed.
"""

import json
import os
import sys
import tempfile
import traceback
from typing import Any

from sharding_torch_cases import CHECKS
from sharding_torch_layouts import (
    SEED,
    STEP,
    Cut,
    Layout,
    at_step,
    compare,
    differs,
    layouts,
    wholes,
)


def blocks(layout: Layout) -> str:
    """Draw the block that `shard_of` tells of."""
    from gradnoise_backends._torch_sharded import like, shard_of
    from gradnoise_core.random import leaf_key, standard_normal

    cut, wrong = Cut(layout.mesh, layout.placed), ""
    for path, g in wholes(layout.shapes).items():
        key, leaf = leaf_key(SEED, path, STEP), cut(g)
        shard = shard_of(leaf)
        assert shard is not None
        z = standard_normal(key, shard.local.shape, within=shard.within, at=shard.at)
        expected = cut.slice(standard_normal(key, g.shape))
        again = like(shard.local, leaf)
        wrong += differs(shard.local, cut.slice(g), f"local {path}")
        if z.tobytes() != expected.tobytes() or z.shape != expected.shape:
            wrong += f"normals {path} at {shard.at}; "
        if (again.shape, again.placements, again.stride(), again.device_mesh) != (
            leaf.shape,
            leaf.placements,
            leaf.stride(),
            leaf.device_mesh,
        ):
            wrong += f"like {path}; "
    return wrong


def noise(layout: Layout) -> str:
    """Add noise to a tree of all shapes; the whole is NumPy's."""
    import gradnoise_core as gn

    cut, whole = Cut(layout.mesh, layout.placed), wholes(layout.shapes)
    transformation = gn.add_gradient_noise(0.3, seed=SEED)
    expected, _ = transformation.update(whole, at_step(transformation, whole))
    grads = {path: cut(g) for path, g in whole.items()}
    found, state = transformation.update(grads, at_step(transformation, grads))
    return compare(cut, found, expected, grads, "noise") + ("" if state.count == STEP + 1 else "t")


def adam(layout: Layout) -> str:
    """Two steps of noisy Adam; the whole is torch's own, without DTensor."""
    import torch

    import gradnoise_core as gn

    cut, whole = Cut(layout.mesh, layout.placed), wholes(layout.shapes)
    optimizer = gn.noisy(gn.adam(1e-2, weight_decay=0.1), eta=0.1, seed=SEED)

    def run(make: Any) -> Any:
        grads, params = ({k: make(a * g) for k, g in whole.items()} for a in (1, 2))
        state = optimizer.init(params)
        for _ in range(2):
            updates, state = optimizer.update(grads, state, params)
        return grads, updates, *_trees(state)

    grads, *found = run(cut)
    _, *expected = run(torch.tensor)
    names = ("update", "first moment", "second moment")
    trees = zip(found, expected, names, strict=True)
    return "".join(compare(cut, tree, e, grads, name) for tree, e, name in trees)


def _trees(state: Any) -> list[Any]:
    """Return the trees of arrays in a state."""
    if isinstance(state, dict):
        return [state]
    return [t for part in state for t in _trees(part)] if isinstance(state, tuple) else []


def verdicts(world: int) -> dict[str, str]:
    """Return what this rank found."""
    found: dict[str, str] = {}
    for check in (blocks, noise, adam):
        for layout in layouts(world):
            found[f"{check.__name__} {layout}"] = _try(check, layout)
    for other in CHECKS:
        answer = _try(other, world)
        found.update(answer if isinstance(answer, dict) else {other.__name__: answer})
    return found


def _try(check: Any, given: Any) -> Any:
    try:
        return check(given)
    except Exception as error:  # noqa: BLE001  # a rank that fails must not stop the others
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"


def rank_(rank: int, world: int, folder: str) -> None:
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    store = dist.FileStore(os.path.join(folder, "store"), world)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world)
    mine = verdicts(world)
    gathered: list[Any] = [None] * world
    dist.all_gather_object(gathered, mine)
    dist.destroy_process_group()
    if rank == 0:
        names = {k: None for g in gathered for k in g}
        # Every rank answers by itself; ranks of one opinion speak once.
        together = {k: sorted({g.get(k, "no answer") for g in gathered} - {""}) for k in names}
        print(json.dumps(together))


if __name__ == "__main__":
    import torch.multiprocessing

    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    ranks = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as made:
        torch.multiprocessing.start_processes(
            rank_, (ranks, made), nprocs=ranks, start_method="fork"
        )
