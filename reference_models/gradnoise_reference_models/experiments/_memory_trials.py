"""The function that the runner hands restarts of a memory network to: one array program a group."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradnoise_core.backend import Backend, registered
from gradnoise_reference_models import checkpoint
from gradnoise_reference_models.data import DataError, StoryData, load_stories, steps_per_epoch
from gradnoise_reference_models.experiments._memory_setting import MemorySetting
from gradnoise_reference_models.experiments._mlp_trials import COMPILED, _precision
from gradnoise_reference_models.memory_training import MemoryRecord, MemoryTrainer
from gradnoise_reference_models.runner import Context, Outcome, Trial, checksum
from gradnoise_reference_models.training import TrainingState

__all__ = ["TEST_EVERY", "conditions", "outcomes", "train", "trainer_of"]

#: Epochs from one test to the next: a test takes half as long as an epoch of training.
TEST_EVERY = 10


def conditions(found: StoryData, backend: str, device: str | None) -> dict[str, Any]:
    """Return what decides the outcome besides setting and seed."""
    parts = (found.train, found.validation, found.test)
    arrays = [array for part in parts for array in (part.X, part.tau, part.Q, part.y)]
    words = np.asarray([len(found.vocabulary)])
    return {
        "backend": backend,
        "device": device or "default",
        "data_sha256": checksum(words, *arrays),
    }


def train(group: Sequence[Trial], context: Context) -> list[Outcome]:
    """Train restarts that differ in the seed alone, side by side.

    A checkpoint is of a whole epoch; a run that goes on from one ends with the bits of a run that
    was never stopped.

    Raises
    ------
    DataError
        If the data here is not what the trials were made with.
    """
    setting = MemorySetting(**group[0].setting)
    around = group[0].conditions
    found = load_stories(setting.task, setting.data)
    name, device = around["backend"], around["device"]
    if conditions(found, name, device) != {k: around[k] for k in conditions(found, name, device)}:
        message = (
            f"`data` must be the {setting.data} that the trials were made with, of SHA-256 "
            f"{around['data_sha256']}; {found.source} holds other data."
        )
        raise DataError(message)
    backend = registered()[name].load()
    with _precision(backend, setting.dtype), np.errstate(all="ignore"):  # to diverge is a result
        run = _Run(group, setting, found, backend, device)
        history = run.go(context)
    return outcomes(history, run.judged)


def outcomes(history: Sequence[MemoryRecord], judged: Mapping[str, int]) -> list[Outcome]:
    """Return what each replica came to: errors after the last epoch, as fractions of `judged`."""
    curves = {
        "train_loss": np.asarray([record.loss for record in history]),
        **{
            name: np.asarray([getattr(record, name) for record in history])
            for name in ("train_error", "validation_error", "test_error")
        },
    }
    return [
        Outcome(
            {
                **{name: float(values[-1, r]) for name, values in curves.items()},
                "updates": history[-1].step,
                **judged,
            },
            curves={name: values[:, r] for name, values in curves.items()},
        )
        for r in range(len(history[-1].loss))
    ]


class _Run:
    """A group under way: its trainer, and its last whole epoch."""

    def __init__(
        self,
        group: Sequence[Trial],
        setting: MemorySetting,
        found: StoryData,
        backend: Backend,
        device: str,
    ) -> None:
        seeds = [trial.seed for trial in group]
        self.backend = backend
        self.device = None if device == "default" else backend.devices()[device]
        self.trainer = trainer_of(setting, found, seeds, backend, self.device)
        # A checkpoint is of these trials and no others, whatever folder it is found in.
        self.fixed = {**setting.as_dict(), "seeds": seeds, **group[0].conditions}
        self.state: TrainingState = self.trainer.start()
        self.history: list[MemoryRecord] = []

    @property
    def judged(self) -> dict[str, int]:
        """How many answers each error is of."""
        trainer, data = self.trainer, self.trainer.data
        return {
            "train_answers": trainer.updates_per_epoch * trainer.batch_size,
            "validation_answers": len(data.validation),
            "test_answers": len(data.test),
        }

    def go(self, context: Context) -> list[MemoryRecord]:
        """Train to the end, from the checkpoint if there is one."""
        if context.checkpoint_path.exists():
            self.state, self.history = checkpoint.load(
                context.checkpoint_path,
                self.state,
                self.fixed,
                self.backend,
                self.device,
                MemoryRecord,
            )
        for state, record in self.trainer.epochs(self.state, self._told(context)):
            self.state = state
            self.history.append(record)
        return self.history

    def save(self, path: Path) -> None:
        """Write the last whole epoch."""
        checkpoint.save(path, self.state, self.history, self.fixed, self.backend)

    def _told(self, context: Context) -> Callable[[int, int], None]:
        """Return what is called after each step."""
        each = self.trainer.updates_per_epoch
        total = each * self.trainer.stages.total

        def told(epoch: int, step: int) -> None:
            last = self.history[-1] if self.history else None
            figures = {} if last is None else {"error": min(last.train_error)}
            context.report_progress(epoch * each + step, total, save=self.save, **figures)

        return told


def trainer_of(
    setting: MemorySetting, found: StoryData, seeds: Sequence[int], backend: Backend, device: Any
) -> MemoryTrainer:
    """Return the trainer of a setting."""
    updates = steps_per_epoch(len(found.train), setting.batch_size)
    return MemoryTrainer(
        found,
        setting.network(found),
        seeds,
        setting.stages,
        setting.optimizer(seeds, updates),
        backend,
        batch_size=setting.batch_size,
        random_times=setting.random_times,
        dtype=setting.dtype,
        device=device,
        compiled=backend.name in COMPILED,
        test_every=TEST_EVERY,
    )
