"""A set of vectors in a folder: its manifest, and the arrays that the manifest describes."""

import hashlib
import math
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gradnoise_core.oracle.vectors._errors import VectorsError
from gradnoise_core.oracle.vectors._files import Folder
from gradnoise_core.oracle.vectors._json import LARGEST, parse
from gradnoise_core.oracle.vectors._npy import DESCRIPTIONS, LONGEST_HEADER, decode
from gradnoise_core.oracle.vectors._schema import validate
from gradnoise_core.oracle.vectors._vector import Output, Tolerance, Tolerances, Vector
from gradnoise_core.typing import Shape

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "LARGEST_ARRAY",
    "MANIFEST",
    "SET_VERSION",
    "Entry",
    "VectorSet",
]

FORMAT, FORMAT_VERSION = "gradnoise-vectors", 1

#: The version of the set that `write_vectors` writes.
SET_VERSION = 1

MANIFEST = "manifest.json"

#: Bytes of an array.
LARGEST_ARRAY = 1 << 24


class Entry(NamedTuple):
    """What a manifest says of an array.

    Attributes
    ----------
    file : str
        Path from the manifest's folder.
    dtype, shape
        Of the array.
    sha256 : str
        Of the file.
    tolerances : mapping
        From each dtype that is accepted to its `Tolerance`, or to None for equality.
    """

    file: str
    dtype: str
    shape: Shape
    sha256: str
    tolerances: Tolerances

    @classmethod
    def of(cls, json: Mapping[str, Any]) -> "Entry":
        """Return an entry of valid JSON."""
        tolerances = {
            dtype: None if rule == "bits" else Tolerance(rule["absolute"], rule["relative"])
            for dtype, rule in json.get("tolerance", {}).items()
        }
        shape = tuple(int(n) for n in json["shape"])
        return cls(json["file"], json["dtype"], shape, json["sha256"], tolerances)

    @property
    def size(self) -> int:
        """Bytes of the elements."""
        return math.prod(self.shape) * np.dtype(DESCRIPTIONS[self.dtype]).itemsize


class VectorSet:
    """A set of vectors in a folder, ours or a stranger's.

    Parameters
    ----------
    folder : path
        With a ``manifest.json``.

    Attributes
    ----------
    manifest : dict
        The manifest, as JSON; it keeps to the schema.

    Raises
    ------
    VectorsError
        If there is no manifest, or one that breaks the format.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Folder(folder)
        self._known: dict[tuple[Any, ...], Any] = {}
        try:
            self.manifest: dict[str, Any] = parse(self._folder.read(MANIFEST, LARGEST))
            validate(self.manifest)
        except VectorsError as error:
            message = f"{MANIFEST} {_beside(str(error))}."
            raise VectorsError(message) from None

    @property
    def names(self) -> list[str]:
        """The names of the vectors, in the manifest's order."""
        return list(self.manifest["vectors"])

    def entries(self, name: str, kind: str) -> dict[str, Entry]:
        """Return what the manifest says of a vector's ``"inputs"`` or ``"outputs"``."""
        found = self.manifest["vectors"][name].get(kind, {})
        return {array: Entry.of(json) for array, json in found.items()}

    def array(self, entry: Entry) -> Any:
        """Return an array, after verifying that its file is the one described.

        Raises
        ------
        VectorsError
            If the file is missing, leads out of the folder, has another SHA-256, or is anything
            but a ``.npy`` file of just this dtype and shape.
        """
        described = entry[:4]
        if described not in self._known:
            self._known[described] = self._read(entry)
        return self._known[described]

    def _read(self, entry: Entry) -> Any:
        try:
            if entry.size > LARGEST_ARRAY:
                message = f"would hold {entry.size} bytes, more than {LARGEST_ARRAY}"
                raise VectorsError(message)
            # Its magic, its length and its longest header.
            data = self._folder.read(entry.file, entry.size + 10 + LONGEST_HEADER)
            array = decode(data, entry.dtype, entry.shape)
            if hashlib.sha256(data).hexdigest() != entry.sha256:
                message = "is not the file described: its SHA-256 differs from the manifest's"
                raise VectorsError(message)
        except VectorsError as error:
            message = f"{entry.file} {error}"
            raise VectorsError(message) from None
        return array

    def __getitem__(self, name: str) -> Vector:
        """Return a vector with its arrays.

        Raises
        ------
        KeyError
            If the set has no vector of this name.
        VectorsError
            If one of its files is not the one described.
        """
        json = self.manifest["vectors"][name]
        inputs, outputs = self.entries(name, "inputs"), self.entries(name, "outputs")
        return Vector(
            json.get("description", ""),
            json.get("parameters", {}),
            {n: Output(self.array(e), e.tolerances) for n, e in outputs.items()},
            {n: self.array(e) for n, e in inputs.items()},
        )


def _beside(text: str) -> str:
    """Return a predicate as it is, and a breach of the schema after a colon."""
    return f"breaks the schema: {text}" if text.startswith("`") else text
