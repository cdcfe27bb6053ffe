"""Checkpoints of memory networks, in the form of `checkpoint`: whole epochs, written whole."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradnoise_core.backend import Backend
from gradnoise_core.typing import Device
from gradnoise_reference_models import checkpoint
from gradnoise_reference_models._language_checkpoint import _read
from gradnoise_reference_models.memory_training import MemoryRecord
from gradnoise_reference_models.training import TrainingState

__all__ = ["load", "save"]


def save(
    path: Path,
    state: TrainingState,
    history: Sequence[MemoryRecord],
    settings: dict[str, Any],
    backend: Backend,
) -> None:
    """Write the state of a run at the end of an epoch, its history and its settings.

    Raises
    ------
    ValueError
        If the state is within an epoch, whose scores so far are not in it.
    """
    if state.step:
        message = (
            f"`state` must be of a whole epoch, got step {state.step} of epoch {state.epoch}. Save "
            "what `epochs` yields."
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
) -> tuple[TrainingState, list[MemoryRecord]]:
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
    history = [_record(values) for values in about["history"]]
    return TrainingState(about["epoch"], 0, params, optimizer), history


def _record(values: dict[str, Any]) -> MemoryRecord:
    tuples = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return MemoryRecord(epoch=values["epoch"], step=values["step"], **tuples)
