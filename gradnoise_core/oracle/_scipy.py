"""scipy's special functions, imported when a check first needs them."""

import functools
import importlib
from typing import Any

__all__ = ["fft", "special"]


@functools.cache
def special() -> Any:
    """Return `scipy.special`."""
    return _load("scipy.special")


@functools.cache
def fft() -> Any:
    """Return `scipy.fft`."""
    return _load("scipy.fft")


def _load(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        message = (
            f"The statistical checks of gradnoise_core.oracle need scipy ({error}). "
            'Install it with: pip install "gradnoise-core[oracle]"'
        )
        raise ImportError(message) from error
