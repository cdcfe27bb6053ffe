"""What there is to see of a run while it goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Progress", "Running", "Tally"]


@dataclass
class Tally:
    """How many trials have come to what.

    Attributes
    ----------
    total, kept, done, diverged, failed : int
        As in `Summary`.
    """

    total: int = 0
    kept: int = 0
    done: int = 0
    diverged: int = 0
    failed: int = 0

    @property
    def ended(self) -> int:
        """Trials that need nothing more in this run."""
        return self.kept + self.done + self.diverged + self.failed


@dataclass(frozen=True)
class Running:
    """A group that is under way.

    Attributes
    ----------
    label : str
        The experiment, what sets its setting apart, and the seeds.
    seconds : float
        Since it was submitted.
    attempt : int
        1 at first.
    done, total : float
        What it reported; both 0 before it did.
    figures : mapping of str to float
        What it reported.
    """

    label: str
    seconds: float
    attempt: int
    done: float = 0.0
    total: float = 0.0
    figures: Mapping[str, float] = field(default_factory=dict)


class Progress(Protocol):
    """Where a run tells how far it is. All is called by the thread that runs `run_trials`."""

    def begin(self, tally: Tally) -> None:
        """Start."""

    def update(self, tally: Tally, running: Sequence[Running]) -> None:
        """Show the state of things; called a few times a second."""

    def log(self, message: str) -> None:
        """Say what happened: a failure, a lost worker, a disk that is full."""

    def end(self) -> None:
        """Stop; nothing is shown any more."""
