"""The stream as torch operators, for ``torch.compile``: it sees one call, and compiles in no time.

Traced into Inductor, the cipher's 20 rounds take minutes to compile, and the hash of a leaf's path
breaks the graph. An operator is opaque to it, runs the eager code, and has the same bits.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from gradnoise_backends import _torch_draw
from gradnoise_core.random import Key, _leaves, _threefry
from gradnoise_core.random._normal import defined_quantile
from gradnoise_core.random._runs import Runs
from gradnoise_core.typing import Array, Device, Seed, Step

__all__ = ["draw", "leaf_keys", "quantile", "threefry"]


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


def leaf_keys(
    seed: Seed, paths: Sequence[str], step: Step, domain: str, device: Device
) -> tuple[Array, Array]:
    """Return the keys of leaves, as one operator: what it hashes is no business of a compiler."""
    # Operators take text but no lists of it; and what torch.compile traces must be this plain.
    seeds = str(seed) if isinstance(seed, int) else "".join([f"{s};" for s in seed])
    about = "\0".join([seeds, domain, *paths])
    t = torch.scalar_tensor(step, dtype=torch.int64) if isinstance(step, int) else step
    words = torch.ops.gradnoise.leaf_keys(t, about, device)
    return words[0], words[1]


def draw(runs: Runs, *, normals: bool) -> Array:
    """Draw runs whose keys are tensors, as one operator."""
    out: Array = torch.ops.gradnoise.draw(*runs.keys, runs.starts, runs.sizes, normals)
    return out


def _read(about: str) -> tuple[Any, str, tuple[str, ...]]:
    seeds, domain, *paths = about.split("\0")
    seed = tuple(int(s) for s in seeds.split(";")[:-1]) if ";" in seeds else int(seeds)
    return seed, domain, tuple(paths)


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


@torch.library.custom_op("gradnoise::leaf_keys", mutates_args=())
def _leaf_keys_op(step: torch.Tensor, about: str, device: torch.device) -> torch.Tensor:
    seed, domain, paths = _read(about)
    # Two words a leaf: a count that is on a GPU is read, which waits for it.
    keys = _leaves.leaf_keys(seed, paths, int(step), domain)
    return torch.from_numpy(np.stack(keys)).to(device)


@_leaf_keys_op.register_fake
def _(step: torch.Tensor, about: str, device: torch.device) -> torch.Tensor:
    seed, _, paths = _read(about)
    lead = () if isinstance(seed, int) else (len(seed),)
    return torch.empty((2, *lead, len(paths)), dtype=torch.int32, device=device)


@torch.library.custom_op("gradnoise::draw", mutates_args=())
def _draw_op(
    high: torch.Tensor, low: torch.Tensor, starts: list[int], sizes: list[int], normals: bool
) -> torch.Tensor:
    runs = Runs(Key(high, low), tuple(starts), tuple(sizes))
    out: torch.Tensor = _torch_draw.draw(runs, high.device, normals=normals)
    return out


@_draw_op.register_fake
def _(
    high: torch.Tensor, low: torch.Tensor, starts: list[int], sizes: list[int], normals: bool
) -> torch.Tensor:
    dtype = torch.float32 if normals else torch.int32
    return torch.empty((*high.shape[:-1], sum(sizes)), dtype=dtype, device=high.device)
