"""What a trial came to."""

import io
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradnoise_core.typing import Array

__all__ = ["Outcome", "decode_curve", "decode_metrics", "encode_curve", "encode_metrics"]


@dataclass(frozen=True)
class Outcome:
    """What a trial came to: its final figures, and its curves.

    Parameters
    ----------
    metrics : mapping of str to number
        Final scalars, as ``{"test_accuracy": 0.967}``. NaN and infinity are allowed, and kept.
    curves : mapping of str to one-dimensional array
        A value an epoch, or whatever the experiment says, as ``{"test_accuracy": [...]}``.
    diverged : bool, optional
        Whether the trial came to nothing, which is a result and no error. By default: whether a
        metric is not finite.

    Raises
    ------
    ValueError
        If a metric is no real number, or a curve no one-dimensional array of real numbers.

    Examples
    --------
    >>> Outcome({"test_accuracy": 0.967, "loss": 0.1}).diverged
    False
    >>> Outcome({"test_accuracy": 0.098, "loss": float("nan")}).diverged
    True
    """

    metrics: Mapping[str, float]
    curves: Mapping[str, Array] = field(default_factory=dict)
    diverged: bool | None = None

    def __post_init__(self) -> None:
        """Check, and make plain numbers and arrays of what is given."""
        metrics = {name: _number(name, value) for name, value in self.metrics.items()}
        curves = {name: _curve(name, values) for name, values in self.curves.items()}
        diverged = self.diverged
        if diverged is None:
            diverged = not all(math.isfinite(value) for value in metrics.values())
        object.__setattr__(self, "metrics", metrics)
        object.__setattr__(self, "curves", curves)
        object.__setattr__(self, "diverged", bool(diverged))


def _number(name: str, value: Any) -> float:
    array = np.asarray(value)
    if array.ndim or array.dtype.kind not in "biuf":
        message = f"`metrics.{name}` must be a real number, got {value!r}. Use float(x)."
        raise ValueError(message)
    plain: float = array.item()
    return plain


def _curve(name: str, values: Any) -> Array:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        message = (
            f"`curves.{name}` must be a one-dimensional array of real numbers, got dtype "
            f"{array.dtype} and shape {array.shape}. Give each line a name of its own."
        )
        raise ValueError(message)
    return array


def encode_metrics(metrics: Mapping[str, float]) -> str:
    """Return metrics as JSON; NaN and infinity, which JSON has not, as text."""
    plain = {k: v if math.isfinite(v) else str(v) for k, v in metrics.items()}
    return json.dumps(plain, allow_nan=False)


def decode_metrics(text: str) -> dict[str, float]:
    """Return the metrics of `encode_metrics`."""
    return {k: float(v) if isinstance(v, str) else v for k, v in json.loads(text).items()}


def encode_curve(values: Array) -> bytes:
    """Return an array in NumPy's ``.npy`` format, compressed by zlib."""
    file = io.BytesIO()
    np.save(file, values, allow_pickle=False)
    return zlib.compress(file.getvalue())


def decode_curve(blob: bytes) -> Array:
    """Return the array of `encode_curve`; pickles are refused."""
    return np.load(io.BytesIO(zlib.decompress(blob)), allow_pickle=False)
