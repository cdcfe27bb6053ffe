"""What tests of the conformance vectors share: sets with one thing changed."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np

from gradnoise_core.oracle.vectors import Output, Vector, VectorSet, published_vectors, schema
from gradnoise_core.oracle.vectors._write import save

__all__ = ["PUBLISHED", "answer", "edit", "entry_of", "library_accepts", "put", "with_output"]

PUBLISHED = VectorSet(published_vectors())


def with_output(vector: Vector, name: str, array: Any) -> Vector:
    """Return a vector whose output `name` is another array."""
    out = Output(np.ascontiguousarray(array), vector.outputs[name].tolerances)
    return dataclasses.replace(vector, outputs={**vector.outputs, name: out})


def answer(folder: Path, changed: Mapping[str, Any], names: Any = None) -> Path:
    """Write the published vectors `names` (or those changed), with some first outputs changed."""
    vectors = {n: PUBLISHED[n] for n in (changed if names is None else names)}
    for name, array in changed.items():
        vectors[name] = with_output(vectors[name], next(iter(vectors[name].outputs)), array)
    return save(folder, vectors)


def edit(folder: Path, change: Callable[[Any], Any]) -> Path:
    """Apply a function to the manifest's JSON, in place or by what it returns."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(change(manifest) or manifest))
    return folder


def entry_of(manifest: Any, name: str) -> Any:
    """Return the entry of a vector's first output."""
    return next(iter(manifest["vectors"][name]["outputs"].values()))


def put(folder: Path, name: str, data: bytes) -> Path:
    """Replace the file of a vector's first output, with its SHA-256 made right."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / entry_of(manifest, name)["file"]).write_bytes(data)

    def describe(found: Any) -> None:
        entry_of(found, name)["sha256"] = hashlib.sha256(data).hexdigest()

    return edit(folder, describe)


def library_accepts(value: Any) -> bool:
    """Return whether jsonschema takes the value for a manifest."""
    return bool(jsonschema.Draft202012Validator(schema()).is_valid(value))
