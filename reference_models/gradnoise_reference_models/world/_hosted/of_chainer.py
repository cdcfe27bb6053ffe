"""Chainer's optimizers, and its gradient noise."""

import importlib
from typing import Any

import numpy as np

__all__ = ["make", "version"]


def version() -> str:
    """Return Chainer's version."""
    chainer: Any = importlib.import_module("chainer")

    return str(chainer.__version__)


def make(name: str, **options: Any) -> Any:
    """Return a step of an optimizer, or noise."""
    return _noise(**options) if name == "GradientNoise" else _step(name, options)


def _step(name: str, options: dict[str, Any]) -> Any:
    """Return ``step(params, grads, rate) -> new params``."""
    chainer: Any = importlib.import_module("chainer")

    options = dict(options)
    decay = options.pop("weight_decay", None)
    made: list[Any] = []

    def step(params: list[Any], grads: list[Any], rate: float) -> list[Any]:
        if not made:
            link = chainer.Link()
            with link.init_scope():
                for i, p in enumerate(params):
                    setattr(link, f"p{i}", chainer.Parameter(p.copy()))
            optimizer = getattr(chainer.optimizers, name)(**options)
            optimizer.setup(link)
            if decay is not None:
                optimizer.add_hook(chainer.optimizer_hooks.WeightDecay(decay))
            made.extend([optimizer, [getattr(link, f"p{i}") for i in range(len(params))]])
        optimizer, variables = made
        # Adam's rate is called alpha; AdaDelta has none.
        held = optimizer.hyperparam.get_dict()
        for attribute in ("lr",) if "lr" in held else ("alpha",) if "alpha" in held else ():
            setattr(optimizer, attribute, rate)
        for variable, g in zip(variables, grads):  # noqa: B905 - any Python 3
            variable.grad = g.copy()
        optimizer.update()
        return [variable.array.copy() for variable in variables]

    return step


def _noise(eta: float, per_rule: bool = False) -> Any:
    """Return ``noisy(grads, t)`` by GradientNoise, hooked to the optimizer or to each rule."""
    chainer: Any = importlib.import_module("chainer")
    np.random.seed(0)  # noqa: NPY002 - it draws from this generator

    made: list[Any] = []

    def noisy(grads: list[Any], t: int) -> list[Any]:
        if not made:
            link = chainer.Link()
            with link.init_scope():
                for i, g in enumerate(grads):
                    setattr(link, f"p{i}", chainer.Parameter(0 * g))
            optimizer = chainer.optimizers.SGD(lr=1.0)
            optimizer.setup(link)
            variables = [getattr(link, f"p{i}") for i in range(len(grads))]
            hook = chainer.optimizer_hooks.GradientNoise(eta)
            if per_rule:
                for variable in variables:
                    variable.update_rule.add_hook(hook)
            else:
                optimizer.add_hook(hook)
            made.extend([optimizer, variables])
        optimizer, variables = made
        for variable, g in zip(variables, grads):  # noqa: B905 - any Python 3
            variable.array[...] = 0
            variable.grad = g.copy()
        optimizer.update()
        return [-variable.array for variable in variables]

    return noisy
