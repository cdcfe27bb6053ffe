"""Training with a progress bar, checkpoints, and an end that loses nothing."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from gradnoise_core.backend import Backend
from gradnoise_reference_models import checkpoint
from gradnoise_reference_models.cli._backends import choose, choose_device
from gradnoise_reference_models.cli._progress import Bar
from gradnoise_reference_models.cli._stop import exit_code, terminable
from gradnoise_reference_models.experiments import report
from gradnoise_reference_models.experiments.zero_init import ZeroInit
from gradnoise_reference_models.training import EpochRecord, Trainer, TrainingState

__all__ = ["train"]

#: Seconds between checkpoints: what a power cut may cost.
EVERY = 20.0

#: The array libraries whose step is compiled: tracing JAX once is what makes it fast.
COMPILED = ("jax",)


class _Done(NamedTuple):
    """The finished epochs. One name holds both, so that no signal comes between them."""

    state: TrainingState
    history: tuple[EpochRecord, ...]


class _Run:
    """A run: what is finished of it, and where that is kept."""

    def __init__(self, settings: ZeroInit, backend: Backend, folder: Path, done: _Done) -> None:
        self.settings = settings
        self.backend = backend
        self.folder = folder
        self.done = done
        self.start = self.saved = time.monotonic()

    @property
    def path(self) -> Path:
        return self.folder / "checkpoint.npz"

    @property
    def fixed(self) -> dict[str, Any]:
        """What may not change when the run is resumed."""
        return {**self.settings.settings(), "backend": self.backend.name}

    def go(self, trainer: Trainer, bar: Bar) -> None:
        """Train to the end."""
        # Matrices of 50 by 50 are too small to share: threads would wait for each other.
        with bar.shown(), threadpool_limits(limits=1):
            for state, record in trainer.epochs(self.done.state, self.settings.epochs, bar.step):
                self.done = _Done(state, (*self.done.history, record))
                bar.epoch(record)
                if time.monotonic() - self.saved > EVERY:
                    self.save()

    def save(self) -> None:
        """Write the checkpoint."""
        checkpoint.save(self.path, *self.done, self.fixed, self.backend)
        self.saved = time.monotonic()

    def keep(self, device: str) -> list[Path]:
        """Write all that is finished; return the files."""
        if not self.done.history:
            return []
        self.save()
        seconds = round(time.monotonic() - self.start, 1)
        about = {"backend": self.backend.name, "device": device, "seconds": seconds}
        return report.write(self.folder, self.settings, self.done.history, about)


def train(
    settings: ZeroInit, backend_name: str, device_name: str | None, folder: Path, *, resume: bool
) -> None:
    """Run the experiment, write its files, print its table."""
    console = Console()
    # What would be refused is refused before anything is written, or trained.
    backend = choose(backend_name)
    device_name, device = choose_device(backend, device_name)
    report.drawable()
    report.writable(folder)
    trainer = settings.trainer(backend, device, compiled=backend_name in COMPILED)
    run = _Run(settings, backend, folder, _Done(settings.start(trainer), ()))
    if resume:
        _resume(console, run, device)
    elif run.path.exists():
        kept = run.path.with_name("checkpoint.previous.npz")
        run.path.replace(kept)
        console.print(f"Starting anew; the checkpoint of the run before is kept as {kept}.")
    bar = Bar(console, settings, trainer.steps_per_epoch, run.done.state.epoch)
    stopped: KeyboardInterrupt | None = None
    files: list[Path] = []
    try:
        with terminable():
            run.go(trainer, bar)
    except KeyboardInterrupt as signal:
        stopped = signal
    finally:  # whatever ended it, be it a pipe that nobody reads any more
        files = run.keep(device_name or "default")
    if files:
        _print_table(console, settings, run.done.history)
        console.print("Written: " + ", ".join(str(f) for f in files))
    if stopped is not None:
        _explain_interruption(console, run.done.history)
        raise SystemExit(exit_code(stopped))


def _resume(console: Console, run: _Run, device: Any) -> None:
    state, history = checkpoint.load(run.path, run.done.state, run.fixed, run.backend, device)
    console.print(f"Resumed after epoch {state.epoch} from {run.path}.")
    if state.epoch > run.settings.epochs:
        message = (
            f"{run.path} already has {state.epoch} epochs, more than the {run.settings.epochs} "
            "that --steps asks for. Ask for more, or run without --resume."
        )
        raise checkpoint.CheckpointError(message)
    run.done = _Done(state, tuple(history))


def _explain_interruption(console: Console, history: Sequence[EpochRecord]) -> None:
    if history:
        console.print(
            f"Interrupted after epoch {history[-1].epoch}, which is saved. "
            "Go on with the same command and --resume."
        )
    else:
        console.print("Interrupted before the first epoch ended: nothing to save.")


def _print_table(console: Console, settings: ZeroInit, history: Sequence[EpochRecord]) -> None:
    table = Table(
        title=f"Test accuracy in % after epoch {history[-1].epoch}: {settings.data.title}"
    )
    for column in report.COLUMNS:
        name = column == "setting"
        table.add_column(column, justify="left" if name else "right", no_wrap=name)
    for row in report.rows(history):
        table.add_row(*(f"{x:.1f}" if isinstance(x, float) else str(x) for x in row))
    console.print(table)
    console.print(report.LAST_EPOCHS)
    console.print("The paper's figures are over 40 runs on MNIST, at learning rates 0.1 and 0.01.")
