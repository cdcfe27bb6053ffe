"""The data sets, by name: what `gradnoise data` lists, downloads and shows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradnoise_reference_models.data._places import Directory

__all__ = ["DATA_SETS", "DataSet", "register"]


@dataclass(frozen=True)
class DataSet:
    """A data set as the command line knows it.

    Attributes
    ----------
    name : str
        Its name.
    about : str
        What it is, in a sentence.
    licence : str
        Under which terms it is there.
    load : callable
        Takes a variant, or None for the usual one, and a folder to look in, or None for the usual
        places; returns something that has a `title`, a `source` and a `reason`.
    samples : callable
        Takes what `load` returned and a count; returns the lines that show so many examples.
    variants : tuple of str
        The variants, if there are any, such as a task's number; the last one is the whole.
    download : callable, optional
        Takes a folder, or None for the cache; returns where the data now is.
    """

    name: str
    about: str
    licence: str
    load: Callable[[str | None, Directory], Any]
    samples: Callable[[Any, int], Iterator[str]]
    variants: tuple[str, ...] = ()
    download: Callable[..., Path] | None = None


#: Every data set, by name.
DATA_SETS: dict[str, DataSet] = {}


def register(data_set: DataSet) -> None:
    """Add a data set to those of the command line.

    Raises
    ------
    ValueError
        If there is one of its name.
    """
    if data_set.name in DATA_SETS:
        message = f"`data_set.name` must be new, got {data_set.name!r}. Choose another."
        raise ValueError(message)
    DATA_SETS[data_set.name] = data_set
