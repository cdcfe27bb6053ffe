"""Ranks over gloo on loopback that train with a noisy optimizer; prints what they found.

All ranks compute on the same minibatch and rates are powers of two, so that the mean of their
gradients is exact: what one process trains is then what any number of ranks train, to the bit.
A verdict is "" where all is right.
"""

import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

from torch_optim_cases import ETA, SEED, expected, gradients, held, naive, network

warnings.simplefilter("error")
# What torch says to one process that reads what several wrote.
warnings.filterwarnings("ignore", "torch.distributed is disabled")

#: The ranks of each part of one run, which goes on from the checkpoint of the part before.
PARTS, STEPS = (2, 4, 1), 3

#: A leaf that is drawn alone, rows that no number of ranks divides, and a scalar's like.
SIZES = (6, 70, 301, 3)


def sgd(model: Any) -> Any:
    import torch

    return torch.optim.SGD(model.parameters(), lr=2.0**-7, momentum=0.5)


def noisy(optimizer: Any, model: Any, **kind: Any) -> Any:
    from gradnoise_backends.torch_optim import add_gradient_noise

    return add_gradient_noise(optimizer, model, ETA, seed=SEED, **kind)


def whole(tensor: Any) -> Any:
    """Return a tensor, or all of a DTensor, as NumPy's array."""
    full = getattr(tensor, "full_tensor", lambda: tensor)()
    return full.detach().numpy().copy()


def spread(model: Any) -> float:
    """Return how far the weights of ranks are apart."""
    import torch.distributed as dist

    worst = 0.0
    for p in model.parameters():
        least, most = p.detach().clone(), p.detach().clone()
        dist.all_reduce(least, dist.ReduceOp.MIN)
        dist.all_reduce(most, dist.ReduceOp.MAX)
        worst = max(worst, float((most - least).max()))
    return worst


def ddp(world: int) -> str:
    """Twenty noisy steps on ranks with minibatches of their own leave replicas equal."""
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    inner = network()
    model = DistributedDataParallel(inner, gradient_as_bucket_view=True)
    optimizer = sgd(model)
    noise = noisy(optimizer, model)
    wrong = ""
    for t in range(20):
        gradients(model, t * world + dist.get_rank())
        wanted = expected(held(inner), t)
        optimizer.step()
        if any((g.numpy() != wanted[k]).any() for k, g in held(inner).items()):
            wrong += f"noise of step {t}; "
    return (
        wrong
        + (f"replicas {spread(inner)}; " if spread(inner) else "")
        + ("" if noise.count == 20 else "count")
    )


def ddp_with_a_naive_hook(world: int) -> str:
    """A generator of each rank's own makes replicas drift apart."""
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    model = DistributedDataParallel(network())
    optimizer = sgd(model)
    naive(optimizer, model, seed=dist.get_rank())
    for t in range(3):
        gradients(model, t)
        optimizer.step()
    return "" if spread(model.module) > 1e-3 else "replicas are equal"


def sharded(world: int) -> tuple[Any, Any]:
    """Return a network under FSDP2, and its optimizer."""
    from torch.distributed.fsdp import fully_shard

    model = network(sizes=SIZES)
    for layer in list(model.children())[::2]:
        fully_shard(layer)
    fully_shard(model)
    return model, sgd(model)


def fsdp_slices(world: int) -> str:
    """A rank's gradient gets the slice of the noise of one process, and the weight likewise."""
    wrong = ""
    model, optimizer = sharded(world)
    noisy(optimizer, model)
    noisy(optimizer, model, placement="weight")
    for t in range(2):
        gradients(model, t)
        wanted = expected({k: whole(p.grad) for k, p in model.named_parameters()}, t)
        optimizer.step()
        for k, p in model.named_parameters():
            if type(p.grad.placements[0]).__name__ != "Shard":
                wrong += f"{k} is not sharded; "
            if (whole(p.grad) != wanted[k]).any():
                wrong += f"noise of {k} at step {t}; "
    return wrong


