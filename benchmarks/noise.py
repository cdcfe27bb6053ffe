"""Gradient noise alone: ``g + sigma_t z`` over a tree. Peers write it in place where they can."""

from typing import Any

from benchmarks.place import Place
from benchmarks.timing import Call
from benchmarks.work import ETA, GAMMA, Contestant, Work, sigma, tree

__all__ = ["CONTESTANTS"]


def _ours(place: Place, work: Work, wrap: Any = lambda update: update) -> Call:
    import gradnoise_core as gn

    noise = gn.add_gradient_noise(eta=ETA, gamma=GAMMA)
    grads = tree(place, work, seed=0)
    held = [noise.init(grads)]
    update = wrap(noise.update)

    def call() -> Any:
        noisy, held[0] = update(grads, held[0])
        return noisy

    return call


def _ours_jit(place: Place, work: Work) -> Call:
    return _ours(place, work, place.backend.jit)


def _ours_compiled(place: Place, work: Work) -> Call:
    import torch

    torch.compiler.reset()  # past a number of recompilations torch runs eagerly, without a word
    return _ours(place, work, place.backend.jit)


def _numpy(place: Place, work: Work) -> Call:
    import numpy as np

    rng = np.random.Generator(np.random.PCG64(0))
    grads = list(tree(place, work, seed=0).values())
    outs = [np.empty_like(g) for g in grads]

    def call() -> Any:
        for g, out in zip(grads, outs, strict=True):
            rng.standard_normal(out=out, dtype=np.float32)
            np.multiply(out, sigma(0), out=out)
            np.add(out, g, out=out)
        return outs

    return call


def _torch(place: Place, work: Work) -> Call:
    import torch

    grads = list(tree(place, work, seed=0).values())

    def call() -> Any:
        for g in grads:
            g.add_(torch.randn_like(g), alpha=sigma(0))
        return grads

    return call


def _jax(place: Place, work: Work) -> Call:
    import jax

    grads = tree(place, work, seed=0)

    def add(key: Any, grads: Any) -> Any:
        next_key, *keys = jax.random.split(key, 1 + work.leaves)
        noisy = {
            name: g + sigma(0) * jax.random.normal(k, g.shape, g.dtype)
            for (name, g), k in zip(grads.items(), keys, strict=True)
        }
        return noisy, next_key

    compiled, held = jax.jit(add), [jax.random.key(0)]

    def call() -> Any:
        noisy, held[0] = compiled(held[0], grads)
        return noisy

    return call


def _cupy(place: Place, work: Work) -> Call:
    import cupy

    rng = cupy.random.Generator(cupy.random.Philox4x3210(0))
    grads = list(tree(place, work, seed=0).values())

    def call() -> Any:
        for g in grads:
            z = rng.standard_normal(g.size, dtype="float32")
            cupy.multiply(z, sigma(0), out=z)
            cupy.add(g, z, out=g)
        return grads

    return call


CONTESTANTS = {
    "numpy": (
        Contestant("ours", True, _ours),
        Contestant("in place (PCG64)", False, _numpy),
    ),
    "torch": (
        Contestant("ours", True, _ours),
        Contestant("ours, torch.compile", True, _ours_compiled, many=False),
        Contestant("add_(randn)", False, _torch),
    ),
    "jax": (
        Contestant("ours, jit", True, _ours_jit),
        Contestant("g + jax.random.normal, jit", False, _jax),
    ),
    "cupy": (
        Contestant("ours", True, _ours),
        Contestant("in place (Philox4x3210)", False, _cupy),
    ),
}
