"""Conformance vectors that any language reads: a published set, its writer and its judge.

A set is a folder with a ``manifest.json``, which says what each vector is, and ``.npy`` files. The
page "Conformance vectors" of the documentation explains the format.
"""

from gradnoise_core.oracle.vectors._check import VectorClaim, check_vectors, published_vectors
from gradnoise_core.oracle.vectors._errors import VectorsError
from gradnoise_core.oracle.vectors._manifest import (
    FORMAT_VERSION,
    SET_VERSION,
    Entry,
    VectorSet,
)
from gradnoise_core.oracle.vectors._registry import SETS, VECTORS, matching
from gradnoise_core.oracle.vectors._schema import schema
from gradnoise_core.oracle.vectors._vector import Output, Tolerance, Vector
from gradnoise_core.oracle.vectors._write import write_vectors

__all__ = [
    "FORMAT_VERSION",
    "SETS",
    "SET_VERSION",
    "VECTORS",
    "Entry",
    "Output",
    "Tolerance",
    "Vector",
    "VectorClaim",
    "VectorSet",
    "VectorsError",
    "check_vectors",
    "matching",
    "published_vectors",
    "schema",
    "write_vectors",
]
