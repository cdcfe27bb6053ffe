"""What an implementation was found to speak."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Identification", "Reading"]

_SHORT: Mapping[str, str] = {"learning_rate": "lr"}


@dataclass(frozen=True)
class Reading:
    """One way to say what an implementation does.

    Parameters
    ----------
    optimizer : str
        The name of this library's optimizer.
    dialects : tuple of str
        Those that mean the same by these hyperparameters, its own constants first.
    hyperparameters : mapping
        The learning rate, and the keywords that the dialects do not settle.
    difference : float
        The largest difference from what was observed, of a parameter; NaN where noise is drawn.
    own : tuple of str
        Those of the dialects whose own constants these are, but for the rate and the decay.
    note : str
        How well it is known, where noise is drawn.
    """

    optimizer: str
    dialects: tuple[str, ...]
    hyperparameters: Mapping[str, Any]
    difference: float
    own: tuple[str, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        """Return one line."""
        dialects = "no dialect's form"
        if self.dialects:
            plural = "dialects" if len(self.dialects) > 1 else "dialect"
            dialects = f"{plural} {', '.join(self.dialects)}"
        said = [
            f"{_SHORT.get(name, name)} {_plain(value)}"
            for name, value in self.hyperparameters.items()
        ]
        how = self.note or f"largest difference {self.difference:.1g}"
        return f"{self.optimizer}, {dialects}: {', '.join(said)} ({how})"


def _plain(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Identification:
    """What an implementation speaks, or what it is nearest to.

    Parameters
    ----------
    readings : tuple of Reading
        Every way to say it; none if it is nothing known.
    nearest : str
        What comes nearest, and how far it is; empty if it is known.
    """

    readings: tuple[Reading, ...]
    nearest: str = ""

    @property
    def recognised(self) -> bool:
        """Whether it is something known."""
        return bool(self.readings)

    @property
    def optimizer(self) -> str | None:
        """The optimizer of the first reading."""
        return self.readings[0].optimizer if self.readings else None

    @property
    def dialects(self) -> tuple[str, ...]:
        """The dialects of the first reading."""
        return self.readings[0].dialects if self.readings else ()

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """The hyperparameters of the first reading."""
        return self.readings[0].hyperparameters if self.readings else {}

    def speaks(self, optimizer: str, dialect: str) -> bool:
        """Return whether any reading is of this optimizer in this dialect."""
        return any(r.optimizer == optimizer and dialect in r.dialects for r in self.readings)

    def __str__(self) -> str:
        """Return one line a reading."""
        if not self.readings:
            return f"nothing known: {self.nearest}"
        return "\nor ".join(map(str, self.readings))
