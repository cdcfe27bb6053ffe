"""Where a measurement runs: an array library, with or without numba, on a device."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

__all__ = ["VARIANTS", "Absent", "Place", "Variant", "missing", "open_place", "wrong_numba"]


class Absent(Exception):  # noqa: N818 - not an error: it is said, and the rest goes on
    """What is asked for is not on this machine."""


class Variant(NamedTuple):
    """An array library, and how the process is set up that measures it.

    Attributes
    ----------
    name, library : str
        Of the variant, and of the library as `gradnoise_core` knows it.
    devices : tuple of str
        Kinds of devices it runs on.
    requires : tuple of str
        Modules that must be installed.
    environment : mapping
        Variables of its process.
    numba : bool or None
        Whether numba must be used, must not be, or does not matter.
    """

    name: str
    library: str
    devices: tuple[str, ...]
    requires: tuple[str, ...]
    environment: Mapping[str, str] = MappingProxyType({})
    numba: bool | None = None


#: Without numba is a process of its own, with its own timings of the peer.
VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("numpy", "numpy", ("cpu",), ("numpy",), {"GRADNOISE_NUMBA": "0"}, numba=False),
        Variant("numpy-numba", "numpy", ("cpu",), ("numpy", "numba"), numba=True),
        Variant("torch", "torch", ("cpu", "cuda"), ("torch",)),
        Variant("jax", "jax", ("cpu", "cuda"), ("jax", "optax")),
        Variant("cupy", "cupy", ("cuda",), ("cupy",)),
    )
}

_NAMESPACES = {
    "numpy": "numpy",
    "torch": "torch",
    "jax": "jax.numpy",
    "cupy": "array_api_compat.cupy",
}


class Place(NamedTuple):
    """A library at hand.

    Attributes
    ----------
    library : str
    xp : module
        The library's namespace.
    backend : Backend
        Ours for it.
    device : object
        The library's own handle; None where the default device is meant.
    wait : callable
        Waits until an array, or a tree of them, is computed.
    """

    library: str
    xp: Any
    backend: Any
    device: Any
    wait: Callable[[Any], Any]


def missing(variant: Variant, device: str) -> str | None:
    """Return why a variant cannot run, as far as that shows without importing it."""
    if device not in variant.devices:
        return f"{variant.library} does not run on {device}"
    absent = [name for name in variant.requires if importlib.util.find_spec(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


def wrong_numba(variant: Variant) -> str | None:
    """Return what is wrong if numba was used though it must not be, or the reverse.

    Asked after the measurement, so that no figure stands under the name of another path.
    """
    loaded = "numba" in sys.modules
    if variant.numba is None or variant.numba == loaded:
        return None
    return "numba was never imported" if variant.numba else "numba was imported"


def open_place(variant: Variant, device: str, threads: int) -> Place:
    """Import a library and choose its device.

    Raises
    ------
    Absent
        If there is no such device.
    """
    from gradnoise_core.backend import backend_for

    library = variant.library
    backend = backend_for(importlib.import_module(_NAMESPACES[library]))
    found = {name: d for name, d in backend.devices().items() if name.startswith(device)}
    if not found:
        message = f"{library} finds no {device} device, only {', '.join(backend.devices())}"
        raise Absent(message)
    handle = next(iter(found.values()))
    wait = _prepare(library, handle, threads)
    if library == "jax":
        # It is the default now. An array that is put there by name has another type to jit, which
        # would compile again once such arrays come back from the first call.
        handle = None
    return Place(library, backend.namespace, backend, handle, wait)


def _prepare(library: str, device: Any, threads: int) -> Callable[[Any], Any]:
    """Set the library up, and return how to wait for it."""
    if library == "torch":
        import torch

        torch.set_num_threads(threads)
        if device.type == "cuda":
            return lambda _: torch.cuda.synchronize(device)
    if library == "jax":
        import jax

        jax.config.update("jax_default_device", device)
        return jax.block_until_ready
    if library == "cupy":
        return lambda _: device.synchronize()
    return lambda _: None
