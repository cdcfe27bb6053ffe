"""Checkpoints: one ``.npz`` file of plain arrays and JSON, written whole or not at all."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import optree

from gradnoise_core.backend import Backend
from gradnoise_core.typing import Device, Tree
from gradnoise_reference_models.training import EpochRecord, TrainingState

__all__ = ["CheckpointError", "load", "save", "written_whole"]

FORMAT = 1


class CheckpointError(ValueError):
    """A checkpoint that cannot be gone on from: the file, the rule, the value, the remedy."""


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` only when all of it is on the disk."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def save(
    path: Path,
    state: TrainingState,
    history: Sequence[Any],
    settings: dict[str, Any],
    backend: Backend,
) -> None:
    """Write the state of a run at the end of an epoch, its history and its settings.

    `history` is a named tuple an epoch, of numbers and of tuples of numbers.

    Raises
    ------
    ValueError
        If the state is within an epoch: what a step hands to the next is not in it.
    """
    if state.step:
        message = (
            f"`state` must be of a whole epoch, got step {state.step} of epoch {state.epoch}: what "
            "a step hands to the next is not in it. Save what `epochs` yields."
        )
        raise ValueError(message)
    arrays = {
        f"{name}/{i}": np.asarray(leaf if isinstance(leaf, int) else backend.to_numpy(leaf))
        for name, tree in (("params", state.params), ("optimizer", state.optimizer))
        for i, leaf in enumerate(optree.tree_leaves(tree))
    }
    about = {
        "format": FORMAT,
        "epoch": state.epoch,
        "settings": settings,
        "history": [record._asdict() for record in history],
    }
    with written_whole(path) as file:
        np.savez(file, allow_pickle=False, about=np.asarray(json.dumps(about)), **arrays)


def load(
    path: Path,
    start: TrainingState,
    settings: dict[str, Any],
    backend: Backend,
    device: Device = None,
    record: type[Any] = EpochRecord,
) -> tuple[TrainingState, list[Any]]:
    """Return the state and the history of a run with the same settings.

    Parameters
    ----------
    path : Path
    start : TrainingState
        A state of the same run, for its structure.
    settings : dict
        What must be as it was when the checkpoint was written.
    backend : Backend
    device : optional
        Where the arrays go.
    record : type
        A named tuple: what the history holds one of for each epoch.

    Raises
    ------
    CheckpointError
        If there is no such file, it cannot be read, or a setting differs.
    """
    about, arrays = _read(path)
    _check_settings(path, about, settings)
    restored = {
        name: _restore(path, name, tree, arrays, backend, device)
        for name, tree in (("params", start.params), ("optimizer", start.optimizer))
    }
    history = [record(**{k: _tupled(v) for k, v in r.items()}) for r in about["history"]]
    return TrainingState(about["epoch"], 0, restored["params"], restored["optimizer"]), history


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the file says of the run, and its arrays."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            about = json.loads(str(archive["about"]))
            arrays = {name: archive[name] for name in archive.files if name != "about"}
    except FileNotFoundError:
        message = f"{path} does not exist: there is nothing to resume. Run without --resume."
        raise CheckpointError(message) from None
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror or error}). Run without --resume."
        raise CheckpointError(message) from error
    except Exception as error:  # NumPy's own advice is to load pickles, which runs what is in them
        message = (
            f"{path} cannot be read as a checkpoint: it must be an archive of plain arrays that "
            "this command wrote, and is damaged or another file. Run without --resume."
        )
        raise CheckpointError(message) from error
    return about, arrays


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check_settings(path: Path, about: dict[str, Any], settings: dict[str, Any]) -> None:
    if about.get("format") != FORMAT:
        message = f"{path} has format {about.get('format')!r}, not {FORMAT}. Run without --resume."
        raise CheckpointError(message)
    then = about["settings"]
    odd = [k for k in sorted({*settings, *then}) if settings.get(k) != then.get(k)]
    if odd:
        differences = "; ".join(f"{k} {then.get(k)!r}, now {settings.get(k)!r}" for k in odd)
        message = (
            f"{path} was written with other settings: {differences}. Give the same ones, or run "
            "without --resume."
        )
        raise CheckpointError(message)


def _restore(
    path: Path,
    name: str,
    tree: Tree,
    arrays: dict[str, Any],
    backend: Backend,
    device: Device,
) -> Tree:
    leaves, treedef = optree.tree_flatten(tree)
    found = [arrays.get(f"{name}/{i}") for i in range(len(leaves))]
    out = []
    for i, (leaf, value) in enumerate(zip(leaves, found, strict=True)):
        if value is None or tuple(value.shape) != tuple(getattr(leaf, "shape", ())):
            shape = None if value is None else value.shape
            message = f"{path} has shape {shape} for leaf {i} of {name}. Run without --resume."
            raise CheckpointError(message)
        out.append(int(value) if isinstance(leaf, int) else backend.from_host(value, device=device))
    return optree.tree_unflatten(treedef, out)
