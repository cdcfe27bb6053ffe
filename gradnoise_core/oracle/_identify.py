"""Which optimizer is it, in which dialect, with which hyperparameters? It is asked by gradients."""

from typing import Any

import numpy as np

from gradnoise_core.optimizers import DIALECTS
from gradnoise_core.oracle._fit import Fit, fits
from gradnoise_core.oracle._form import Form, standard_form
from gradnoise_core.oracle._identify_langevin import identify_langevin
from gradnoise_core.oracle._reading import Identification
from gradnoise_core.oracle._readings import nearest, readings
from gradnoise_core.oracle._responses import ELEMENTS, FALL, LENGTH, Responses, observed, scripts
from gradnoise_core.oracle._run import Subject
from gradnoise_core.oracle._subject import subject_of
from gradnoise_core.oracle._trajectory import Trajectory, go_on
from gradnoise_core.typing import Rate, Tree

__all__ = ["identify_dialect"]

#: Told to subjects that are told their rate, where none is given.
RATE = 1e-3


def identify_dialect(
    step: Any,
    optimizer: str | None = None,
    *,
    learning_rate: Rate | None = None,
    params: Tree | None = None,
) -> Identification:
    """Name the optimizer, the dialects and the hyperparameters that an implementation speaks.

    Elements get gradients, each its own, that tell hyperparameters apart: constants from 1e-12 to
    100, pulses, random ones, none at all beside parameters from 1e-10 to 100. First steps give
    starting points in closed form for each form of each optimizer; least squares do the rest. A
    reading holds only if it explains every step, the last third of them at a tenth of the rate
    where the rate can be set.

    Parameters
    ----------
    step
        As in `check_optimizer`.
    optimizer : str, optional
        Consider this one only. What draws noise is not fitted but for `sgld` and `psgld`; `santa`
        is looked for only where it is named.
    learning_rate : float or schedule, optional
        What a ``step(params, grads, rate)`` is told, 1e-3 by default; or the schedule that the
        subject was made with. SGLD's conventions differ in what the rate stands for: they can be
        told apart only if it is known, from here or from the subject.
    params : tree of arrays, optional
        An example of the parameters, as in `check_optimizer`, with at least as many elements as
        there are gradients to try.

    Returns
    -------
    Identification
        With every reading: dialects coincide for many hyperparameters, as AdamW is Adam where
        nothing decays. If there is none it says what comes nearest, and how far that is.

    Raises
    ------
    ImportError
        Without scipy, which the extra ``oracle`` brings.
    TypeError
        If `step` is nothing that can be asked.
    ValueError
        If the optimizer is unknown, or `params` too small.

    Notes
    -----
    Some things cannot be told apart, and are given in the simplest form: momentum that dampens
    every step is momentum at a lower rate; AdaGrad with eps in the root is one with a larger
    first sum of squares. In float64 what is found is exact, in float32 rounded to two or three
    digits.

    Examples
    --------
    >>> import gradnoise_core as gn
    >>> print(identify_dialect(gn.adam(1e-3, dialect="keras")))
    ... # doctest: +ELLIPSIS
    adam, dialects keras, tf1, chainer, mxnet: lr 0.001, b1 0.9, b2 0.999, eps 1e-07 (...)
    """
    if optimizer is not None and optimizer not in DIALECTS:
        message = f"`optimizer` must be one of {', '.join(DIALECTS)}, got {optimizer!r}."
        raise ValueError(message)
    subject = _sized(subject_of(step, params), default=params is None)
    given = scripts(subject.form.shapes, subject.form.dtype)
    with np.errstate(all="ignore"):
        run = subject.begin(given.start)
        told = _told(run.rate, learning_rate, settable=run.settable)
        seen = Trajectory()
        go_on(run, subject, given, [rate for rate, _ in told], seen)
    first = told[0][0]  # the rate of step 0, as far as it is known
    known = run.rate is not None or learning_rate is not None or run.told
    units = [(h / first, True) if shared else (h, False) for h, shared in told]
    rate = first if known else None
    responses = observed(given, seen.path, units, subject.form.dtype, rate)
    if optimizer == "santa" or _draws(responses):
        return identify_langevin(subject, optimizer, rate)
    with np.errstate(all="ignore"):  # some of what is tried divides by 0, or runs away
        return _identified(responses, optimizer)


def _sized(subject: Subject, *, default: bool) -> Subject:
    """Return the subject with parameters enough."""
    form: Form = subject.form
    if default:
        as_list = isinstance(form.build(list(form.shapes)), list)
        form = standard_form(form.backend, {"probes": (ELEMENTS,)}, as_list=as_list)
        return subject.with_form(form)
    size = sum(int(np.prod(shape)) for shape in form.shapes.values())
    if size < ELEMENTS:
        message = (
            f"`params` must have at least {ELEMENTS} elements, one for each sequence of gradients "
            f"that is tried, got {size}. Pass a larger example."
        )
        raise ValueError(message)
    return subject


def _told(
    held: float | None, learning_rate: Rate | None, *, settable: bool
) -> list[tuple[float, bool]]:
    """Return the rate of each step, and whether it is one in units of the first."""
    if callable(learning_rate):
        return [(float(learning_rate(t)), True) for t in range(LENGTH)]
    first = held if held is not None else learning_rate
    known = first is not None
    h = float(first) if first is not None else RATE
    if not settable:
        return [(h, True)] * LENGTH
    return [(h, True) if t < FALL else (h / 10, known) for t in range(LENGTH)]


def _draws(seen: Responses) -> bool:
    """Return whether an element moves that has neither a gradient nor a value."""
    return bool(np.any(seen.path[:, -1] != 0))


def _identified(seen: Responses, optimizer: str | None) -> Identification:
    def settles(fit: Fit) -> bool:
        return any(reading.own for reading in readings(fit, seen, optimizer))

    found = fits(seen, optimizer, settles)
    for fit in found:
        told = readings(fit, seen, optimizer)
        if told:
            return Identification(tuple(told))
    return Identification((), nearest(found, seen))
