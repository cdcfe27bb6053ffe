"""A row of the store, as Python sees it."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gradnoise_core.typing import Array
from gradnoise_reference_models.runner._outcome import decode_metrics

__all__ = ["Record", "record_of"]


@dataclass(frozen=True)
class Record:
    """A stored trial.

    Attributes
    ----------
    key : str
        SHA-256 of all that decides the outcome.
    experiment : str
    version : int
    seed : int
    setting, conditions : dict
        As the trial had them.
    status : str
        "done", "diverged" or "failed".
    metrics : dict of str to float
    error : str or None
        Of a trial that failed.
    attempts : int
        How often it was begun in the run that stored it.
    group_size : int
        Trials that trained together.
    seconds : float
        Wall time of the group's last attempt.
    started, finished : datetime
        In UTC.
    host, versions : dict
        The machine, and the versions of Python and of the libraries in use.
    curves : dict of str to array
        Empty where they were not asked for.
    """

    key: str
    experiment: str
    version: int
    seed: int
    setting: dict[str, Any]
    conditions: dict[str, Any]
    status: str
    metrics: dict[str, float]
    error: str | None
    attempts: int
    group_size: int
    seconds: float
    started: datetime
    finished: datetime
    host: dict[str, Any]
    versions: dict[str, str]
    curves: dict[str, Array] = field(default_factory=dict, repr=False, compare=False)


_JSON = ("setting", "conditions", "host", "versions")


def record_of(row: dict[str, Any], curves: dict[str, Array]) -> Record:
    """Return a row of the table `trials` as a record."""
    values = dict(row)
    for name in _JSON:
        values[name] = json.loads(values[name])
    for name in ("started", "finished"):
        values[name] = datetime.fromisoformat(values[name])
    values["metrics"] = decode_metrics(values["metrics"])
    return Record(**values, curves=curves)
