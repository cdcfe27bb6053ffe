"""Optional packages, imported only when a function needs them."""

import importlib
from typing import Any

__all__ = ["require"]


def require(module: str, *, purpose: str) -> Any:
    """Return `module`, imported; if its package is absent, say which extra holds it.

    Parameters
    ----------
    module : str
        Dotted name, such as ``"sklearn.datasets"``.
    purpose : str
        What it is needed for, to stand after "is needed to".

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
            'Install it with: pip install "gradnoise-core[models]"'
        )
        raise ImportError(message, name=package) from error
