"""What the function that runs trials may ask of the runner, and tell it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Context", "Interrupted", "Sender"]

#: Seconds between two messages, so that a step of a microsecond may report too.
_PAUSE = 0.2


class Interrupted(BaseException):
    """The run was asked to end; as KeyboardInterrupt is, no Exception, so nothing catches it."""


class Sender(Protocol):
    """How a task tells the main process what it does, and learns that it should stop."""

    def send(self, message: dict[str, Any]) -> None:
        """Tell how far the task is."""

    def cancelled(self) -> bool:
        """Return whether nobody waits for the task any more."""


@dataclass
class Context:
    """What a function of trials gets besides them.

    Attributes
    ----------
    folder : Path
        A folder of this group of trials alone. It outlives interruptions and lost workers, and is
        removed when the results are stored.
    attempt : int
        1 at first, 2 after a failure or a lost worker...
    every : float
        Seconds between checkpoints.
    sender : Sender
        Where reports go.
    """

    folder: Path
    attempt: int
    every: float
    sender: Sender
    _saved: float = field(default_factory=time.monotonic, repr=False)
    _told: float = field(default=0.0, repr=False)
    _stopping: bool = field(default=False, repr=False)

    @property
    def checkpoint_path(self) -> Path:
        """Where the group's checkpoint is, if it has one: ``checkpoint.npz`` in `folder`."""
        return self.folder / "checkpoint.npz"

    def report_progress(
        self,
        done: float,
        total: float,
        *,
        save: Callable[[Path], object] | None = None,
        **figures: float,
    ) -> None:
        """Say how far the group is; keep a checkpoint when it is time; stop when asked to.

        Call it often, as after each epoch or step: what is between two messages costs microseconds.

        Parameters
        ----------
        done, total : float
            Of whatever unit: steps, epochs.
        save : callable, optional
            Writes a checkpoint to the path that it is given (`checkpoint_path`). It is called every
            `every` seconds, and before the group is interrupted.
        **figures : float
            To be shown, as ``loss=0.3``.

        Raises
        ------
        Interrupted
            If the run was asked to end. Let it pass.
        """
        now = time.monotonic()
        if now - self._told >= _PAUSE or done >= total:
            self._told = now
            self.sender.send({"done": float(done), "total": float(total), "figures": figures})
            self._stopping = self._stopping or self.sender.cancelled()
        if save is not None and (self._stopping or now - self._saved >= self.every):
            save(self.checkpoint_path)
            self._saved = time.monotonic()
        if self._stopping:
            raise Interrupted
