"""A trial: what decides its outcome, and the key made of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from gradnoise_core.random import STREAM_VERSION
from gradnoise_core.typing import Array
from gradnoise_reference_models.runner._frozen import Frozen, canonical

__all__ = ["Trial", "checksum"]

#: SQLite's integers have 64 bits and a sign.
_SEEDS = 2**63


@dataclass(frozen=True)
class Trial:
    """One run: (experiment, setting, seed) -> metrics.

    Parameters
    ----------
    experiment : str
        Its name, as ``"table1"``.
    setting : mapping
        The values that the experiment varies and those that it holds fixed, as plain JSON:
        everything that decides the outcome besides the seed. It is copied, and frozen.
    seed : int
        From 0 to 2**63 - 1.
    version : int
        Of the experiment's code, 1 by default. Raise it when a change of the code changes outcomes:
        results of other versions are kept, and not taken for this one's.
    conditions : mapping
        What else decides the outcome, as plain JSON: backend, device, dtype, the `checksum` of the
        data. The version of the noise stream is added under ``"stream"``.

    Raises
    ------
    ValueError
        If a part is not plain JSON, the seed is not in its range, or the name is empty.

    Examples
    --------
    >>> trial = Trial("table1", {"eta": 0.01, "init": "zero"}, seed=3)
    >>> trial.setting["eta"]
    0.01
    >>> trial.key == Trial("table1", {"init": "zero", "eta": 0.01}, seed=3).key
    True
    >>> trial.key == Trial("table1", {"init": "zero", "eta": 0.01}, seed=4).key
    False
    """

    experiment: str
    setting: Mapping[str, Any]
    seed: int
    version: int = 1
    conditions: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check, copy and freeze."""
        if not self.experiment:
            message = "`experiment` must be a name, got ''. Give one."
            raise ValueError(message)
        _whole("seed", self.seed, 0)
        _whole("version", self.version, 1)
        object.__setattr__(self, "setting", Frozen("setting", self.setting))
        # The noise stream decides every outcome.
        conditions = {"stream": STREAM_VERSION, **self.conditions}
        object.__setattr__(self, "conditions", Frozen("conditions", conditions))

    @cached_property
    def key(self) -> str:
        """SHA-256, in hexadecimal, of the canonical JSON of all five parts."""
        parts = {
            "experiment": self.experiment,
            "version": self.version,
            "setting": self.setting,
            "seed": self.seed,
            "conditions": self.conditions,
        }
        return hashlib.sha256(canonical("trial", parts).encode()).hexdigest()

    def __str__(self) -> str:
        """Return the name, the setting and the seed on one line."""
        setting = ", ".join(f"{name}={value}" for name, value in self.setting.items())
        return f"{self.experiment}({setting}) seed {self.seed}"


def _whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < _SEEDS:
        message = f"`{name}` must be an int from {least} to 2**63 - 1, got {value!r}. Use int(x)."
        raise ValueError(message)


def checksum(*arrays: Array) -> str:
    """Return the SHA-256, in hexadecimal, of NumPy arrays: dtypes, shapes and values.

    For the `conditions` of a trial: it depends on neither memory layout nor byte order.

    Examples
    --------
    >>> import numpy as np
    >>> checksum(np.zeros((2, 3)))[:16] == checksum(np.zeros((3, 2)))[:16]
    False
    """
    digest = hashlib.sha256()
    for array in map(np.asarray, arrays):
        if array.dtype.hasobject:
            message = "`arrays` must hold numbers or text, got one of Python objects."
            raise ValueError(message)
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{little.dtype.str}{little.shape}".encode())
        digest.update(np.ascontiguousarray(little).tobytes())
    return digest.hexdigest()
