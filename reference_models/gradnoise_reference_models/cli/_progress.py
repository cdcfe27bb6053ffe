"""How far a run is: a bar and a line an arm on a terminal, ten lines elsewhere."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from gradnoise_reference_models.experiments.zero_init import ARMS, ZeroInit, by_arm
from gradnoise_reference_models.training import EpochRecord

__all__ = ["Bar"]

_WIDEST = max(len(arm.name) for arm in ARMS)


class _Lines(Progress):
    """A bar, and below it lines of text of its own width: none pushes another off the screen."""

    def __init__(self, console: Console) -> None:
        self.lines: list[str] = []
        super().__init__(
            BarColumn(bar_width=None),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps"),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            expand=True,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return what is shown."""
        yield from super().get_renderables()
        yield from (Text(line, no_wrap=True, overflow="ellipsis") for line in self.lines)


class Bar:
    """The progress of a run."""

    def __init__(
        self, console: Console, settings: ZeroInit, steps_per_epoch: int, done: int
    ) -> None:
        self.console = console
        self.settings = settings
        self.steps = steps_per_epoch
        self.progress = _Lines(console)
        self.progress.lines = [f"{arm.name:{_WIDEST}}  loss -, accuracy -" for arm in ARMS]
        self.task = self.progress.add_task(
            "", total=settings.epochs * steps_per_epoch, completed=done * steps_per_epoch
        )

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show it while the run goes on."""
        with self.progress:
            yield

    def step(self, epoch: int, step: int) -> None:
        """Go on by a step."""
        self.progress.update(self.task, completed=epoch * self.steps + step)

    def epoch(self, record: EpochRecord) -> None:
        """Say what an epoch came to."""
        seen = _describe(record)
        self.progress.lines = [f"{name:{_WIDEST}}  {text}" for name, text in seen.items()]
        tenth = max(self.settings.epochs // 10, 1)
        if not self.console.is_terminal and record.epoch % tenth == 0:
            text = " | ".join(f"{name}: {text}" for name, text in seen.items())
            click.echo(f"epoch {record.epoch} of {self.settings.epochs}: {text}")


def _describe(record: EpochRecord) -> dict[str, str]:
    """Return each arm's loss and accuracy; of several runs the mean loss and the best accuracy."""
    losses, accuracies = by_arm(record.loss), by_arm(record.test_accuracy)
    texts = {}
    for arm in ARMS:
        runs = len(losses[arm.name])
        loss, accuracy = sum(losses[arm.name]) / runs, 100 * max(accuracies[arm.name])
        mean, best = ("mean ", "best ") if runs > 1 else ("", "")
        texts[arm.name] = f"{mean}loss {loss:.3f}, {best}accuracy {accuracy:.1f} %"
    return texts
