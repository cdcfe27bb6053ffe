"""The keys and the normals of many leaves at once."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradnoise_core.backend import Backend, backend_of
from gradnoise_core.random._counters import block
from gradnoise_core.random._keys import Key, device_words, fold_in, key, leaf_id
from gradnoise_core.random._normal import quantile
from gradnoise_core.random._runs import Runs
from gradnoise_core.random._threefry import MASK, threefry
from gradnoise_core.random._words import draw
from gradnoise_core.typing import Array, Device, Seed, Shape, Step

__all__ = ["SMALL", "joined_normals", "leaf_keys", "some_keys", "standard_normals"]

# A tuple, not a union: torch.compile sees through no union that holds NumPy's types.
_NUMPYS = (np.ndarray, np.generic)

#: Leaves of up to so many elements are drawn together.
SMALL = 1 << 14

#: How many layouts of leaves to keep on a device.
KEPT = 32


def standard_normals(
    seed: Seed,
    paths: Sequence[str],
    shapes: Sequence[Shape],
    step: Step,
    domain: str,
    backend: Backend,
    device: Device,
) -> list[Array]:
    """Return the float32 normals of each leaf, with a leading replica axis for R seeds."""
    if not paths:
        return []
    keys = leaf_keys(seed, tuple(paths), step, domain, backend, device)
    small = [i for i, s in enumerate(shapes) if 0 < math.prod(s) <= SMALL]
    out: dict[int, Array] = {}
    if len(small) > 1:
        sizes = tuple(math.prod(shapes[i]) for i in small)
        z = joined_normals(some_keys(keys, small), sizes, backend, device, step)
        lead, stops = keys.shape[:-1], np.cumsum(sizes).tolist()
        for i, start, stop in zip(small, [0, *stops], stops, strict=False):
            out[i] = _part(z, start, stop, (*lead, *shapes[i]), backend)
    transform = functools.partial(quantile, backend)
    return [
        out[i]
        if i in out
        else draw(_one(keys, i), s, block(s, None, None), backend, device, transform, step)
        for i, s in enumerate(shapes)
    ]


def _part(z: Array, start: int, stop: int, shape: Shape, backend: Backend) -> Array:
    """Return one leaf's share of normals drawn together."""
    xp = backend.namespace
    if not backend.traced(z):
        return xp.reshape(z[..., start:stop], shape)
    # Of a slice XLA makes messages between devices, where the leaf that gets it is sharded.
    index = xp.arange(start, stop, dtype=xp.int32)
    return xp.reshape(xp.take(z, index, axis=-1), shape)


def joined_normals(
    keys: Key, sizes: tuple[int, ...], backend: Backend, device: Device, step: Step | None = None
) -> Array:
    """Return the normals of small leaves one after another, of shape ``(n,)`` or ``(R, n)``.

    They are drawn in one array, so that Python's overhead, or a compiler's, is paid once. `step` is
    as in `draw`.
    """
    if backend.draw is not None:
        return backend.draw(Runs(keys, (0,) * len(sizes), sizes), device, normals=True)
    xp = backend.namespace
    counter, leaf, kept = _placed_layout(sizes, backend, device)
    words = [xp.take(w, leaf, axis=-1) for w in device_words(keys, backend, device)]
    if backend.draw_pairs is not None:
        drawn = backend.draw_pairs(words, counter, kept, step)
        if drawn is not None:
            return drawn
    pair = (backend.threefry or threefry)((words[0], words[1]), (0, counter))
    both = xp.reshape(xp.stack(pair, axis=-1), (*keys.shape[:-1], 2 * counter.shape[0]))
    return quantile(backend, both if kept is None else xp.take(both, kept, axis=-1))


def leaf_keys(
    seed: Seed,
    paths: tuple[str, ...],
    step: Step,
    domain: str,
    backend: Backend | None = None,
    device: Device = None,
) -> Key:
    """Return the keys of all leaves at a step, of shape ``(L,)`` or ``(R, L)``."""
    if backend is not None and backend.leaf_keys is not None and backend.traced(None):
        return Key(*backend.leaf_keys(seed, paths, step, domain, device))
    return fold_in(_folded(_hashable(seed), paths, domain), step)


@functools.lru_cache(maxsize=64)
def _folded(seed: int | tuple[int, ...], paths: tuple[str, ...], domain: str) -> Key:
    """Return the keys of all leaves before the step is folded in, as NumPy arrays."""
    folded = [
        fold_in(key(seed if isinstance(seed, tuple) else (seed,)), leaf_id(p, domain))
        for p in paths
    ]
    high, low = (np.stack([k[i] for k in folded], axis=-1) for i in (0, 1))
    return Key(high, low) if isinstance(seed, tuple) else Key(high[0], low[0])


def _hashable(seed: Seed) -> int | tuple[int, ...]:
    return seed if isinstance(seed, int) else tuple(seed)


def _one(keys: Key, i: int) -> Key:
    """Return the key of leaf i; one key that is on the host, as Python ints."""
    high, low = keys.high[..., i], keys.low[..., i]
    if isinstance(high, _NUMPYS) and high.ndim == 0:
        return Key(int(high) & MASK, int(low) & MASK)
    return Key(high, low)


def some_keys(keys: Key, which: Sequence[int]) -> Key:
    """Return the keys of some leaves."""
    if len(which) == keys.shape[-1]:
        return keys
    if isinstance(keys.high, np.ndarray):
        return Key(keys.high[..., list(which)], keys.low[..., list(which)])
    backend = backend_of(keys.high)
    index = backend.from_host(np.asarray(which), device=backend.device(keys.high))
    return Key(*(backend.namespace.take(word, index, axis=-1) for word in keys))


#: Counter and leaf of each pair of words, and which words are kept (None: all).
Layout = tuple[Any, Any, Any]

_PLACED: dict[Any, Layout] = {}


def _placed_layout(sizes: tuple[int, ...], backend: Backend, device: Device) -> Layout:
    """Return `_layout` on a device, kept there if the backend allows."""
    place = sizes, backend.name, str(device)  # CuPy's devices cannot be hashed
    found = _PLACED.get(place) if backend.constants else None
    if found is None:
        counter, leaf, kept = (
            None if part is None else backend.from_host(part, device=device)
            for part in _layout(sizes)
        )
        found = (counter, leaf, kept)
        if backend.constants and not backend.traced(None):
            if len(_PLACED) >= KEPT:
                _PLACED.clear()
            _PLACED[place] = found
    return found


@functools.lru_cache(maxsize=32)
def _layout(sizes: tuple[int, ...]) -> Layout:
    pairs = [(n + 1) // 2 for n in sizes]
    counter = np.concatenate([np.arange(n, dtype=np.int32) for n in pairs])
    leaf = np.repeat(np.arange(len(pairs), dtype=np.int32), pairs)
    if all(n % 2 == 0 for n in sizes):
        return counter, leaf, None
    # The last word of a leaf of odd size is drawn with its pair, and left out.
    size = np.asarray(sizes)[leaf]
    kept = np.stack([2 * counter < size, 2 * counter + 1 < size], axis=-1).reshape(-1)
    return counter, leaf, np.flatnonzero(kept).astype(np.int32)
