"""The function that the runner hands runs of a language model to: one array program a group."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradnoise_core.backend import Backend, registered
from gradnoise_core.typing import Array
from gradnoise_reference_models import checkpoint
from gradnoise_reference_models.data import DataError, TextData
from gradnoise_reference_models.experiments._language_setting import LanguageSetting
from gradnoise_reference_models.experiments._language_text import load_words
from gradnoise_reference_models.experiments._mlp_trials import COMPILED, _precision
from gradnoise_reference_models.language_training import LanguageRecord, LanguageTrainer
from gradnoise_reference_models.runner import Context, Outcome, Trial, checksum
from gradnoise_reference_models.training import TrainingState

__all__ = ["conditions", "outcomes", "train", "trainer_of"]


def conditions(found: TextData, backend: str, device: str | None) -> dict[str, Any]:
    """Return what decides the outcome besides setting and seed."""
    arrays = found.train, found.validation, found.test
    return {"backend": backend, "device": device or "default", "data_sha256": checksum(*arrays)}


def train(group: Sequence[Trial], context: Context, *, corpus: str | None = None) -> list[Outcome]:
    """Train a group of trials that differ in the seed alone, side by side.

    A checkpoint is of a whole epoch; a run that goes on from one ends with the bits of a run that
    was never stopped.

    Parameters
    ----------
    group : sequence of Trial
    context : Context
    corpus : str, optional
        What `load_words` takes; the trials' own name for the text by default. Where a folder is
        decides no outcome, so it is no part of a trial.

    Raises
    ------
    DataError
        If the text here is not what the trials were made with.
    """
    setting = LanguageSetting(**group[0].setting)
    around = group[0].conditions
    found = load_words(corpus or setting.corpus, setting.vocabulary)
    name, device = around["backend"], around["device"]
    if conditions(found, name, device) != {k: around[k] for k in conditions(found, name, device)}:
        message = (
            f"`corpus` must be the text that the trials were made with, of SHA-256 "
            f"{around['data_sha256']}; {found.source} holds another."
        )
        raise DataError(message)
    backend = registered()[name].load()
    with _precision(backend, setting.dtype), np.errstate(all="ignore"):  # to diverge is a result
        run = _Run(group, setting, found, backend, device)
        history = run.go(context)
        return outcomes(history, run.tested(), run.spread())


def outcomes(
    history: Sequence[LanguageRecord], test: Sequence[float], spread: Sequence[float]
) -> list[Outcome]:
    """Return what each replica came to.

    Parameters
    ----------
    history : sequence of LanguageRecord
    test : sequence of R floats
        Perplexities on the test text after the last epoch.
    spread : sequence of R floats
        Standard deviations of the embedding's weights after the last epoch.
    """
    trained = np.asarray([record.train_perplexity for record in history])
    validated = np.asarray([record.validation_perplexity for record in history])
    best = np.argmin(np.where(np.isnan(validated), np.inf, validated), axis=0)
    return [
        Outcome(
            {
                "test_perplexity": test[r],
                "validation_perplexity": float(validated[-1, r]),
                "best_validation_perplexity": float(validated[best[r], r]),
                "best_epoch": history[best[r]].epoch,
                "train_perplexity": float(trained[-1, r]),
                "embedding_sd": spread[r],
                "updates": history[-1].step,
            },
            curves={"validation_perplexity": validated[:, r], "train_perplexity": trained[:, r]},
        )
        for r in range(len(test))
    ]


class _Run:
    """A group under way: its trainer, and its last whole epoch."""

    def __init__(
        self,
        group: Sequence[Trial],
        setting: LanguageSetting,
        found: TextData,
        backend: Backend,
        device: str,
    ) -> None:
        seeds = [trial.seed for trial in group]
        self.setting = setting
        self.test: Array = found.test
        self.backend = backend
        self.device = None if device == "default" else backend.devices()[device]
        self.trainer = trainer_of(setting, found, seeds, backend, self.device)
        # A checkpoint is of these trials and no others, whatever folder it is found in.
        self.fixed = {**setting.as_dict(), "seeds": seeds, **group[0].conditions}
        self.state: TrainingState = self.trainer.start(
            setting.units, setting.layers, bound=setting.bound
        )
        self.history: list[LanguageRecord] = []

    def go(self, context: Context) -> list[LanguageRecord]:
        """Train to the end, from the checkpoint if there is one."""
        if context.checkpoint_path.exists():
            self.state, self.history = checkpoint.load(
                context.checkpoint_path,
                self.state,
                self.fixed,
                self.backend,
                self.device,
                LanguageRecord,
            )
        told = self._told(context)
        for state, record in self.trainer.epochs(self.state, self.setting.epochs, told):
            self.state = state
            self.history.append(record)
        self.save(context.checkpoint_path)  # the test takes a while, and reports nothing
        return self.history

    def tested(self) -> tuple[float, ...]:
        """Return each replica's perplexity on the test text: one stream, word by word."""
        return self.trainer.test(self.state.params, self.test)

    def spread(self) -> list[float]:
        """Return the standard deviation of each replica's embedding."""
        weight = self.backend.to_numpy(self.state.params["embedding"]["weight"])
        deviations: list[float] = np.std(weight, axis=(-2, -1), dtype=np.float64).tolist()
        return deviations

    def save(self, path: Path) -> None:
        """Write the last whole epoch."""
        checkpoint.save(path, self.state, self.history, self.fixed, self.backend)

    def _told(self, context: Context) -> Callable[[int, int], None]:
        """Return what is called after each step."""
        each = self.trainer.windows_per_epoch
        total = each * self.setting.epochs

        def told(epoch: int, step: int) -> None:
            last = self.history[-1] if self.history else None
            figures = {} if last is None else {"perplexity": min(last.validation_perplexity)}
            context.report_progress(epoch * each + step, total, save=self.save, **figures)

        return told


def trainer_of(
    setting: LanguageSetting, found: TextData, seeds: Sequence[int], backend: Backend, device: Any
) -> LanguageTrainer:
    """Return the trainer of a setting.

    Raises
    ------
    ValueError
        If the training or the validation text is too short for the batch and the window.
    """
    streams = len(found.train) // setting.batch_size
    updates = max(1, (streams - 1) // setting.window)
    return LanguageTrainer(
        found.train,
        found.validation,
        setting.vocabulary,
        seeds,
        setting.optimizer(seeds, updates),
        backend,
        batch_size=setting.batch_size,
        window=setting.window,
        dtype=setting.dtype,
        device=device,
        compiled=backend.name in COMPILED,
        dropout_rate=setting.dropout_rate,
    )
