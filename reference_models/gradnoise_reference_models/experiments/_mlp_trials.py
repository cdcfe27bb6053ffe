"""The function that the runner hands groups of trials to: each group is one array program."""

import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from gradnoise_core.backend import Backend, registered
from gradnoise_reference_models import checkpoint, data
from gradnoise_reference_models.data import ClassificationData, DataError
from gradnoise_reference_models.experiments._mlp_setting import MlpSetting
from gradnoise_reference_models.experiments.report import LAST
from gradnoise_reference_models.initializers import INITIALIZERS
from gradnoise_reference_models.runner import Context, Outcome, Trial, checksum
from gradnoise_reference_models.training import EpochRecord, Trainer, TrainingState

__all__ = ["COMPILED", "conditions", "outcomes", "train"]

#: The array libraries whose step is compiled: on the others compiling costs more than it saves.
COMPILED = ("jax",)


def conditions(found: ClassificationData, backend: str, device: str | None) -> dict[str, Any]:
    """Return what decides the outcome besides setting and seed."""
    arrays = found.train_x, found.train_y, found.test_x, found.test_y
    return {"backend": backend, "device": device or "default", "data_sha256": checksum(*arrays)}


def train(group: Sequence[Trial], context: Context) -> list[Outcome]:
    """Train a group of trials that differ in the seed alone, side by side.

    A checkpoint is of a whole epoch; a run that goes on from one ends with the bits of a run that
    was never stopped.

    Raises
    ------
    DataError
        If the data here is not what the trials were made with.
    """
    setting = MlpSetting(**group[0].setting)
    around = group[0].conditions
    found = data.load(setting.data)
    name, device = around["backend"], around["device"]
    if conditions(found, name, device) != {k: around[k] for k in conditions(found, name, device)}:
        message = (
            f"`data` must be the {setting.data} that the trials were made with, of SHA-256 "
            f"{around['data_sha256']}; {found.source} holds other data."
        )
        raise DataError(message)
    backend = registered()[name].load()
    with _precision(backend, setting.dtype), np.errstate(all="ignore"):  # to diverge is a result
        history = _Run(group, setting, found, backend, device).go(context)
    return outcomes(history)


def outcomes(history: Sequence[EpochRecord]) -> list[Outcome]:
    """Return what each replica came to: its last epoch, the median of the last ones, its curves."""
    accuracy = np.asarray([record.test_accuracy for record in history])
    loss = np.asarray([record.loss for record in history])
    return [
        Outcome(
            {
                "test_accuracy": float(accuracy[-1, r]),
                "median_test_accuracy": statistics.median(accuracy[-LAST:, r].tolist()),
                "train_loss": float(loss[-1, r]),
                "updates": history[-1].step,
            },
            curves={"test_accuracy": accuracy[:, r], "train_loss": loss[:, r]},
        )
        for r in range(accuracy.shape[1])
    ]


class _Run:
    """A group under way: its trainer, and its last whole epoch."""

    def __init__(
        self,
        group: Sequence[Trial],
        setting: MlpSetting,
        found: ClassificationData,
        backend: Backend,
        device: str,
    ) -> None:
        seeds = [trial.seed for trial in group]
        self.setting = setting
        self.backend = backend
        self.device = None if device == "default" else backend.devices()[device]
        self.trainer = Trainer(
            found,
            seeds,
            setting.optimizer(seeds),
            setting.batch_size,
            backend,
            setting.dtype,
            self.device,
            compiled=backend.name in COMPILED,
            dropout_rate=setting.dropout_rate,
        )
        # A checkpoint is of these trials and no others, whatever folder it is found in.
        self.fixed = {**setting.as_dict(), "seeds": seeds, **group[0].conditions}
        self.state: TrainingState = self.trainer.start(
            INITIALIZERS[setting.init], setting.sizes(found)
        )
        self.history: list[EpochRecord] = []

    def go(self, context: Context) -> list[EpochRecord]:
        """Train to the end, from the checkpoint if there is one."""
        if context.checkpoint_path.exists():
            self.state, self.history = checkpoint.load(
                context.checkpoint_path, self.state, self.fixed, self.backend, self.device
            )
        told = self._told(context)
        for state, record in self.trainer.epochs(self.state, self.setting.epochs, told):
            self.state = state
            self.history.append(record)
        return self.history

    def save(self, path: Path) -> None:
        """Write the last whole epoch."""
        checkpoint.save(path, self.state, self.history, self.fixed, self.backend)

    def _told(self, context: Context) -> Callable[[int, int], None]:
        """Return what is called after each step."""
        each = self.trainer.steps_per_epoch
        total = each * self.setting.epochs

        def told(epoch: int, step: int) -> None:
            last = self.history[-1] if self.history else None
            figures = {} if last is None else {"accuracy": max(last.test_accuracy)}
            context.report_progress(epoch * each + step, total, save=self.save, **figures)

        return told


def _precision(backend: Backend, dtype: str) -> AbstractContextManager[Any]:
    """Allow float64 on JAX while it is asked for."""
    if backend.name != "jax" or dtype != "float64":
        return nullcontext()
    import jax

    return jax.enable_x64(True)
