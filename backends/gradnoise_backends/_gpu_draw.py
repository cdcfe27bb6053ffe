"""Runs for the GPU kernels of torch and of CuPy, which have the same three functions."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradnoise_core._scalars import several
from gradnoise_core.random._runs import Runs
from gradnoise_core.typing import Array, Device

__all__ = ["add_noise", "normals_of_runs", "places"]

#: ``NumPy array or array of the library -> array on the device``
Put = Callable[[Any], Array]


def normals_of_runs(stream: Any, runs: Runs, device: Device, put: Put) -> Array:
    """Return the normals of runs, by the kernels of the module `stream`."""
    if len(runs.sizes) == 1:
        return stream.normals(_one_key(runs, put), runs.starts[0], runs.size, device)
    run, index = _placed(stream, runs, device, put)
    keys = tuple(put(word) for word in runs.keys)
    return stream.normals_of_leaves(keys, run, index, device)


#: The places of so many layouts of small leaves are kept on a device, that of each step being one.
KEPT = 16

_PLACED: dict[Any, tuple[Array, Array]] = {}


def _placed(stream: Any, runs: Runs, device: Device, put: Put) -> tuple[Array, Array]:
    """Return `places` on a device, made and sent there once."""
    layout = stream.__name__, runs.starts, runs.sizes, str(device)
    found = _PLACED.get(layout)
    if found is None:
        if len(_PLACED) >= KEPT:
            _PLACED.clear()
        run, index = places(runs)
        found = _PLACED[layout] = (put(run), put(index))
    return found


def add_noise(
    stream: Any, kernel: Any, arrays: Sequence[Array], scalars: Sequence[Any], draws: Any, put: Put
) -> tuple[Array] | None:
    """Return the gradient with noise added in one pass; None if the kernel does more than that."""
    sign = getattr(kernel, "noise_sign", None)
    if sign is None or len(draws[0].runs.sizes) != 1:
        return None
    runs, (g,), (sigma,) = draws[0].runs, arrays, scalars
    if several(sigma) and not runs.lead:
        return None
    scale = sign * sigma if isinstance(sigma, int | float) else put(np.asarray(sign * sigma))
    rows = g.reshape((*runs.lead, runs.size))
    return (stream.add(rows, _one_key(runs, put), runs.starts[0], scale).reshape(g.shape),)


def _one_key(runs: Runs, put: Put) -> tuple[Any, Any]:
    """Return the key of the only run: ints, or arrays on the device for replicas."""
    high, low = (word[..., 0] for word in runs.keys)
    if runs.lead or not isinstance(high, np.generic):
        return put(high), put(low)
    return int(high), int(low)


def places(runs: Runs) -> tuple[Any, Any]:
    """Return the run of each element and its index there, as int64 that wraps."""
    sizes = np.asarray(runs.sizes, np.int64)
    run = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)
    first = np.asarray(runs.starts, np.uint64).view(np.int64) - (np.cumsum(sizes) - sizes)
    return run, np.arange(runs.size, dtype=np.int64) + first[run]
