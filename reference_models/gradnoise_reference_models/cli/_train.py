"""Training with a progress bar, checkpoints, and an end that loses nothing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from threadpoolctl import threadpool_limits

from gradnoise_reference_models import checkpoint
from gradnoise_reference_models.cli._backends import choose, choose_device
from gradnoise_reference_models.experiments import report
from gradnoise_reference_models.experiments.zero_init import ARMS, ZeroInit, by_arm
from gradnoise_reference_models.training import EpochRecord

__all__ = ["train"]

#: Seconds between checkpoints: what a power cut may cost.
EVERY = 20.0

#: The array libraries whose step is compiled: tracing JAX once is what makes it fast.
COMPILED = ("jax",)


def train(
    settings: ZeroInit, backend_name: str, device_name: str | None, folder: Path, *, resume: bool
) -> None:
    """Run the experiment, write its files, print its table."""
    console = Console()
    report.writable(folder)
    backend = choose(backend_name)
    device = choose_device(backend, device_name)
    trainer = settings.trainer(backend, device, compiled=backend_name in COMPILED)
    state = settings.start(trainer)
    path = folder / "checkpoint.npz"
    fixed = {**settings.settings(), "backend": backend_name}
    history: list[EpochRecord] = []
    if resume:
        state, history = checkpoint.load(path, state, fixed, backend, device)
        console.print(f"Resumed after epoch {state.epoch} from {path}.")
        if state.epoch > settings.epochs:
            message = (
                f"{path} already has {state.epoch} epochs, more than the {settings.epochs} that "
                "--steps asks for. Ask for more, or run without --resume."
            )
            raise checkpoint.CheckpointError(message)
    elif path.exists():
        kept = path.with_name("checkpoint.previous.npz")
        path.replace(kept)
        console.print(f"Starting anew; the checkpoint of the run before is kept as {kept}.")
    about: dict[str, Any] = {"backend": backend_name, "device": device_name or "default"}
    start, saved = time.monotonic(), time.monotonic()
    run = trainer.epochs(state, settings.epochs, lambda e, i: bar.step(e, i))
    bar = _Bar(console, settings, trainer.steps_per_epoch, state.epoch)
    interrupted = False
    try:
        # Matrices of 50 by 50 are too small to share: BLAS's threads would wait for each other.
        with bar.shown(), threadpool_limits(limits=1, user_api="blas"):
            for state, record in run:
                history.append(record)
                bar.epoch(record)
                if time.monotonic() - saved > EVERY:
                    checkpoint.save(path, state, history, fixed, backend)
                    saved = time.monotonic()
    except KeyboardInterrupt:
        interrupted = True
    if history:
        checkpoint.save(path, state, history, fixed, backend)
        about["seconds"] = round(time.monotonic() - start, 1)
        files = report.write(folder, settings, history, about)
        _print_table(console, settings, history)
        console.print("Written: " + ", ".join(str(f) for f in files))
    if interrupted:
        _explain_interruption(console, history)
        raise SystemExit(130)


def _explain_interruption(console: Console, history: list[EpochRecord]) -> None:
    if history:
        console.print(
            f"Interrupted after epoch {history[-1].epoch}, which is saved. "
            "Go on with the same command and --resume."
        )
    else:
        console.print("Interrupted before the first epoch ended: nothing to save.")


def _print_table(console: Console, settings: ZeroInit, history: list[EpochRecord]) -> None:
    table = Table(
        title=f"Test accuracy in % after epoch {history[-1].epoch}: {settings.data.title}"
    )
    for column in report.COLUMNS:
        table.add_column(column, justify="left" if column == "setting" else "right")
    for row in report.rows(history):
        table.add_row(*(f"{x:.1f}" if isinstance(x, float) else str(x) for x in row))
    console.print(table)
    console.print("The paper's figures are over 40 runs on MNIST, at learning rates 0.1 and 0.01.")


class _Bar:
    """Progress: a bar on a terminal, ten lines elsewhere."""

    def __init__(
        self, console: Console, settings: ZeroInit, steps_per_epoch: int, done: int
    ) -> None:
        self.console = console
        self.settings = settings
        self.steps = steps_per_epoch
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("step {task.completed:,.0f} of {task.total:,.0f}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.progress.add_task(
            "loss -, accuracy -",
            total=settings.epochs * steps_per_epoch,
            completed=done * steps_per_epoch,
        )

    @contextmanager
    def shown(self) -> Iterator[None]:
        with self.progress:
            yield

    def step(self, epoch: int, step: int) -> None:
        self.progress.update(self.task, completed=epoch * self.steps + step)

    def epoch(self, record: EpochRecord) -> None:
        text = _describe(record)
        self.progress.update(self.task, description=text)
        tenth = max(self.settings.epochs // 10, 1)
        if not self.console.is_terminal and record.epoch % tenth == 0:
            click.echo(f"epoch {record.epoch} of {self.settings.epochs}: {text}")


def _describe(record: EpochRecord) -> str:
    losses, accuracies = by_arm(record.loss), by_arm(record.test_accuracy)
    parts = []
    for arm in ARMS:
        loss = sum(losses[arm.name]) / len(losses[arm.name])
        accuracy = max(accuracies[arm.name])
        parts.append(f"{arm.name}: loss {loss:.3f}, accuracy {100 * accuracy:.1f} %")
    return " | ".join(parts)
