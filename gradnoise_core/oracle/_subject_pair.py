"""An object with ``init`` and ``update``: optax's interface, and ours."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradnoise_core._apply import apply_updates
from gradnoise_core.backend import backend_of
from gradnoise_core.oracle._form import Form
from gradnoise_core.oracle._run import Run, Subject

__all__ = ["Pair"]


class Pair(Subject):
    """optax's interface, and ours."""

    def __init__(self, make: Callable[[], Any], form: Form) -> None:
        super().__init__(form)
        self.make = make

    def begin(self, start: list[Any]) -> Run:
        """Return a fresh run."""
        params = self.form.tree(start)
        pair = self.make()
        return _PairRun(pair, self.form, params, pair.init(params))

    def resume(self, params: list[Any], saved: Any) -> Run:
        """Return a run that goes on."""
        return _PairRun(self.make(), self.form, self.form.tree(params), saved)


class _PairRun(Run):
    def __init__(self, pair: Any, form: Form, params: Any, state: Any) -> None:
        self.pair, self.form, self.params, self.state = pair, form, params, state
        self.rate = _injected(state)
        self.settable = self.rate is not None

    def step(self, grads: list[Any], rate: float, *, changed: bool) -> list[Any]:
        if changed and self.settable:
            self.state = _with_rate(self.state, rate)
        updates, self.state = self.pair.update(self.form.build(grads), self.state, self.params)
        self.params = apply_updates(self.params, updates)
        return self.form.leaves(self.params)

    def save(self) -> Any:
        leaves, treedef = self.form.functions.flatten(self.state)
        return self.form.functions.unflatten(treedef, [_copied(x) for x in leaves])


def _copied(leaf: Any) -> Any:
    """Return a copy of an array of numbers by way of NumPy, and anything else as it is."""
    kind = str(getattr(leaf, "dtype", ""))
    if not kind.startswith(("torch.float", "float", "int", "uint", "torch.int")):
        return leaf
    if isinstance(leaf, np.ndarray | np.generic):
        return np.array(leaf)
    backend = backend_of(leaf)
    return backend.from_host(np.array(backend.to_numpy(leaf)))


def _injected(state: Any) -> float | None:
    """Return the injected rate of an optax state, if it has one."""
    held = getattr(state, "hyperparams", None)
    if isinstance(held, Mapping) and "learning_rate" in held:
        return float(held["learning_rate"])
    parts = state if type(state) is tuple else ()
    return next((r for r in map(_injected, parts) if r is not None), None)


def _with_rate(state: Any, rate: float) -> Any:
    """Return an optax state with another injected rate, or None if it has none."""
    held = getattr(state, "hyperparams", None)
    if isinstance(held, Mapping) and "learning_rate" in held:
        old = held["learning_rate"]
        return state._replace(hyperparams={**held, "learning_rate": 0 * old + rate})
    if type(state) is tuple:
        for i, part in enumerate(state):
            new = _with_rate(part, rate)
            if new is not None:
                return (*state[:i], new, *state[i + 1 :])
    return None
