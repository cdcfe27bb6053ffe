"""A plain ``step(params, grads) -> new params``, with or without the rate."""

import copy
from collections.abc import Callable
from typing import Any

from gradnoise_core.oracle._form import Form
from gradnoise_core.oracle._run import Run, Subject

__all__ = ["Steps"]


class Steps(Subject):
    """A plain ``step(params, grads) -> new params``, with or without the rate."""

    def __init__(
        self, make: Callable[[], Any], form: Form, takes_rate: bool, *, renewable: bool
    ) -> None:
        super().__init__(form)
        self.make, self.takes_rate, self.renewable = make, takes_rate, renewable

    def begin(self, start: list[Any]) -> Run:
        """Return a run, which is fresh if the subject is renewable."""
        return _StepsRun(self.make(), self.form, self.form.tree(start), self.takes_rate)

    def resume(self, params: list[Any], saved: Any) -> Run:
        """Return a run that goes on."""
        run = self.begin(params)
        assert isinstance(run, _StepsRun)
        run.made.load_state_dict(saved)
        return run


class _StepsRun(Run):
    def __init__(self, made: Any, form: Form, params: Any, takes_rate: bool) -> None:
        self.made, self.form, self.params, self.told = made, form, params, takes_rate
        self.settable = takes_rate or _setter(made) is not None
        held = getattr(made, "learning_rate", None)
        self.rate = float(held) if isinstance(held, float | int) and not takes_rate else None

    def step(self, grads: list[Any], rate: float, *, changed: bool) -> list[Any]:
        setter = None if self.told or not changed else _setter(self.made)
        if setter is not None:
            setter(rate)
        more = (rate,) if self.told else ()
        new = self.made(self.params, self.form.build(grads), *more)
        self.params = self.params if new is None else new
        return self.form.leaves(self.params)

    def save(self) -> Any:
        both = ("state_dict", "load_state_dict")
        if not all(callable(getattr(self.made, name, None)) for name in both):
            return None
        return copy.deepcopy(self.made.state_dict())


def _setter(made: Any) -> Callable[[float], Any] | None:
    """Return what sets the rate of a plain step: its method, or its attribute."""
    method = getattr(made, "set_learning_rate", None)
    if callable(method):
        return method
    if hasattr(made, "learning_rate"):
        return lambda rate: setattr(made, "learning_rate", rate)
    return None
