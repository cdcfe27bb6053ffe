"""MXNet's optimizers, through their updaters."""

import importlib
from typing import Any

__all__ = ["make", "version"]


def version() -> str:
    """Return MXNet's version."""
    mxnet: Any = importlib.import_module("mxnet")

    return str(mxnet.__version__)


def make(name: str, **options: Any) -> Any:
    """Return ``step(params, grads, rate) -> new params`` of an optimizer."""
    mxnet: Any = importlib.import_module("mxnet")
    mxnet.random.seed(0)
    made: list[Any] = []

    def step(params: list[Any], grads: list[Any], rate: float) -> list[Any]:
        if not made:
            optimizer = mxnet.optimizer.create(
                name, **{"learning_rate": rate, "wd": 0.0, **options}
            )
            arrays = [mxnet.nd.array(p, dtype=p.dtype) for p in params]
            made.extend([optimizer, mxnet.optimizer.get_updater(optimizer), arrays])
        optimizer, update, arrays = made
        optimizer.set_learning_rate(rate)
        for i, (p, g) in enumerate(zip(arrays, grads)):  # noqa: B905 - any Python 3
            update(i, mxnet.nd.array(g, dtype=g.dtype), p)
        return [p.asnumpy() for p in arrays]

    return step
