"""What a subject is: an object, a function that makes a torch optimizer, or a plain step."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from gradnoise_core.backend import backend_of
from gradnoise_core.oracle._form import (
    Form,
    form_of,
    numpy_form,
    standard_form,
    torch_backend,
)
from gradnoise_core.oracle._run import Subject
from gradnoise_core.oracle._subject_groups import Groups
from gradnoise_core.oracle._subject_pair import Pair
from gradnoise_core.oracle._subject_steps import Steps

__all__ = ["subject_of"]


def subject_of(step: Any, params: Any) -> Subject:
    """Return what `step` is.

    Raises
    ------
    TypeError
        If it is nothing that can be judged.
    """
    form = None if params is None else form_of(params)
    if hasattr(step, "param_groups"):
        message = (
            "`step` must be a function of the parameters that makes a torch optimizer, got the "
            f"optimizer {type(step).__name__}. Pass e.g. lambda params: torch.optim.Adam(params)."
        )
        raise TypeError(message)
    if _is_pair(step):
        return Pair(lambda: step, form or _form_for(step))
    if not callable(step):
        message = (
            "`step` must have `init` and `update`, or be a function of the parameters that makes "
            "a torch optimizer, a step(params, grads), or a function without arguments that "
            f"makes one of these; got {step!r}."
        )
        raise TypeError(message)
    arguments = _required(step)
    if arguments == 0:
        first = step()
        if _is_pair(first):
            return Pair(step, form or _form_for(first))
        return Steps(step, form or numpy_form(), _takes_rate(first), renewable=True)
    if arguments == 1:
        return Groups(step, form or standard_form(torch_backend(), as_list=True))
    return Steps(lambda: step, form or numpy_form(), _takes_rate(step), renewable=False)


def _is_pair(step: Any) -> bool:
    return callable(getattr(step, "init", None)) and callable(getattr(step, "update", None))


def _positional(step: Callable[..., Any]) -> list[inspect.Parameter]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(step).parameters.values()
    except ValueError:  # written in C, and silent about its arguments
        return [inspect.Parameter(name, kinds[0]) for name in ("params", "grads")]
    return [x for x in parameters if x.kind in kinds]


def _required(step: Callable[..., Any]) -> int:
    return sum(x.default is inspect.Parameter.empty for x in _positional(step))


def _takes_rate(step: Callable[..., Any]) -> bool:
    """Return whether a third argument is required, or is called a rate."""
    names = ("rate", "learning_rate", "lr")
    third = _positional(step)[2:3]
    return any(x.default is inspect.Parameter.empty or x.name in names for x in third)


def _form_for(pair: Any) -> Form:
    """Return the form of the library in which `pair` makes its updates of NumPy's arrays."""
    form = numpy_form()
    tree = form.tree([np.ones(shape) for shape in form.shapes.values()])
    updates, _ = pair.update(tree, pair.init(tree), tree)
    leaf = form.leaves(updates)[0]
    return form if isinstance(leaf, np.ndarray) else standard_form(backend_of(leaf))
