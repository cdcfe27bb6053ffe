"""How leaves are cut over ranks, and how a rank's blocks are compared with the slices of a whole.

Which elements a block holds is told by torch: a DTensor of indexes is cut as the leaf is.
"""

import functools
import math
from typing import Any, NamedTuple

import numpy as np

SEED, STEP, SEEDS = 2**63 + 5, 7, (3, 2**64 - 1, 0, 11, 5)


class Layout(NamedTuple):
    """A mesh, and how leaves of some shapes are placed on it; "S0/2" is strided, in two parts."""

    mesh: tuple[int, ...]
    placed: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    def __str__(self) -> str:
        return f"{'x'.join(map(str, self.mesh))}-{'-'.join(self.placed)}"


# The sixth shape of a kind has more elements than are drawn together with other leaves.
ROWS = ((8,), (7,), (1,), (5,), (0,), (20_011,))
MATRICES = ((4, 6), (5, 3), (1, 3), (3, 1), (2, 0), (131, 129))
CUBES = ((4, 4, 4), (2, 3, 5), (3, 5, 7), (1, 1, 2), (3, 1, 5), (7, 40, 67))
ALL = ((), *ROWS, *MATRICES, *CUBES)


def layouts(world: int) -> list[Layout]:
    """Return what is tested on so many ranks."""
    line = (world,)
    found = [
        Layout(line, ("S0",), ALL[1:]),
        Layout(line, ("S1",), MATRICES + CUBES),
        Layout(line, ("S2",), CUBES),
        Layout(line, ("R",), ALL),
    ]
    for mesh in [(2, 2), (1, 4)] if world == 4 else [(2, 1)]:
        found += [
            Layout(mesh, ("S0", "S1"), MATRICES + CUBES),
            Layout(mesh, ("S1", "S0"), MATRICES + CUBES),
            Layout(mesh, ("S0", "S0"), ALL[1:]),
            Layout(mesh, ("S2", "S2"), CUBES),
            Layout(mesh, ("R", "S1"), MATRICES + CUBES),
            Layout(mesh, ("S0", "R"), ALL[1:]),
            # As FSDP2 cuts what tensor parallelism has cut; in even parts it is one box.
            Layout(mesh, (f"S0/{mesh[1]}", "S0"), ((8,), (4, 3), (12, 2, 5), (0, 2), (160, 128))),
        ]
    return found


def placements(placed: tuple[str, ...]) -> list[Any]:
    """Return torch's placements of their names."""
    from torch.distributed.tensor import Partial, Replicate, Shard
    from torch.distributed.tensor.placement_types import _StridedShard

    def one(name: str) -> Any:
        axis, _, parts = name[1:].partition("/")
        if parts:
            return _StridedShard(int(axis), split_factor=int(parts))
        return {"S": lambda: Shard(int(axis)), "R": Replicate, "P": Partial}[name[0]]()

    return [one(name) for name in placed]


@functools.cache
def mesh_of(shape: tuple[int, ...]) -> Any:
    from torch.distributed.device_mesh import init_device_mesh

    return init_device_mesh("cpu", shape)


class Cut:
    """Whole arrays, and how they are cut; by each rank alone, so that one may fail by itself."""

    def __init__(self, mesh: tuple[int, ...], placed: tuple[str, ...]) -> None:
        self.mesh, self.placements = mesh_of(mesh), placements(placed)

    def __call__(self, whole: Any) -> Any:
        import torch
        from torch.distributed.tensor import distribute_tensor

        return distribute_tensor(
            torch.tensor(whole), self.mesh, self.placements, src_data_rank=None
        )

    def slice(self, whole: Any) -> Any:
        """Return the elements of a whole that this rank holds."""
        index = self(np.arange(math.prod(whole.shape)).reshape(whole.shape)).to_local().numpy()
        return whole.reshape(-1)[index]


def wholes(shapes: Any, dtype: str = "float32") -> dict[str, Any]:
    random = np.random.default_rng(1)
    return {str(s): np.asarray(random.standard_normal(s), dtype=dtype) for s in shapes}


def differs(found: Any, expected: Any, what: str) -> str:
    """Return what is wrong with a block, bit for bit."""
    found = found.detach().numpy()
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return f"{what}: {found.shape} {found.dtype}, not {expected.shape} {expected.dtype}; "
    if found.tobytes() != expected.tobytes():
        return f"{what}: {np.sum(found != expected)} of {found.size} differ; "
    return ""


def compare(cut: Cut, tree: Any, expected: Any, like: Any, what: str) -> str:
    """Compare leaves with the slices of whole leaves, and their placing with others'."""
    wrong = ""
    for path, leaf in tree.items():
        if leaf.placements != like[path].placements or leaf.shape != like[path].shape:
            wrong += f"{what} {path}: {leaf.placements}, {tuple(leaf.shape)}; "
        wrong += differs(leaf.to_local(), cut.slice(np.asarray(expected[path])), f"{what} {path}")
    return wrong


def at_step(transformation: Any, grads: Any) -> Any:
    return transformation.init(grads)._replace(count=STEP)
