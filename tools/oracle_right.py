"""Implementations on other array libraries that are right: the oracle must pass them too."""

import importlib.util
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import gradnoise_core as gn
from gradnoise_core.noise import NoiseState
from gradnoise_core.oracle.mutants import RIGHT, Implementation

__all__ = ["all_right"]

Noise = Callable[[Any, int], Any]


def all_right() -> tuple[Implementation, ...]:
    """Return every right implementation that can run here: the core's, and the frameworks'."""
    frameworks = {"torch": _torch, "jax": _jax, "optax": _optax}
    found = [f for name, f in frameworks.items() if importlib.util.find_spec(name) is not None]
    return (*RIGHT, *(i for f in found for i in f()))


def _noise(name: str, make: Callable[[int], Noise], **arguments: Any) -> Implementation:
    return Implementation(
        name=name, kind="noise", make=make, check="check_noise", arguments=arguments
    )


def _sigma(t: int) -> float:
    return math.sqrt(0.01 / (1 + t) ** 0.55)


def _ours(seed: int) -> Noise:
    link = gn.add_gradient_noise(seed=seed)
    return lambda gradient, t: link.update(gradient, NoiseState(t))[0]


def _torch() -> Iterator[Implementation]:
    import torch

    def generator(seed: int) -> Noise:
        source = torch.Generator().manual_seed(seed)
        return lambda gradient, t: {
            k: g + _sigma(t) * torch.randn(g.shape, generator=source) for k, g in gradient.items()
        }

    def of_all(seed: int) -> Noise:
        torch.manual_seed(seed)
        return lambda gradient, t: {
            k: g + _sigma(t) * torch.randn_like(g) for k, g in gradient.items()
        }

    def clipping(seed: int) -> Noise:
        noise = of_all(seed)

        def noisy(gradient: Any, t: int) -> Any:
            leaves = [torch.nn.Parameter(torch.zeros_like(g)) for g in gradient.values()]
            for leaf, g in zip(leaves, gradient.values(), strict=True):
                leaf.grad = g.clone()
            torch.nn.utils.clip_grad_norm_(leaves, 5.0)
            return noise({k: x.grad for k, x in zip(gradient, leaves, strict=True)}, t)

        return noisy

    narrow = {"w": torch.zeros(9000, dtype=torch.bfloat16)}
    yield _noise("torch-generator", generator, xp=torch)
    yield _noise("torch-global", of_all, xp=torch)
    yield _noise("torch-clip-grad-norm", clipping, xp=torch, clip=5.0)
    yield _noise("ours-torch", _ours, xp=torch)
    yield _noise("ours-torch-bfloat16", _ours, like=narrow)


def _jax() -> Iterator[Implementation]:
    import jax
    import jax.numpy as jnp

    def add(gradient: Any, key: Any, sigma: Any) -> Any:
        leaves, treedef = jax.tree.flatten(gradient)
        keys = jax.random.split(key, len(leaves))
        out = [
            g + sigma * jax.random.normal(k, g.shape, g.dtype)
            for g, k in zip(leaves, keys, strict=True)
        ]
        return jax.tree.unflatten(treedef, out)

    compiled = jax.jit(add)

    def folded(seed: int) -> Noise:
        key = jax.random.key(seed)
        return lambda gradient, t: compiled(
            gradient, jax.random.fold_in(key, t), np.float32(_sigma(t))
        )

    def ours_traced(seed: int) -> Noise:
        link = gn.add_gradient_noise(seed=seed)
        step = jax.jit(lambda gradient, t: link.update(gradient, NoiseState(t))[0])
        return lambda gradient, t: step(gradient, jnp.asarray(t, jnp.int32))

    yield _noise("jax-random", folded, xp=jnp)
    yield _noise("ours-jax", ours_traced, xp=jnp)


def _optax() -> Iterator[Implementation]:
    import jax
    import jax.numpy as jnp
    import optax

    def make(*before: Any) -> Callable[[int], Noise]:
        def link(seed: int) -> Any:
            return optax.chain(*before, optax.add_noise(0.01, 0.55, seed))

        update = jax.jit(link(0).update)  # the seed is in the state

        def counting(seed: int) -> Noise:
            state: list[Any] = []

            def noisy(gradient: Any, t: int) -> Any:
                out, new = update(gradient, state[0] if state else link(seed).init(gradient))
                state[:] = [new]
                return out

            return noisy

        return counting

    clip = optax.clip_by_global_norm(5.0)
    yield _noise("optax-add-noise", make(), xp=jnp, in_order=True)
    yield _noise("optax-clipped", make(clip), xp=jnp, in_order=True, clip=5.0)
