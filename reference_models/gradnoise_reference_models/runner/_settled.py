"""A trial that ended, on its way from the worker to the store."""

import json
from dataclasses import dataclass
from typing import Any

from gradnoise_reference_models.runner._outcome import Outcome, encode_curve, encode_metrics
from gradnoise_reference_models.runner._trial import Trial

__all__ = ["Attempt", "Settled", "encode", "settle"]


@dataclass(frozen=True)
class Attempt:
    """How one attempt at a group went: a worker makes it, of plain values only.

    What a worker sends must be readable by the main process, so neither the function's exception
    nor its arrays are sent, which may be of any type.
    """

    started: str
    finished: str
    seconds: float
    host: dict[str, Any]
    versions: dict[str, str]
    #: A status, the metrics as JSON and the curves' bytes, a trial.
    outcomes: tuple[tuple[str, str, dict[str, bytes]], ...] = ()
    error: str | None = None
    interrupted: bool = False


@dataclass(frozen=True)
class Settled:
    """A row of the store and its curves."""

    trial: Trial
    row: dict[str, Any]
    curves: dict[str, bytes]


def encode(outcome: Outcome) -> tuple[str, str, dict[str, bytes]]:
    """Return what the store keeps of an outcome."""
    status = "diverged" if outcome.diverged else "done"
    curves = {name: encode_curve(values) for name, values in outcome.curves.items()}
    return status, encode_metrics(outcome.metrics), curves


def settle(group: tuple[Trial, ...], attempt: Attempt, attempts: int) -> list[Settled]:
    """Return the rows of a group whose last attempt is over."""
    outcomes = attempt.outcomes or (("failed", "{}", {}),) * len(group)
    return [
        Settled(trial, _row(trial, status, metrics, attempt, attempts, len(group)), curves)
        for trial, (status, metrics, curves) in zip(group, outcomes, strict=True)
    ]


def _row(
    trial: Trial, status: str, metrics: str, attempt: Attempt, attempts: int, group_size: int
) -> dict[str, Any]:
    return {
        "key": trial.key,
        "experiment": trial.experiment,
        "version": trial.version,
        "seed": trial.seed,
        "setting": str(trial.setting),
        "conditions": str(trial.conditions),
        "status": status,
        "metrics": metrics,
        "error": attempt.error,
        "attempts": attempts,
        "group_size": group_size,
        "seconds": attempt.seconds,
        "started": attempt.started,
        "finished": attempt.finished,
        "host": json.dumps(attempt.host),
        "versions": json.dumps(attempt.versions),
    }
