"""How far a run is: bars on a terminal, a line now and then elsewhere; never on stdout."""

import sys
import time
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gradnoise_reference_models.runner._view import Running, Tally

__all__ = ["Bars", "Lines", "progress_on"]

#: Groups that have a line each; of a large cluster the rest are counted.
_MOST = 12

#: Seconds between lines where nobody looks, if trials ended meanwhile.
_EVERY = 30.0


def progress_on(stream: TextIO | None = None) -> "Bars | Lines":
    """Return bars if the stream is a terminal, else lines.

    Parameters
    ----------
    stream : file, optional
        Standard error by default, so that standard output stays what a machine can read.
    """
    stream = stream or sys.stderr
    return Bars(Console(file=stream)) if stream.isatty() else Lines(stream)


class Bars:
    """A bar for all trials, and a line with a bar for each group that is under way.

    Parameters
    ----------
    console : Console
        Of rich.
    """

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} trials"),
            BarColumn(bar_width=None),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(elapsed_when_finished=False),
            expand=True,
        )
        self._live = Live(console=console, refresh_per_second=4, transient=False)

    def begin(self, tally: Tally) -> None:
        """Show the bars."""
        self._task = self._bar.add_task("", total=tally.total, completed=tally.ended)
        self._live.start()

    def update(self, tally: Tally, running: Sequence[Running]) -> None:
        """Move the bars."""
        self._bar.update(self._task, completed=tally.ended, description=_counts(tally))
        self._live.update(Group(self._bar, *_lines(running)))

    def log(self, message: str) -> None:
        """Print a line above the bars."""
        self._live.console.print(Text(message), soft_wrap=True)

    def end(self) -> None:
        """Leave the bar of all trials on the screen."""
        self._live.update(self._bar)
        self._live.stop()


class Lines:
    """A line when a tenth of the trials ended, or when some ended and half a minute passed.

    Parameters
    ----------
    stream : file
    every : float
        Seconds between two lines, 30 by default.
    """

    def __init__(self, stream: TextIO, *, every: float = _EVERY) -> None:
        self._stream = stream
        self._every = every

    def begin(self, tally: Tally) -> None:
        """Remember where it began."""
        self._ended, self._told = tally.ended, time.monotonic()

    def update(self, tally: Tally, running: Sequence[Running]) -> None:
        """Print a line if it is time."""
        new = tally.ended - self._ended
        late = time.monotonic() - self._told >= self._every
        if new and (late or new >= tally.total / 10 or tally.ended == tally.total):
            self._ended, self._told = tally.ended, time.monotonic()
            counts = _counts(tally)
            self.log(f"{tally.ended:,} of {tally.total:,} trials{f' ({counts})' if counts else ''}")

    def log(self, message: str) -> None:
        """Print a line."""
        print(message, file=self._stream, flush=True)

    def end(self) -> None:
        """Do nothing."""


def _counts(tally: Tally) -> str:
    parts = ((tally.kept, "kept"), (tally.diverged, "diverged"), (tally.failed, "failed"))
    return ", ".join(f"{n:,} {name}" for n, name in parts if n)


def _lines(running: Sequence[Running]) -> list[RenderableType]:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(ratio=3, no_wrap=True, overflow="ellipsis")
    table.add_column(width=16)
    table.add_column(ratio=2, no_wrap=True, overflow="ellipsis")
    for one in running[:_MOST]:
        bar = ProgressBar(total=one.total or 1.0, completed=one.done, width=16)
        again = f" (attempt {one.attempt})" if one.attempt > 1 else ""
        table.add_row(Text(one.label + again), bar, Text(_described(one)))
    more = len(running) - _MOST
    return [table, *([Text(f"and {more:,} more")] if more > 0 else [])]


def _described(one: Running) -> str:
    figures = ", ".join(f"{name} {value:.4g}" for name, value in one.figures.items())
    if not one.total:
        return f"{one.seconds:.0f} s"
    return f"{one.done:,.6g}/{one.total:,.6g}{', ' if figures else ''}{figures}"
