"""What ranks check beside layouts: replicas, dtypes, refusals, and what torch makes of tensors.

Each check takes the number of ranks and returns verdicts by name; see `sharding_torch_worker`.
"""

import numpy as np
from sharding_torch_layouts import (
    MATRICES,
    SEED,
    SEEDS,
    Cut,
    at_step,
    compare,
    differs,
    mesh_of,
    wholes,
)

__all__ = ["CHECKS"]


def replicas(world: int) -> dict[str, str]:
    """Cut leaves along the replica axis, and along the others."""
    import gradnoise_core as gn

    found = {}
    whole = wholes([(5,), (5, 3), (5, 3, 7), (5, 200, 90)])
    for name, eta in {"one": 0.3, "each": [0.1, 0.2, 0.0, 0.3, 1.0]}.items():
        transformation = gn.add_gradient_noise(eta, seed=SEEDS)
        expected, _ = transformation.update(whole, at_step(transformation, whole))
        for placed in ("S0", "S1", "S2", "R"):
            cut, needed = Cut((world,), (placed,)), int(placed[1:] or 0)
            grads = {k: cut(g) for k, g in whole.items() if g.ndim > needed}
            try:
                noisy, _ = transformation.update(grads, at_step(transformation, grads))
                wrong = compare(cut, noisy, expected, grads, "noise")
            except RuntimeError as error:  # on an empty block, perhaps: others have an answer
                wrong = f"{error}"
            found[f"replicas {placed} {name}"] = wrong
    return found


def dtypes(world: int) -> dict[str, str]:
    import torch

    import gradnoise_core as gn

    found = {}
    transformation = gn.add_gradient_noise(0.3, seed=SEED)
    cut = Cut((world,), ("S1",))
    for dtype in (torch.float64, torch.bfloat16):
        whole = {k: torch.tensor(g).to(dtype) for k, g in wholes(MATRICES).items()}
        expected, _ = transformation.update(whole, at_step(transformation, whole))
        grads = {k: cut(g.double().numpy()).to(dtype) for k, g in whole.items()}
        noisy, _ = transformation.update(grads, at_step(transformation, grads))
        same = all(noisy[k].dtype is dtype for k in noisy)
        # NumPy has no bfloat16; widening loses nothing.
        found[f"dtype {dtype}"] = ("" if same else "dtype; ") + compare(
            cut,
            {k: n.double() for k, n in noisy.items()},
            {k: e.double().numpy() for k, e in expected.items()},
            grads,
            "noise",
        )
    return found


def transposed(world: int) -> dict[str, str]:
    """A leaf whose memory is not in the order of its axes keeps its values and its whole shape."""
    import gradnoise_core as gn

    transformation = gn.add_gradient_noise(0.3, seed=SEED)
    whole = {k: np.ascontiguousarray(g.T) for k, g in wholes(MATRICES).items()}
    expected, _ = transformation.update(whole, at_step(transformation, whole))
    straight, turned = Cut((world,), ("S1",)), Cut((world,), ("S0",))
    grads = {k: straight(np.ascontiguousarray(g.T)).t() for k, g in whole.items()}
    noisy, _ = transformation.update(grads, at_step(transformation, grads))
    wrong = compare(turned, noisy, expected, grads, "noise")
    for path, leaf in noisy.items():
        if not np.array_equal(leaf.full_tensor().numpy(), expected[path]):
            wrong += f"gathered {path}; "
    return {"transposed": wrong}