def fsdp_with_a_naive_hook(world: int) -> str:
    """A generator of one seed on all ranks draws the same noise for every shard."""
    import torch

    model, optimizer = sharded(world)
    generator = torch.Generator().manual_seed(SEED % 1000)

    def hook(*_: Any) -> None:
        for p in model.parameters():
            mine = p.grad.to_local()
            mine.add_(torch.randn(mine.shape, generator=generator))

    optimizer.register_step_pre_hook(hook)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    first = whole(next(model.parameters()).grad)
    rows = -(-len(first) // world)
    return "" if (first[:rows] == first[rows : 2 * rows]).all() else "shards have their own noise"


def train(model: Any, optimizer: Any, first: int) -> None:
    for t in range(first, first + STEPS):
        gradients(model, t)
        optimizer.step()


def part(world: int, folder: str) -> Any:
    """Train one part of the run, from checkpoint to checkpoint; return the last weights."""
    import torch.distributed.checkpoint as files
    from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

    at = PARTS.index(world)
    if world == 1:
        model = network(sizes=SIZES)
        optimizer = sgd(model)
    else:
        model, optimizer = sharded(world)
    noise = noisy(optimizer, model)
    kind = {"no_dist": True} if world == 1 else {}
    if at:
        weights, state = get_state_dict(model, optimizer)
        held_ = {"model": weights, "optimizer": state}
        files.load(held_, checkpoint_id=f"{folder}/part-{at - 1}", **kind)
        set_state_dict(
            model, optimizer, model_state_dict=weights, optim_state_dict=held_["optimizer"]
        )
    if noise.count != at * STEPS:
        return f"went on at {noise.count}"
    train(model, optimizer, at * STEPS)
    weights, state = get_state_dict(model, optimizer)
    files.save({"model": weights, "optimizer": state}, checkpoint_id=f"{folder}/part-{at}", **kind)
    return {k: whole(p) for k, p in model.named_parameters()}


def run_of_any_ranks(folder: str) -> str:
    """The run whose number of ranks changed is the run of one process that never stopped."""
    found, model = part(1, folder), network(sizes=SIZES)
    if isinstance(found, str):
        return found
    optimizer = sgd(model)
    noisy(optimizer, model)
    for at in range(len(PARTS)):
        train(model, optimizer, at * STEPS)
    return "".join(f"{k}; " for k, p in model.named_parameters() if (whole(p) != found[k]).any())


CHECKS: tuple[Callable[[int], str], ...] = (
    ddp,
    ddp_with_a_naive_hook,
    fsdp_slices,
    fsdp_with_a_naive_hook,
)


def rank_(rank: int, world: int, folder: str) -> None:
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    found: dict[str, str] = {}
    if world == 1:
        found["any number of ranks"] = run_of_any_ranks(folder)
    else:
        store = dist.FileStore(os.path.join(folder, f"store-{world}"), world)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=world)
        for check in CHECKS:
            found[f"{check.__name__} {world}"] = check(world)
        last = part(world, folder)
        found[f"part {world}"] = last if isinstance(last, str) else ""
        gathered: list[Any] = [None] * world
        dist.all_gather_object(gathered, found)
        found = {k: "".join(g[k] for g in gathered) for k in found}
        dist.destroy_process_group()
    if rank == 0:
        with open(os.path.join(folder, f"found-{world}.json"), "w", encoding="utf-8") as file:
            json.dump(found, file)


if __name__ == "__main__":
    import torch.multiprocessing

    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    together: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as made:
        for ranks in PARTS:
            torch.multiprocessing.start_processes(
                rank_, (ranks, made), nprocs=ranks, start_method="fork"
            )
            with open(os.path.join(made, f"found-{ranks}.json"), encoding="utf-8") as written:
                together.update(json.load(written))
    print(json.dumps(together), file=sys.stdout)
