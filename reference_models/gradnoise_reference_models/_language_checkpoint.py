"""Checkpoints of language models, in the form of `checkpoint`: whole epochs, written whole."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gradnoise_core.backend import Backend
from gradnoise_core.typing import Device
from gradnoise_reference_models import checkpoint
from gradnoise_reference_models.checkpoint import CheckpointError
from gradnoise_reference_models.training import TrainingState

__all__ = ["CheckpointError", "LanguageRecord", "load", "save"]


class LanguageRecord(NamedTuple):
    """What an epoch came to, for each of R replicas.

    `train_perplexity` is of the words as they were trained on, dropout included, while the
    parameters changed; `validation_perplexity` is after the epoch, without dropout.
    """

    epoch: int
    step: int
    train_perplexity: tuple[float, ...]
    validation_perplexity: tuple[float, ...]


def save(
    path: Path,
    state: TrainingState,
    history: Sequence[LanguageRecord],
    settings: dict[str, Any],
    backend: Backend,
) -> None:
    """Write the state of a run at the end of an epoch, its history and its settings.

    Raises
    ------
    ValueError
        If the state is within an epoch, where the state that is carried is not in it.
    """
    if state.step:
        message = (
            f"`state` must be of a whole epoch, got step {state.step} of epoch {state.epoch}: what "
            "is carried from window to window is not in it. Save what `epochs` yields."
        )
        raise ValueError(message)
    records: Sequence[Any] = history
    checkpoint.save(path, state, records, settings, backend)


def load(
    path: Path,
    start: TrainingState,
    settings: dict[str, Any],
    backend: Backend,
    device: Device = None,
) -> tuple[TrainingState, list[LanguageRecord]]:
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

    Raises
    ------
    CheckpointError
        If there is no such file, it cannot be read, or a setting differs.
    """
    about, arrays = _read(path)
    checkpoint._check_settings(path, about, settings)
    params, optimizer = (
        checkpoint._restore(path, name, tree, arrays, backend, device)
        for name, tree in (("params", start.params), ("optimizer", start.optimizer))
    )
    history = [
        LanguageRecord(
            r["epoch"], r["step"], tuple(r["train_perplexity"]), tuple(r["validation_perplexity"])
        )
        for r in about["history"]
    ]
    return TrainingState(about["epoch"], 0, params, optimizer), history


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the file says of the run, and its arrays."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            about = json.loads(str(archive["about"]))
            return about, {name: archive[name] for name in archive.files if name != "about"}
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
