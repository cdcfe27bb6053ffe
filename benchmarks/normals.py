"""Standard normals: ours, and what each array library brings along. float32, drawn anew each call.

Ours and JAX's get the step as an argument and fold it into the key, as training does.
"""

import functools
import itertools
from typing import Any

from benchmarks.place import Place
from benchmarks.timing import Call
from benchmarks.work import Contestant, Work

__all__ = ["CONTESTANTS"]


def _draw(place: Place, work: Work, device: Any) -> Any:
    from gradnoise_core.random import fold_in, leaf_key, standard_normal

    key = leaf_key(0, "w", 0)
    return lambda t: standard_normal(fold_in(key, t), (work.size,), xp=place.xp, device=device)


def _ours(place: Place, work: Work) -> Call:
    draw, steps = _draw(place, work, place.device), itertools.count()
    return lambda: draw(next(steps))


def _ours_jit(place: Place, work: Work) -> Call:
    draw, steps = place.backend.jit(_draw(place, work, None)), itertools.count()
    return lambda: draw(next(steps))


def _ours_compiled(place: Place, work: Work) -> Call:
    import torch

    torch.compiler.reset()  # past a number of recompilations torch runs eagerly, without a word
    draw = place.backend.jit(_draw(place, work, place.device))
    step = torch.zeros((), dtype=torch.int64, device=place.device)
    return lambda: draw(step.add_(1))


def _generator(bits: str, place: Place, work: Work) -> Call:
    """NumPy's or CuPy's ``Generator`` over a bit generator."""
    import importlib

    random = importlib.import_module(f"{place.library}.random")
    generator = random.Generator(getattr(random, bits)(0))
    return lambda: generator.standard_normal(work.size, dtype="float32")


def _cupy_legacy(place: Place, work: Work) -> Call:
    import cupy

    return lambda: cupy.random.standard_normal(work.size, dtype="float32")


def _torch(place: Place, work: Work) -> Call:
    import torch

    return lambda: torch.randn(work.size, device=place.device)


def _jax(implementation: str, place: Place, work: Work) -> Call:
    import jax

    key, steps = jax.random.key(0, impl=implementation), itertools.count()
    draw = jax.jit(lambda t: jax.random.normal(jax.random.fold_in(key, t), (work.size,), "float32"))
    return lambda: draw(next(steps))


def _peer(name: str, make: Any, *arguments: str) -> Contestant:
    return Contestant(name, False, functools.partial(make, *arguments))


CONTESTANTS = {
    "numpy": (
        Contestant("ours", True, _ours),
        *(_peer(f"Generator({bits})", _generator, bits) for bits in ("PCG64", "SFC64", "Philox")),
    ),
    "torch": (
        Contestant("ours", True, _ours),
        Contestant("ours, torch.compile", True, _ours_compiled),
        _peer("torch.randn", _torch),
    ),
    "jax": (
        Contestant("ours, jit", True, _ours_jit),
        _peer("jax.random.normal (threefry)", _jax, "threefry2x32"),
        _peer("jax.random.normal (rbg)", _jax, "rbg"),
    ),
    "cupy": (
        Contestant("ours", True, _ours),
        *(_peer(f"Generator({bits})", _generator, bits) for bits in ("XORWOW", "Philox4x3210")),
        _peer("cupy.random.standard_normal", _cupy_legacy),
    ),
}
