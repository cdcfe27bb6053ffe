"""Packages that only some functions need, and what to install where one is absent."""

import importlib
from typing import Any

__all__ = ["require"]


def require(module: str, *, purpose: str, extra: str = "models") -> Any:
    """Return `module`, imported; if its package is absent, say which extra holds it.

    Parameters
    ----------
    module : str
        Dotted name, such as ``"sklearn.datasets"``.
    purpose : str
        What it is needed for, to stand after "is needed to".
    extra : str
        The extra of this distribution that brings it.

    Raises
    ------
    ImportError
        If the package is not installed. A package that is there but broken raises its own error.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        message = (
            f"`{package}` is needed to {purpose}, and is not installed. "
            f'Install it with: pip install "gradnoise-core[{extra}]"'
        )
        raise ImportError(message, name=package) from error
