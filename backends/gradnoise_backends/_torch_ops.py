"""The stream as torch operators, for ``torch.compile``: it sees one call, and compiles in no time.

Traced into Inductor, the cipher's 20 rounds take minutes to compile, and the hash of a leaf's path
breaks the graph. An operator is opaque to it, runs the eager code, and has the same bits.
"""

from collections.abc import Sequence
from typing import Any

import torch

from gradnoise_core.random import _threefry
from gradnoise_core.random._normal import defined_quantile
from gradnoise_core.typing import Array, Device, Seed, Shape, Step

__all__ = ["quantile", "standard_normals", "threefry"]


def threefry(key: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[Array, Array]:
    """Do as the definition's ``threefry``; one operator while compiling."""
    if not torch.compiler.is_compiling():
        return _threefry.threefry(key, counter)
    words = (*key, *counter)
    like = next(w for w in words if not isinstance(w, int))
    k0, k1, c0, c1 = (
        torch.full((), w, dtype=torch.int32, device=like.device) if isinstance(w, int) else w
        for w in words
    )
    first, second = torch.ops.gradnoise.threefry(k0, k1, c0, c1)
    return first, second


def quantile(words: Array) -> Array:
    """Do as the definition's ``quantile``; one operator while compiling."""
    if torch.compiler.is_compiling():
        return torch.ops.gradnoise.quantile(words)
    from gradnoise_backends.torch import backend

    return defined_quantile(backend, words)


def standard_normals(
    seed: Seed,
    paths: Sequence[str],
    shapes: Sequence[Shape],
    step: Step,
    domain: str,
    device: Device,
) -> list[Array]:
    """Do as ``random.standard_normals``, as one operator."""
    # Operators take text but no lists of it; and what torch.compile traces must be this plain.
    seeds = str(seed) if isinstance(seed, int) else "".join([f"{s};" for s in seed])
    about = "\0".join([seeds, domain, *[_spell(s) for s in shapes], *paths])
    t = torch.scalar_tensor(step, dtype=torch.int64) if isinstance(step, int) else step
    out: list[Array] = torch.ops.gradnoise.standard_normals(t, about, len(paths), device)
    return out


def _spell(shape: Shape) -> str:
    return "".join([f"{n}," for n in shape])


def _read(about: str, leaves: int) -> tuple[Any, str, list[Shape], list[str]]:
    seeds, domain, *rest = about.split("\0")
    seed = tuple(int(s) for s in seeds.split(";")[:-1]) if ";" in seeds else int(seeds)
    shapes = [tuple(int(n) for n in s.split(",")[:-1]) for s in rest[:leaves]]
    return seed, domain, shapes, rest[leaves:]


@torch.library.custom_op("gradnoise::threefry", mutates_args=())
def _threefry_op(
    k0: torch.Tensor, k1: torch.Tensor, c0: torch.Tensor, c1: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    first, second = _threefry.threefry((k0, k1), (c0, c1))
    return first, second


@_threefry_op.register_fake
def _(
    k0: torch.Tensor, k1: torch.Tensor, c0: torch.Tensor, c1: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    shape = torch.broadcast_shapes(k0.shape, k1.shape, c0.shape, c1.shape)
    return c1.new_empty(shape), c1.new_empty(shape)


@torch.library.custom_op("gradnoise::quantile", mutates_args=())
def _quantile_op(words: torch.Tensor) -> torch.Tensor:
    return quantile(words)


@_quantile_op.register_fake
def _(words: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(words, dtype=torch.float32)


@torch.library.custom_op("gradnoise::standard_normals", mutates_args=())
def _standard_normals_op(
    step: torch.Tensor, about: str, leaves: int, device: torch.device
) -> list[torch.Tensor]:
    from gradnoise_backends.torch import backend
    from gradnoise_core.random._leaves import standard_normals as draw

    seed, domain, shapes, paths = _read(about, leaves)
    drawn = draw(seed, paths, shapes, int(step), domain, backend, device)
    # Leaves drawn together are views of one array, which an operator may not return.
    return [z.clone() for z in drawn]


@_standard_normals_op.register_fake
def _(step: torch.Tensor, about: str, leaves: int, device: torch.device) -> list[torch.Tensor]:
    seed, _, shapes, _ = _read(about, leaves)
    lead = () if isinstance(seed, int) else (len(seed),)
    return [torch.empty((*lead, *s), dtype=torch.float32, device=device) for s in shapes]
