"""What a run came to, in numbers."""

import signal
from dataclasses import dataclass

from gradnoise_reference_models.runner._trial import Trial

__all__ = ["Failure", "Summary"]


@dataclass(frozen=True)
class Failure:
    """A trial that has no result, and why."""

    trial: Trial
    error: str


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    Attributes
    ----------
    total : int
        Different trials that were asked for.
    kept : int
        Those whose results were there before.
    done, diverged : int
        Those that this run finished.
    failures : tuple of Failure
        Those that failed, as often as they were allowed to.
    signal : int or None
        The signal that ended the run early, if one did.
    broken : str or None
        Why the run ended early, if it was not a signal: a disk that stayed full, an executor that
        can run nothing any more.
    """

    total: int
    kept: int = 0
    done: int = 0
    diverged: int = 0
    failures: tuple[Failure, ...] = ()
    signal: int | None = None
    broken: str | None = None

    @property
    def unfinished(self) -> int:
        """Trials that were not run to an end: the same call goes on with them."""
        return self.total - self.kept - self.done - self.diverged - len(self.failures)

    @property
    def exit_code(self) -> int:
        """What a command should exit with.

        0 if every trial has a result, 1 if some failed or were not run; 130 after Ctrl-C and 143
        after SIGTERM, that is 128 and the signal's number.
        """
        if self.signal is not None:
            return 128 + self.signal
        return int(bool(self.failures or self.unfinished or self.broken))

    def __str__(self) -> str:
        """Return a sentence."""
        parts = [f"{self.total:,} trials"]
        parts += [f"{self.kept:,} were there before"] if self.kept else []
        parts += [f"{self.done:,} done"]
        parts += [f"{self.diverged:,} diverged"] if self.diverged else []
        parts += [f"{len(self.failures):,} failed"] if self.failures else []
        parts += [f"{self.unfinished:,} not run"] if self.unfinished else []
        text = f"{parts[0]}: {', '.join(parts[1:])}."
        if self.signal is not None:
            text += f" Ended by {signal.Signals(self.signal).name}; the same command goes on."
        return f"{text} {self.broken}" if self.broken else text
