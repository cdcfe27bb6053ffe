"""torch's interface: an object with ``step`` and ``param_groups`` that changes tensors."""

import copy
from collections.abc import Callable
from typing import Any

from gradnoise_core.oracle._form import Form
from gradnoise_core.oracle._run import NotASubjectError, Run, Subject

__all__ = ["Groups"]


class Groups(Subject):
    """torch's interface: an object with ``step`` and ``param_groups`` that changes tensors."""

    def __init__(self, make: Callable[[Any], Any], form: Form) -> None:
        super().__init__(form)
        self.make = make

    def begin(self, start: list[Any]) -> Run:
        """Return a fresh run."""
        tensors = [x.requires_grad_() for x in map(self.form.array, start)]
        made = self.make(self.form.build(tensors))
        if not (callable(getattr(made, "step", None)) and hasattr(made, "param_groups")):
            message = (
                "`step`, a function of one argument, must return an optimizer with `step` and "
                f"`param_groups`, got {made!r}. Pass an object with `init` and `update` itself."
            )
            raise NotASubjectError(message)
        return _GroupsRun(made, tensors)

    def resume(self, params: list[Any], saved: Any) -> Run:
        """Return a run that goes on."""
        run = self.begin(params)
        assert isinstance(run, _GroupsRun)
        run.made.load_state_dict(saved)
        return run


class _GroupsRun(Run):
    settable = True

    def __init__(self, made: Any, tensors: list[Any]) -> None:
        self.made, self.tensors = made, tensors
        self.rate = float(made.param_groups[0]["lr"]) if made.param_groups else None

    def step(self, grads: list[Any], rate: float, *, changed: bool) -> list[Any]:
        for group in self.made.param_groups if changed else ():
            group["lr"] = rate
        for tensor, g in zip(self.tensors, grads, strict=True):
            tensor.grad = g
        self.made.step()
        return self.tensors

    def save(self) -> Any:
        return copy.deepcopy(self.made.state_dict())
