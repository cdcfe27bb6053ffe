"""The array libraries that tests run on."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradnoise_core.backend import Backend, backend_for

__all__ = ["LIBRARIES", "Library", "absent", "load"]

#: Every library that the suite knows. GRADNOISE_TEST_LIBRARIES makes named ones compulsory.
LIBRARIES = ("numpy", "array_api_strict", "torch", "jax", "cupy", "torch-cuda", "jax-cuda")


@dataclass(frozen=True)
class Library:
    """One array library, as a test sees it: arrays go in from NumPy and come out to NumPy."""

    name: str
    backend: Backend
    device: Any = None

    @property
    def xp(self) -> Any:
        return self.backend.namespace

    def array(self, values: Any, dtype: str = "float32") -> Any:
        """Return an array of this library."""
        made = self.backend.from_host(np.asarray(values, dtype=dtype), device=self.device)
        assert type(made) is not np.ndarray or self.name == "numpy"
        return made

    def numpy(self, array: Any) -> Any:
        """Return the values of an array that must be one of this library."""
        assert (type(array) is np.ndarray) == (self.name == "numpy"), type(array)
        return self.backend.to_numpy(array)

    def jit(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Compile; torch traces and runs its graph as it is, for Inductor takes half a minute.

        What goes through Inductor has tests of its own, marked `slow`.
        """
        if self.backend.name == "torch":
            torch = importlib.import_module("torch")
            # Past a number of recompilations torch runs eagerly, without a word.
            torch.compiler.reset()
            compiled: Callable[..., Any] = torch.compile(function, backend="aot_eager")
            return compiled
        return self.backend.jit(function)


def load(name: str) -> Library:
    modules = {"jax": "jax.numpy", "torch-cuda": "torch", "jax-cuda": "jax.numpy"}
    module = importlib.import_module(modules.get(name, name))
    if name.startswith("jax"):
        import jax

        jax.config.update("jax_enable_x64", True)
    backend = backend_for(module)
    return Library(name, backend, backend.devices()["cuda:0"] if name.endswith("-cuda") else None)


def absent(name: str) -> str | None:
    """Return why a library cannot be tested here, or None if it can."""
    root = name.removesuffix("-cuda")
    if importlib.util.find_spec(root) is None:
        return f"{root} is not installed"
    if name == "torch-cuda":
        import torch

        return None if torch.cuda.is_available() else "torch sees no CUDA device"
    if name == "jax-cuda":
        import jax

        kinds = {device.platform for device in jax.devices()}
        return None if "gpu" in kinds else f"JAX sees no CUDA device, only {', '.join(kinds)}"
    if name == "cupy":
        import cupy

        try:
            cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError as error:
            return f"CuPy sees no CUDA device: {error}"
    return None
