"""Keras 3, on the backend that ``KERAS_BACKEND`` names."""

import importlib
from typing import Any

__all__ = ["make", "version"]


def version() -> str:
    """Return Keras's version."""
    keras: Any = importlib.import_module("keras")

    return str(keras.__version__)


def make(name: str, **options: Any) -> Any:
    """Return ``step(params, grads, rate) -> new params`` of an optimizer, in the arrays' dtype."""
    keras: Any = importlib.import_module("keras")
    import numpy as np

    made: list[Any] = []

    def step(params: list[Any], grads: list[Any], rate: float) -> list[Any]:
        if not made:
            keras.config.set_floatx(params[0].dtype.name)
            variables = [keras.Variable(p, dtype=p.dtype.name) for p in params]
            made.extend([getattr(keras.optimizers, name)(learning_rate=rate, **options), variables])
        optimizer, variables = made
        optimizer.learning_rate = rate
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in grads], variables)
        return [np.asarray(keras.ops.convert_to_numpy(v.value)) for v in variables]

    return step
