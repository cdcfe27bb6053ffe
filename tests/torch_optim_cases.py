"""Small torch models and what a noisy step must make of their gradients, by NumPy's own code."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

import gradnoise_core as gn
from gradnoise_core.noise import NoiseState

__all__ = [
    "ETA",
    "SEED",
    "clipped",
    "expected",
    "gradients",
    "held",
    "naive",
    "network",
    "noise_of",
    "same",
]

ETA, SEED = 0.3, 2**63 + 5


def network(dtype: Any = None, *, sizes: tuple[int, ...] = (6, 40, 30, 3)) -> Any:
    """Return a network whose leaves are drawn together and, the widest of a few, alone."""
    import torch

    torch.manual_seed(0)
    layers: list[Any] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1]).to(dtype or torch.float32)


def loss(model: Any, t: int = 0) -> Any:
    """Return a loss whose gradients differ from step to step."""
    import torch

    dtype = next(model.parameters()).dtype
    return model(torch.linspace(-1, 1, 24).reshape(4, 6).to(dtype) + t).square().sum()


def gradients(model: Any, t: int = 0, *, scale: float = 1.0) -> float:
    """Put the gradients of a loss into a model, and return it."""
    for p in model.parameters():
        p.grad = None
    value = loss(model, t)
    (value * scale).backward()
    return float(value.detach())


def held(model: Any) -> dict[str, Any]:
    """Return copies of the gradients of a model."""
    return {k: p.grad.detach().clone() for k, p in model.named_parameters() if p.grad is not None}


def expected(grads: Mapping[str, Any], t: int, *, seed: int = SEED, **kind: Any) -> dict[str, Any]:
    """Return noisy gradients as NumPy makes them of a dict of gradients by name."""
    link = gn.add_gradient_noise(ETA, seed=seed, **kind)
    noisy, _ = link.update({k: np.asarray(g).copy() for k, g in grads.items()}, NoiseState(t))
    return dict(noisy)


def noise_of(
    shapes: Mapping[str, Any], t: int, dtype: str = "float32", **kind: Any
) -> dict[str, Any]:
    """Return the noise alone."""
    return expected({k: np.zeros(tuple(s), dtype) for k, s in shapes.items()}, t, **kind)


def same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether tensors are NumPy's arrays, to the bit."""
    assert found
    assert set(found) == set(wanted)
    return all(np.array_equal(x.detach().numpy(), wanted[k]) for k, x in found.items())


def clipped(max_norm: float) -> gn.GradientTransformation:
    """Return `torch.nn.utils.clip_grad_norm_` as a link on NumPy's arrays, its 1e-6 included."""

    def update(grads: Any, state: Any, params: Any = None) -> Any:
        norm = np.sqrt(sum(float((g * g).sum()) for g in grads.values()))
        factor = min(max_norm / (norm + 1e-6), 1.0)
        return {k: g * factor for k, g in grads.items()}, state

    return gn.GradientTransformation(lambda params: (), update)


def naive(optimizer: Any, model: Any, *, seed: int = 0) -> None:
    """Attach what one would write first: a hook with a generator of its own."""
    import torch

    generator = torch.Generator().manual_seed(seed)

    def hook(*_: Any) -> None:
        for p in model.parameters():
            if p.grad is not None:
                p.grad.add_(torch.randn(p.grad.shape, generator=generator), alpha=ETA**0.5)

    optimizer.register_step_pre_hook(hook)
