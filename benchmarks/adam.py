"""A noisy-Adam step: ours makes new parameters and state; each peer is the fastest of its kind."""

import functools
from typing import Any

from benchmarks.place import Place
from benchmarks.timing import Call
from benchmarks.work import ETA, GAMMA, RATE, Contestant, Work, tree

__all__ = ["CONTESTANTS"]


def _functional(place: Place, work: Work, optimizer: Any, step: Any, wrap: Any) -> Call:
    """Return ``step(params, state, grads) -> (params, state)`` of an optimizer, again and again."""
    params, grads = tree(place, work, seed=0), tree(place, work, seed=1)
    held = [params, optimizer.init(params)]
    del params  # else the first ones, donated, would stay referred to
    compiled = wrap(step)

    def call() -> Any:
        held[0], held[1] = compiled(held[0], held[1], grads)
        return held[0]

    return call


def _ours(place: Place, work: Work, wrap: Any = lambda step: step) -> Call:
    import gradnoise_core as gn

    optimizer = gn.noisy(gn.adam(RATE), eta=ETA, gamma=GAMMA)

    def step(params: Any, state: Any, grads: Any) -> Any:
        return gn.apply_gradients(optimizer, grads, state, params)

    return _functional(place, work, optimizer, step, wrap)


def _ours_in_two(place: Place, work: Work) -> Call:
    import gradnoise_core as gn

    optimizer = gn.noisy(gn.adam(RATE), eta=ETA, gamma=GAMMA)
    step = functools.partial(_update_and_apply, optimizer, gn.apply_updates)
    return _functional(place, work, optimizer, step, lambda step: step)


def _update_and_apply(optimizer: Any, apply: Any, params: Any, state: Any, grads: Any) -> Any:
    """Step as optax's users do."""
    updates, state = optimizer.update(grads, state, params)
    return apply(params, updates), state


def _ours_compiled(place: Place, work: Work) -> Call:
    import torch

    torch.compiler.reset()  # past a number of recompilations torch runs eagerly, without a word
    return _ours(place, work, place.backend.jit)


def _ours_jit(place: Place, work: Work) -> Call:
    return _ours(place, work, _donated)


def _optax(place: Place, work: Work) -> Call:
    import optax

    optimizer = optax.chain(optax.add_noise(ETA, GAMMA, key=0), optax.adam(RATE))
    step = functools.partial(_update_and_apply, optimizer, optax.apply_updates)
    return _functional(place, work, optimizer, step, _donated)


def _donated(step: Any) -> Any:
    import jax

    return jax.jit(step, donate_argnums=(0, 1))


def _torch(option: str, place: Place, work: Work) -> Call:
    from benchmarks.peers.torch_adam import TorchAdam

    params, grads = tree(place, work, seed=0), tree(place, work, seed=1)
    adam = TorchAdam(list(params.values()), list(grads.values()), **{option: True})

    def call() -> Any:
        adam.step()
        return adam.params

    return call


def _in_place(piece: int | None, place: Place, work: Work) -> Call:
    import numpy as np

    rng = np.random.Generator(np.random.PCG64(0))

    def normals(out: Any) -> Any:
        return rng.standard_normal(out=out, dtype=np.float32)

    return _stepping(place, work, np, normals, piece)


def _in_place_cupy(place: Place, work: Work) -> Call:
    import cupy

    rng = cupy.random.Generator(cupy.random.Philox4x3210(0))

    def normals(out: Any) -> Any:
        # With `out` CuPy would draw into another array and copy.
        return rng.standard_normal(out.size, dtype="float32")

    return _stepping(place, work, cupy, normals, None)


def _stepping(place: Place, work: Work, xp: Any, normals: Any, piece: int | None) -> Call:
    from benchmarks.peers.in_place_adam import InPlaceAdam

    params, grads = (list(tree(place, work, seed).values()) for seed in (0, 1))
    adam = InPlaceAdam(params, xp, normals, piece=piece)

    def call() -> Any:
        adam.step(grads)
        return adam.params

    return call


CONTESTANTS = {
    "numpy": (
        Contestant("ours", True, _ours),
        Contestant("ours, update and apply", True, _ours_in_two),
        Contestant("in place (PCG64)", False, functools.partial(_in_place, None)),
        Contestant("in place (PCG64), pieces", False, functools.partial(_in_place, 1 << 15)),
    ),
    "torch": (
        Contestant("ours", True, _ours),
        Contestant("ours, update and apply", True, _ours_in_two),
        Contestant("ours, torch.compile", True, _ours_compiled, many=False),
        Contestant("Adam(fused) + randn", False, functools.partial(_torch, "fused")),
        Contestant("Adam(foreach) + randn", False, functools.partial(_torch, "foreach")),
    ),
    "jax": (
        Contestant("ours, jit", True, _ours_jit),
        Contestant("optax, jit", False, _optax),
    ),
    "cupy": (
        Contestant("ours", True, _ours),
        Contestant("in place (Philox4x3210)", False, _in_place_cupy),
    ),
}
