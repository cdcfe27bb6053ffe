"""Where data sets are looked for: a folder that is given, ``GRADNOISE_DATA``, the user's cache."""

import os
from collections.abc import Iterator
from pathlib import Path

from gradnoise_reference_models._extras import require
from gradnoise_reference_models.data.mnist import ENVIRONMENT

__all__ = ["ENVIRONMENT", "Directory", "cache_folder", "places"]

Directory = str | os.PathLike[str] | None


def places(directory: Directory, name: str) -> Iterator[tuple[str, tuple[Path, ...]]]:
    """Yield what to call each place and the paths to try there, in the order of trust.

    The places are `directory` alone if it is given; otherwise the one that the environment variable
    ``GRADNOISE_DATA`` names, then the cache. At each, the data may lie in the folder itself or in a
    subfolder `name`. No paths mean that a place is not set.

    Parameters
    ----------
    directory : path, optional
        The only place, if given.
    name : str
        The data set's folder, such as "babi".
    """
    if directory is not None:
        yield f"`directory` {os.fspath(directory)}", _inside(directory, name)
        return
    named = os.environ.get(ENVIRONMENT)
    yield (f"{ENVIRONMENT}={named}", _inside(named, name)) if named else (ENVIRONMENT, ())
    cache = cache_folder(name)
    yield f"the cache {cache}", (cache,)


def cache_folder(name: str) -> Path:
    """Return the user's cache folder for a data set, whether it exists or not.

    Raises
    ------
    ImportError
        If platformdirs is not installed.
    """
    platformdirs = require("platformdirs", purpose="find the cache of data sets")
    return Path(platformdirs.user_cache_dir("gradnoise")) / name


def _inside(directory: str | os.PathLike[str], name: str) -> tuple[Path, ...]:
    folder = Path(directory).expanduser()
    return folder, folder / name
