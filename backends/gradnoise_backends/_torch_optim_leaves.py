"""Noise on the gradients or the weights of a step, in place."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

import gradnoise_core as gn
from gradnoise_backends._torch_sharded import shard_of
from gradnoise_core.noise import NoiseState

__all__ = [
    "add_noise_",
    "add_to_gradients_",
    "all_plain",
    "is_skipped",
    "moved",
    "only_makes_state",
    "places",
    "with_gradient",
]

Leaves = Mapping[str, torch.Tensor]


def moved(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    """Return the parameters that have a gradient: those that a step moves."""
    return [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]


def all_plain(optimizer: torch.optim.Optimizer) -> bool:
    """Return whether they are tensors that an operator may get: DTensor knows none of ours."""
    return all(type(p) in (torch.Tensor, torch.nn.Parameter) for p in moved(optimizer))


def places(optimizer: torch.optim.Optimizer) -> list[int]:
    """Return where they stand among all parameters of the optimizer."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    return [i for i, p in enumerate(params) if p.grad is not None]


def with_gradient(names: Sequence[str], params: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return them by name."""
    return {name: p for name, p in zip(names, params, strict=True) if p.grad is not None}


def add_to_gradients_(
    link: gn.GradientTransformation, params: Leaves, t: int, scale: torch.Tensor | None
) -> None:
    """Add the noise of step t to the gradients of parameters; unscale these first, if scaled.

    Raises
    ------
    TypeError
        If a gradient is sparse.
    """
    grads = {name: p.grad for name, p in params.items()}
    if not any(g.requires_grad for g in grads.values()):
        add_noise_(link, grads, t, scale)
        return
    # Of create_graph=True: something may need it as it is, or be differentiated through it.
    with torch.enable_grad():
        noisy = _noisy(link, grads if scale is None else _unscaled(grads, scale), t)
    for name, p in params.items():
        p.grad = noisy[name].to(p.grad.dtype)


def add_noise_(
    link: gn.GradientTransformation, leaves: Leaves, t: int, scale: torch.Tensor | None = None
) -> None:
    """Add the noise of step t to tensors, in place; unscale them first, if scaled."""
    with torch.no_grad():
        noisy = _noisy(link, leaves if scale is None else _unscaled(leaves, scale), t)
        if noisy:  # in one call for all, which DTensor has only for the blocks
            here = [_here(leaf) for leaf in leaves.values()]
            torch._foreach_copy_(here, [_here(noisy[name]) for name in leaves])


def _noisy(link: gn.GradientTransformation, leaves: Leaves, t: int) -> dict[str, torch.Tensor]:
    _refuse_sparse(leaves)
    noisy: dict[str, torch.Tensor] = {}
    parts: dict[torch.device, dict[str, torch.Tensor]] = {}
    for name, leaf in leaves.items():
        parts.setdefault(leaf.device, {})[name] = leaf
    for device, part in parts.items():
        _refuse_capture(device)
        noisy.update(link.update(part, NoiseState(t))[0])
    return noisy


def _unscaled(grads: Leaves, scale: torch.Tensor) -> Leaves:
    """Return gradients divided as `torch.amp.GradScaler.unscale_` does, 16-bit ones in float32.

    Noise is then added in float32 and rounded once, and no small gradient is lost in between.
    """
    wide = {
        name: g.to(torch.promote_types(g.dtype, torch.float32), copy=True)
        for name, g in grads.items()
    }
    inverse = scale.double().reciprocal().float()
    alike: dict[tuple[torch.device, torch.dtype], list[torch.Tensor]] = {}
    for g in wide.values():
        alike.setdefault((g.device, g.dtype), []).append(_here(g))
    for (device, _), parts in alike.items():
        found_inf = torch.zeros((), device=device)
        torch._amp_foreach_non_finite_check_and_unscale_(parts, found_inf, inverse.to(device))
    return wide


def is_skipped(optimizer: torch.optim.Optimizer) -> bool:
    """Return whether a fused optimizer is about to skip its step, for a GradScaler found an inf."""
    found_inf = getattr(optimizer, "found_inf", None)
    return found_inf is not None and bool(found_inf)


def only_makes_state(optimizer: torch.optim.Optimizer, kwargs: Mapping[str, Any]) -> bool:
    """Return whether this step is no step: `torch.distributed.checkpoint` makes one, with zero
    gradients at rate zero, so that an optimizer has the state that it is about to save or load.
    """
    if "closure" not in kwargs or kwargs["closure"] is not None or optimizer.state:
        return False
    if any(float(group.get("lr", 0.0)) != 0.0 for group in optimizer.param_groups):
        return False
    params = [p for group in optimizer.param_groups for p in group["params"]]
    grads = [p.grad for p in params if p.requires_grad]
    return all(g is not None and not bool(_here(g).any()) for g in grads)


def _here(g: torch.Tensor) -> torch.Tensor:
    """Return the block of a DTensor that this process holds; of any other tensor, the whole."""
    shard = shard_of(g)
    return g if shard is None else shard.local


def _refuse_sparse(grads: Leaves) -> None:
    for name, g in grads.items():
        if g.layout is not torch.strided:
            message = (
                f"Gradients must be dense to be noisy, got one of layout {g.layout} at {name!r}. "
                "Pass sparse=False to the layer that makes it, or leave the parameter to an "
                "optimizer of its own, without noise."
            )
            raise TypeError(message)


def _refuse_capture(device: torch.device) -> None:
    if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        message = (
            "A step with noise must not be captured in a CUDA graph, which would add the noise of "
            "one step at every replay. Call `.remove()` before capturing, or step without a graph "
            "(capturable=True may stay)."
        )
        raise RuntimeError(message)