def refused(world: int) -> dict[str, str]:
    """What cannot be drawn right is refused; a verdict is the message."""
    import torch
    from torch.distributed.tensor import DTensor, Partial, Shard

    from gradnoise_backends._torch_sharded import shard_of

    mesh, rank = Cut((world,), ("R",)).mesh, torch.distributed.get_rank()
    given = {
        "partial": (torch.ones(3), [Partial()], {}),
        "other sizes": (
            torch.ones(1 + rank, 2),
            [Shard(0)],
            {"shape": (world * (world + 1) // 2, 2), "stride": (2, 1)},
        ),
    }
    leaves = {
        name: DTensor.from_local(local, mesh, placed, run_check=False, **kind)
        for name, (local, placed, kind) in given.items()
    }
    # Of one part after another, the first rank holds parts that do not meet.
    leaves["strided"] = Cut((world,), ("S0/3",))(np.ones((4 * world * 3, 2), np.float32))
    found = {}
    for name, leaf in leaves.items():
        try:
            found[f"refused {name}"] = repr(shard_of(leaf))
        except ValueError as error:
            found[f"refused {name}"] = str(error)
    return found


def refused_in_update(world: int) -> dict[str, str]:
    import torch
    from torch.distributed.tensor import DTensor, Partial

    import gradnoise_core as gn

    mesh = Cut((world,), ("R",)).mesh
    grads = {"w": DTensor.from_local(torch.ones(3), mesh, [Partial()], run_check=False)}
    transformation = gn.add_gradient_noise(0.3, seed=SEED)
    try:
        transformation.update(grads, at_step(transformation, grads))
    except ValueError as error:
        return {"refused in update": str(error)}
    return {"refused in update": "taken"}


def outside(world: int) -> dict[str, str]:
    """A rank that is not of the mesh holds nothing, and draws nothing."""
    import torch
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.tensor import Shard, distribute_tensor

    from gradnoise_backends._torch_sharded import like, shard_of

    mesh = DeviceMesh("cpu", list(range(world - 1)))
    leaf = distribute_tensor(torch.ones(5, 2), mesh, [Shard(0)], src_data_rank=None)
    shard = shard_of(leaf)
    assert shard is not None
    out = torch.distributed.get_rank() == world - 1
    good = (shard.local.numel() == 0 and shard.within == (0,)) if out else shard.within == (5, 2)
    return {"outside": "" if good and like(shard.local, leaf).shape == (5, 2) else repr(shard)}


def under_way(world: int) -> dict[str, str]:
    """The block of a collective that is not awaited yet is a plain tensor of the right values."""
    import torch
    from torch.distributed.tensor import Replicate

    from gradnoise_backends._torch_sharded import shard_of

    whole = np.arange(8, dtype=np.float32)
    leaf = Cut((world,), ("S0",))(whole).redistribute(placements=[Replicate()], async_op=True)
    shard = shard_of(leaf)
    assert shard is not None
    good = type(shard.local) is torch.Tensor and np.array_equal(shard.local.numpy(), whole)
    return {"under way": "" if good else repr(shard)}


def fsdp(world: int) -> dict[str, str]:
    """Noise on the gradients of a model under FSDP2, with tensor parallelism on four ranks."""
    import torch
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import distribute_tensor
    from torch.distributed.tensor.parallel import (
        ColwiseParallel,
        RowwiseParallel,
        parallelize_module,
    )

    import gradnoise_core as gn

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 5))
    if world == 4:
        mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("data", "tensor"))
        plan = {"0": ColwiseParallel(), "2": RowwiseParallel()}
        fully_shard(parallelize_module(model, mesh["tensor"], plan), mesh=mesh["data"])
    else:
        fully_shard(model, mesh=mesh_of((world,)))
    model(torch.ones(2, 3)).square().sum().backward()
    grads = {name: p.grad for name, p in model.named_parameters()}
    transformation = gn.add_gradient_noise(0.3, seed=SEED)
    whole = {name: g.full_tensor().numpy() for name, g in grads.items()}
    expected, _ = transformation.update(whole, at_step(transformation, whole))
    noisy, _ = transformation.update(grads, at_step(transformation, grads))
    wrong = (
        "" if all(type(g.placements[0]).__name__ != "Replicate" for g in grads.values()) else "R"
    )
    for name, leaf in noisy.items():
        g = grads[name]
        again = distribute_tensor(
            torch.tensor(expected[name]), g.device_mesh, g.placements, src_data_rank=None
        )
        wrong += differs(leaf.to_local(), again.to_local().numpy(), name)
        if not np.array_equal(leaf.full_tensor().numpy(), expected[name]):
            wrong += f"gathered {name}; "
    return {"fsdp": wrong}


CHECKS = (
    replicas,
    dtypes,
    transposed,
    refused,
    refused_in_update,
    outside,
    under_way,
    fsdp,
)
