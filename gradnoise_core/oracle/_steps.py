"""How far an optimizer is from a formula: the size of a deviation, not whether it is one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradnoise_core.optimizers import keywords
from gradnoise_core.oracle._compare import relative_tolerance, units
from gradnoise_core.oracle._probes import Probes
from gradnoise_core.oracle._subject import subject_of
from gradnoise_core.oracle._trajectory import Path, claimed, reference
from gradnoise_core.oracle._watched import rates_of, watched
from gradnoise_core.typing import Rate, Tree

__all__ = ["Deviation", "OptimizerSteps", "optimizer_steps"]


@dataclass(frozen=True)
class Deviation:
    """How far an implementation is from a formula; both are 0 where rounding explains it.

    Parameters
    ----------
    share : float
        The largest difference of a parameter, of the way that it has gone by the formula: over all
        steps and all elements that have a gradient from the first step on.
    absolute : float
        The largest difference, in units of the parameter.
    """

    share: float
    absolute: float

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return self.share > 0 or self.absolute > 0


@dataclass(frozen=True)
class OptimizerSteps:
    """The 100 steps that an optimizer made under the oracle's gradients.

    Parameters
    ----------
    given
        The parameters and gradients that it was given.
    path : list of lists of NumPy arrays
        Its parameters after each step, one array a leaf.
    rates : sequence of float
        The learning rate of each step.
    dtype : {"float64", "float32"}
        In which it made them.
    """

    given: Probes
    path: Path
    rates: Sequence[float]
    dtype: str

    def deviation(
        self, optimizer: str, dialect: str = "paper", **hyperparameters: Any
    ) -> Deviation:
        """Return how far the steps are from those of a formula.

        Parameters
        ----------
        optimizer, dialect : str
            A row of `gradnoise_core.optimizers.DIALECTS`.
        **hyperparameters
            In place of the dialect's own.

        Raises
        ------
        TypeError, ValueError
            If there is no such optimizer, dialect or keyword.
        """
        claim = claimed(optimizer, dialect, hyperparameters, self.rates)
        due = reference(claim, self.given)
        relative = relative_tolerance(self.dtype, claim.keywords)
        share = absolute = 0.0
        for i, idle in enumerate(self.given.idle):
            start = np.asarray(self.given.start[i], np.float64)
            a, b = (np.stack([leaves[i] for leaves in path]) for path in (self.path, due))
            off, allowed = units(a, b, start, self.dtype, relative)
            off = np.where(idle | (off <= allowed), 0.0, off)
            way = np.maximum.accumulate(np.abs(b - start), axis=0)
            absolute = max(absolute, float(off.max(initial=0.0)))
            with np.errstate(divide="ignore", invalid="ignore"):
                share = max(share, float(np.where(off > 0, off / way, 0.0).max(initial=0.0)))
        return Deviation(share, absolute)

    def keywords_that_matter(
        self, optimizer: str, dialect: str, **hyperparameters: Any
    ) -> dict[str, Any]:
        """Return the keywords by which a dialect parts from the paper, under these gradients.

        A keyword matters if the dialect's steps are others with the paper's value in its place.

        Parameters
        ----------
        optimizer, dialect : str
            A row of `gradnoise_core.optimizers.DIALECTS`.
        **hyperparameters
            In place of the dialect's own; they are not among what is returned.
        """
        claim = claimed(optimizer, dialect, hyperparameters, self.rates)
        own = OptimizerSteps(self.given, reference(claim, self.given), self.rates, self.dtype)
        paper = keywords(optimizer)
        return {
            name: value
            for name, value in keywords(optimizer, dialect).items()
            if name not in hyperparameters
            and value != paper[name]
            and own.deviation(optimizer, dialect, **{**hyperparameters, name: paper[name]}).share
        }


def optimizer_steps(
    step: Any, *, learning_rate: Rate = 1e-3, params: Tree | None = None
) -> OptimizerSteps:
    """Return 100 steps of an optimizer, to measure how far it is from formulas.

    They are those that `check_optimizer` judges: under gradients of 1e-6 to 10 that do not depend
    on the parameters, the learning rate falling to a tenth at step 50.

    Parameters
    ----------
    step, learning_rate, params
        As in `check_optimizer`.

    Returns
    -------
    OptimizerSteps

    Raises
    ------
    TypeError
        If `step` is nothing that can be judged.
    RuntimeError
        If it does not make the steps, with what it raised.

    Examples
    --------
    >>> import gradnoise_core as gn
    >>> steps = optimizer_steps(gn.adam(1e-3, dialect="tf1"), learning_rate=1e-3)
    >>> bool(steps.deviation("adam", "tf1"))
    False
    >>> print(f"{steps.deviation('adam').share:.2f}")
    0.80
    >>> steps.keywords_that_matter("adam", "tf1")
    {'eps_hat': True}
    """
    rates = rates_of(learning_rate)
    subject, given, seen = watched(subject_of(step, params), rates, [])
    if seen.error:
        raise RuntimeError(seen.error)
    return OptimizerSteps(given, seen.path, rates(seen.settable), subject.form.dtype)
