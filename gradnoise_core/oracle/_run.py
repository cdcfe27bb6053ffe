"""What can be judged, behind one interface: begin, step, save, resume."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradnoise_core.oracle._form import Form, host

__all__ = ["NotASubjectError", "Run", "Subject", "values"]


class NotASubjectError(TypeError):
    """What was passed is nothing that can be judged."""


class Run(ABC):
    """An optimizer at work on parameters of its own.

    Attributes
    ----------
    settable : bool
        Whether its rate can be set from outside.
    rate : float or None
        Its rate, where it can be read.
    told : bool
        Whether it is told its rate at every step.
    """

    settable = False
    told = False
    rate: float | None = None

    @abstractmethod
    def step(self, grads: list[Any], rate: float, *, changed: bool) -> list[Any]:
        """Make a step and return the parameters as the subject left them, one a leaf.

        Parameters
        ----------
        grads : list of arrays
            Of the subject's library, one a leaf.
        rate : float
            Of this step, for subjects to which it can be told.
        changed : bool
            Whether it is another than at the step before.
        """

    def save(self) -> Any:
        """Return a copy of all that is needed to go on, or None if nothing can be saved."""
        return None


class Subject(ABC):
    """What makes runs.

    Parameters
    ----------
    form : Form
        How it wants its parameters.
    """

    #: Whether a second run can be begun, which knows nothing of the first.
    renewable = True

    def __init__(self, form: Form) -> None:
        self.form = form

    @abstractmethod
    def begin(self, start: list[Any]) -> Run:
        """Return a fresh run from parameters, NumPy arrays, one a leaf."""

    def resume(self, params: list[Any], saved: Any) -> Run:
        """Return a run that goes on from parameters and from what a run saved."""
        raise NotImplementedError

    def with_form(self, form: Form) -> "Subject":
        """Return the same subject with its parameters in another form."""
        other = copy.copy(self)
        other.form = form
        return other


def values(leaves: Sequence[Any]) -> list[Any]:
    """Return copies of leaves as NumPy arrays."""
    return [np.array(host(x)) for x in leaves]
