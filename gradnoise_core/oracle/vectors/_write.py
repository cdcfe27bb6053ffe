"""Writing a set: the same input makes the same bytes."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradnoise_core.backend import Backend, backend_for
from gradnoise_core.oracle.vectors._errors import VectorsError
from gradnoise_core.oracle.vectors._json import dump
from gradnoise_core.oracle.vectors._manifest import (
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    SET_VERSION,
)
from gradnoise_core.oracle.vectors._npy import encode
from gradnoise_core.oracle.vectors._registry import VECTORS, matching
from gradnoise_core.oracle.vectors._vector import Arrays, Tolerances, Vector
from gradnoise_core.random import STREAM_VERSION
from gradnoise_core.typing import Device

__all__ = ["save", "write_vectors"]


def write_vectors(
    folder: str | os.PathLike[str],
    *,
    only: Sequence[str] = (),
    backend: Backend | None = None,
    device: Device = None,
) -> Path:
    """Compute the vectors of the current set and write them into a folder.

    Parameters
    ----------
    folder : path
        A new folder, or an empty one. The manifest comes last: a folder without is no set.
    only : sequence of str
        Patterns of names, as in ``["words", "trajectories/adam/torch"]``; every vector by default.
    backend : Backend, optional
        The array library that computes them; NumPy by default. Of its arrays float64 must be one
        (``jax.config.update("jax_enable_x64", True)``).
    device : optional
        Where it does; its default device by default.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If a pattern of `only` matches nothing.
    VectorsError
        If the folder is not empty, or is a file.

    Notes
    -----
    The same version of the library writes the same bytes each time, but where a power or an
    exponential differs between two machines' mathematical libraries: in ``schedules``, ``noise``
    and ``trajectories``, by much less than the tolerances.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as here:
    ...     folder = write_vectors(Path(here, "ours"), only=["clipping/value"])
    ...     sorted(path.name for path in folder.rglob("*.npy"))[0]
    'float32.in.a.npy'
    """
    arrays = Arrays(backend or backend_for(np), device)
    names = matching(VECTORS, only)
    _check_empty(Path(folder))
    return save(folder, {name: VECTORS[name](arrays) for name in names})


def save(folder: str | os.PathLike[str], vectors: Mapping[str, Vector]) -> Path:
    """Write any vectors into a new or an empty folder, whole or not at all."""
    target = Path(folder)
    created = _check_empty(target)
    files: dict[bytes, str] = {}
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "set_version": SET_VERSION,
        "stream_version": STREAM_VERSION,
        "library": {"name": "gradnoise-core", "version": _version()},
        "vectors": {name: _vector(name, vector, files) for name, vector in vectors.items()},
    }
    data = {**{name: content for content, name in files.items()}, MANIFEST: dump(manifest)}
    try:
        target.mkdir(parents=True, exist_ok=True)
        _move_in(target, data)
    except BaseException:
        if created:
            shutil.rmtree(target, ignore_errors=True)
        raise
    return target


def _move_in(target: Path, data: Mapping[str, bytes]) -> None:
    """Write files beside their place, and move them there, the manifest last."""
    draft = Path(tempfile.mkdtemp(prefix=".writing-", dir=target))
    moved: list[Path] = []
    try:
        for name, content in data.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for path in sorted(draft.iterdir(), key=lambda p: p.name == MANIFEST):
            moved.append(target / path.name)
            path.rename(moved[-1])
    except BaseException:
        for path in reversed(moved):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _check_empty(target: Path) -> bool:
    """Refuse a folder with something in it; return whether there is none yet."""
    try:
        if not os.path.lexists(target):
            return True
        if not target.is_dir():
            message = f"`folder` must be a folder, got a file: {str(target)!r}. Name another."
            raise VectorsError(message)
        if any(target.iterdir()):
            message = (
                f"`folder` must be new or empty, got {str(target)!r}, which holds files. Name "
                "another, or remove them first."
            )
            raise VectorsError(message)
    except OSError as error:
        message = f"`folder` {str(target)!r} cannot be looked into: {error.strerror}."
        raise VectorsError(message) from None
    return False


def _version() -> str:
    from importlib.metadata import version  # a third of this package's import time

    return version("gradnoise-core")


def _vector(name: str, vector: Vector, files: dict[bytes, str]) -> dict[str, Any]:
    """Return a vector as JSON, after noting its files."""
    outputs = {
        array: {
            **_array(f"{name}.out.{array}.npy", out.array, files),
            "tolerance": _tolerances(out.tolerances),
        }
        for array, out in vector.outputs.items()
    }
    inputs = {
        array: _array(f"{name}.in.{array}.npy", x, files) for array, x in vector.inputs.items()
    }
    return {
        "description": vector.description,
        "parameters": dict(vector.parameters),
        "inputs": inputs,
        "outputs": outputs,
    }


def _array(file: str, values: Any, files: dict[bytes, str]) -> dict[str, Any]:
    content = encode(values)
    return {
        "file": files.setdefault(content, file),  # equal arrays share the first one's
        "dtype": values.dtype.name,
        "byte_order": "little",
        "shape": list(values.shape),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _tolerances(tolerances: Tolerances) -> dict[str, Any]:
    return {
        dtype: "bits" if rule is None else {"absolute": rule.absolute, "relative": rule.relative}
        for dtype, rule in tolerances.items()
    }
