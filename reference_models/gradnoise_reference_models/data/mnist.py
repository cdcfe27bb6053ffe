"""MNIST (LeCun et al., 1998): 70,000 handwritten digits of 28x28 pixels, in four IDX files."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gradnoise_core.typing import Array
from gradnoise_reference_models._extras import require
from gradnoise_reference_models.data._dataset import ClassificationData, DataError
from gradnoise_reference_models.data._idx import IdxFile, read_idx

__all__ = ["ENVIRONMENT", "FILES", "MIRRORS", "cache_folder", "existing", "find", "load"]

#: The environment variable that names a directory of data sets.
ENVIRONMENT = "GRADNOISE_DATA"

#: Training images and labels, test images and labels.
FILES = (
    IdxFile(
        "train-images-idx3-ubyte",
        (60000, 28, 28),
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    IdxFile(
        "train-labels-idx1-ubyte",
        (60000,),
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    IdxFile(
        "t10k-images-idx3-ubyte",
        (10000, 28, 28),
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    IdxFile(
        "t10k-labels-idx1-ubyte",
        (10000,),
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)

#: Where the files are served as ``<name>.gz``, in the order in which they are tried.
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

_GET = "`gradnoise data download mnist`"
_REPLACE = f"Replace or remove it; {_GET} puts a good copy into the cache."


def load(
    directory: str | os.PathLike[str] | None = None,
    *,
    reason: str = "asked for by name",
    files: Sequence[IdxFile] = FILES,
) -> ClassificationData:
    """Return MNIST, read from where `find` finds it, pixels divided by 255.

    Parameters
    ----------
    directory : path, optional
        The only place to look in, if given.
    reason : str
        Goes into the result.
    files : sequence of 4 IdxFile
        The files and their checksums: images and labels for training, then for testing.

    Raises
    ------
    DataError
        If MNIST is not found: the message lists the places looked at and how to get it; or if one
        of the files is truncated, corrupt or another one: the message names it.
    """
    folder, misses = find(directory, files=files)
    if folder is None:
        message = (
            f"MNIST must be in one of the places looked at, got: {'; '.join(misses)}. "
            f"Run {_GET}, or set {ENVIRONMENT} to the folder that holds its four IDX files."
        )
        raise DataError(message)
    train_x, train_y, test_x, test_y = (_read(folder, file) for file in files)
    height, width = train_x.shape[1:]
    return ClassificationData(
        name="mnist",
        title=f"MNIST, {len(train_x):,} training and {len(test_x):,} test images of "
        f"{height}x{width}",
        source=str(folder),
        reason=reason,
        train_x=_pixels(train_x),
        train_y=train_y.astype(np.int32),
        test_x=_pixels(test_x),
        test_y=test_y.astype(np.int32),
        classes=10,
    )


def find(
    directory: str | os.PathLike[str] | None = None, *, files: Sequence[IdxFile] = FILES
) -> tuple[Path | None, tuple[str, ...]]:
    """Return the first folder that holds all of `files`, and why each place before it does not.

    The places are `directory` alone if it is given; otherwise the directory named by the
    environment variable ``GRADNOISE_DATA``, then the cache. A directory may hold the files itself
    or in a subfolder ``mnist``; each file may be plain or end in ``.gz``. The files are not opened.

    Returns
    -------
    folder : Path or None
    misses : tuple of str
        One phrase for each place that was looked at in vain.
    """
    misses = []
    for place, folders in _places(directory):
        if not folders:
            misses.append(f"{place} is not set")
            continue
        absent = [[f.name for f in files if existing(folder, f) is None] for folder in folders]
        for folder, names in zip(folders, absent, strict=True):
            if not names:
                return folder, tuple(misses)
        misses.append(f"{place} {_lack(folders[0], min(absent, key=len), len(files))}")
    return None, tuple(misses)


def existing(folder: Path, file: IdxFile) -> Path | None:
    """Return where `file` is in `folder`, plain or else compressed, or None."""
    candidates = (folder / file.name, folder / f"{file.name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def cache_folder() -> Path:
    """Return the user's cache folder for MNIST, whether it exists or not.

    Raises
    ------
    ImportError
        If platformdirs is not installed.
    """
    platformdirs = require("platformdirs", purpose="find the cache of data sets")
    return Path(platformdirs.user_cache_dir("gradnoise")) / "mnist"


def _places(directory: str | os.PathLike[str] | None) -> Iterator[tuple[str, list[Path]]]:
    """Yield what to call each place and its folders; no folders mean that it is not set."""
    if directory is not None:
        yield f"`directory` {os.fspath(directory)}", _folders(directory)
        return
    named = os.environ.get(ENVIRONMENT)
    yield (f"{ENVIRONMENT}={named}", _folders(named)) if named else (ENVIRONMENT, [])
    cache = cache_folder()
    yield f"the cache {cache}", [cache]


def _folders(directory: str | os.PathLike[str]) -> list[Path]:
    folder = Path(directory).expanduser()
    return [folder, folder / "mnist"]


def _lack(folder: Path, names: list[str], count: int) -> str:
    if not folder.is_dir():
        return "is not a directory" if folder.exists() else "does not exist"
    if len(names) == count:
        return "holds no MNIST"
    return f"lacks {', '.join(names)} (plain or .gz)"


def _read(folder: Path, file: IdxFile) -> Array:
    path = existing(folder, file) or folder / file.name
    return read_idx(path, file, remedy=_REPLACE)


def _pixels(images: Array) -> Array:
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
