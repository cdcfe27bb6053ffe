"""The data of the paper's experiments: one file a task."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gradnoise_reference_models.data import _sets as _registered  # noqa: F401
from gradnoise_reference_models.data import digits, mnist
from gradnoise_reference_models.data._babi_encoding import Stories, StoryData
from gradnoise_reference_models.data._dataset import ClassificationData, DataError
from gradnoise_reference_models.data._load_stories import STORY_SOURCES, load_stories
from gradnoise_reference_models.data._registry import DATA_SETS, DataSet, register
from gradnoise_reference_models.data._text_data import TextData
from gradnoise_reference_models.data._text_ptb import load_corpus
from gradnoise_reference_models.data._text_streams import streams, windows
from gradnoise_reference_models.data.batches import batches, epoch_order, steps_per_epoch
from gradnoise_reference_models.data.download import download_babi, download_mnist, download_text
from gradnoise_reference_models.data.text import load as load_text

__all__ = [
    "DATA_SETS",
    "DOWNLOADERS",
    "LOADERS",
    "STORY_SOURCES",
    "ClassificationData",
    "DataError",
    "DataSet",
    "Stories",
    "StoryData",
    "TextData",
    "batches",
    "download_babi",
    "download_mnist",
    "download_text",
    "epoch_order",
    "load",
    "load_corpus",
    "load_stories",
    "load_text",
    "register",
    "steps_per_epoch",
    "streams",
    "windows",
]

Directory = str | os.PathLike[str] | None


def load(name: str = "auto", *, directory: Directory = None) -> ClassificationData:
    """Return a data set of images by name.

    Parameters
    ----------
    name : str
        "mnist"; "digits"; or "auto": MNIST if it is found, otherwise digits. The result's `name`
        and `reason` say which and why. Files that are found and bad are refused, never passed over.
    directory : path, optional
        The only folder to look for MNIST in. By default: the directory named by the environment
        variable ``GRADNOISE_DATA``, then the cache.

    Raises
    ------
    DataError
        If the data is not found, or a file of it is not what it should be.
    ValueError
        If there is no data set of that name, or `directory` is given for one that has no files.
    ImportError
        If a package is needed that is not installed.

    Examples
    --------
    >>> load("digits").title
    'scikit-learn digits, 1,437 training and 360 test images of 8x8'
    """
    if name not in LOADERS:
        message = f"`name` must be one of {', '.join(LOADERS)}, got {name!r}."
        raise ValueError(message)
    return LOADERS[name](directory)


def _load_auto(directory: Directory) -> ClassificationData:
    folder, misses = mnist.find(directory)
    # A directory that was asked for and holds no MNIST is a mistake to report, not to work around.
    if folder is None and directory is None:
        return digits.load(reason=f"MNIST was not found: {'; '.join(misses)}")
    found = mnist.load(directory)
    return replace(found, reason="; ".join((f"MNIST was found in {found.source}", *misses)))


def _load_digits(directory: Directory) -> ClassificationData:
    if directory is not None:
        message = (
            f"`directory` must be None for digits, which ship with scikit-learn, got "
            f"{os.fspath(directory)!r}. Leave it out, or load mnist."
        )
        raise ValueError(message)
    return digits.load()


#: Every name that `load` knows.
LOADERS: dict[str, Callable[[Directory], ClassificationData]] = {
    "auto": _load_auto,
    "mnist": mnist.load,
    "digits": _load_digits,
}

#: What can be downloaded, by name: each takes a folder (the cache by default) and returns it.
DOWNLOADERS: dict[str, Callable[..., Path]] = {
    name: found.download for name, found in DATA_SETS.items() if found.download is not None
}
