"""Is an implementation the optimizer that it claims to be? 100 steps under outside gradients."""

from collections.abc import Sequence
from typing import Any

from gradnoise_core.oracle._compare import Difference, difference, relative_tolerance
from gradnoise_core.oracle._diagnosis import Explanation, as_claimed, explanation
from gradnoise_core.oracle._formulas import FORMULAS
from gradnoise_core.oracle._langevin import check_langevin
from gradnoise_core.oracle._probes import STEPS, Probes
from gradnoise_core.oracle._report import Claim, Report
from gradnoise_core.oracle._resume import SAVE_AFTER, resumption
from gradnoise_core.oracle._subject import subject_of
from gradnoise_core.oracle._trajectory import Claimed, Trajectory, claimed, reference
from gradnoise_core.oracle._watched import rates_of, watched
from gradnoise_core.typing import Rate, Tree

__all__ = ["check_optimizer"]


def check_optimizer(
    step: Any,
    optimizer: str = "adam",
    dialect: str = "paper",
    *,
    learning_rate: Rate = 1e-3,
    params: Tree | None = None,
    **hyperparameters: Any,
) -> Report:
    """Judge an optimizer against the formula of its name, in a dialect.

    It makes 100 steps with gradients that do not depend on the parameters, of 1e-6 to 10, on
    leaves of several shapes; at step 50 the learning rate falls to a tenth. The parameters after
    each step must be those of this library's optimizer, which is tested against the frameworks.

    Parameters
    ----------
    step
        One of:

        - an object with ``init(params)`` and ``update(grads, state, params)``, ours or optax's;
        - a function of the parameters that makes a torch optimizer, as in
          ``lambda params: torch.optim.Adam(params, lr=1e-3)``: it gets a list of tensors;
        - ``step(params, grads)`` or ``step(params, grads, rate)``, which returns new parameters,
          or changes them in place and returns None, and may remember what it needs;
        - a function without arguments that makes an object or a step of these kinds afresh.
    optimizer, dialect : str
        What it claims to be: a row of `gradnoise_core.optimizers.DIALECTS`.
    learning_rate : float or schedule
        With which it was made. A number falls to a tenth at step 50 where the rate can be set:
        in torch's ``param_groups``, in the state of optax's ``inject_hyperparams``, as the third
        argument of a step, by its method ``set_learning_rate(rate)``, or as its attribute
        ``learning_rate``. A schedule, a function of t = 0, 1, ..., is taken as it is; give the
        same to an object that takes its rate once and for all.
    params : tree of arrays, optional
        An example of the parameters: their library, structure, shapes and dtype, float64 or
        float32. By default a dict of NumPy's float64 arrays (a list of torch's for torch), with a
        leaf of no axes and one of no elements where the subject takes them.
    **hyperparameters
        Those of the dialect that were changed, by this library's names: ``eps=1e-3``.

    Returns
    -------
    Report
        With a claim on the first step, on the steps before and after the rate's fall, on elements
        without a gradient, on dtypes and shapes, on the caller's gradients (they must not be
        written to), and on resumption from a saved state, where one can be saved. What was not
        checked stands in its first line. A failed claim says where, by how much, and which
        known mistake explains it. For the optimizers that draw noise the claims are on its law.

    Raises
    ------
    TypeError
        If `step` is nothing that can be judged, or a keyword is none of the optimizer's.
    ValueError
        If the optimizer, the dialect or a number is none.

    Notes
    -----
    In float64 an element may be off by 1e-12 of the way that it has gone, in float32 by 1e-4,
    besides the rounding of the parameter itself. With bias correction ``4 u / (1 - b)`` is added,
    u the rounding unit, for b the larger of b1 and b2.

    Examples
    --------
    >>> import gradnoise_core as gn
    >>> rate = gn.schedules.piecewise_constant([0.1, 0.01], [50])
    >>> check_optimizer(gn.adam(rate, dialect="keras"), "adam", "keras", learning_rate=rate).passed
    True
    >>> report = check_optimizer(gn.adam(rate, eps=1e-7), "adam", learning_rate=rate)
    >>> report.failures[0].cause
    '`eps` is 1e-07, as in keras, not 1e-08'
    """
    rates = rates_of(learning_rate)
    claim = claimed(optimizer, dialect, hyperparameters, rates(True))
    subject = subject_of(step, params)
    name = f"{optimizer}, dialect {dialect}"
    if optimizer not in FORMULAS:
        return check_langevin(subject, claim, rates, name)
    notes: list[str] = []
    subject, given, seen = watched(subject, rates, notes, save_after=SAVE_AFTER)
    if not (seen.settable or callable(learning_rate)):
        notes.append("a fall of the learning rate (nothing sets it: give a schedule to both)")
        claim = claimed(optimizer, dialect, hyperparameters, rates(False))
    claims, explained = _claims(claim, given, seen, subject.form.dtype)
    if not seen.error:
        claims += resumption(subject, explained, given, seen, claim.rates, notes)
    unchecked = f" (not checked: {'; '.join(notes)})" if notes else ""
    return Report(f"{name}{unchecked}", tuple(claims))


def _claims(
    claim: Claimed, given: Probes, seen: Trajectory, dtype: str
) -> tuple[list[Claim], Explanation]:
    """Return what the trajectory itself says, and what explains it."""
    if seen.error:
        remedy = "" if seen.path else "If it wants another tree or library, pass `params`"
        return [Claim("it runs", False, seen.error, f"{STEPS} steps", remedy)], Explanation()
    relative = relative_tolerance(dtype, claim.keywords)
    if seen.changed:
        due = "those that went in"
        return [
            Claim("dtypes and shapes of the parameters are kept", False, seen.changed, due),
            _gradients(seen),
        ], Explanation()
    path = reference(claim, given)
    drop = next((t for t in range(1, STEPS) if claim.rates[t] != claim.rates[t - 1]), STEPS)
    active = [~idle for idle in given.idle]
    parts: list[tuple[str, Sequence[Any], slice]] = [
        ("the first step", active, slice(0, 1)),
        ("the steps at the first rate", active, slice(0, drop)),
        ("the steps after the rate falls", active, slice(drop, STEPS)),
        ("elements without a gradient, at first or ever", given.idle, slice(0, STEPS)),
    ]
    found = [
        (
            name,
            difference(
                seen.path, path, given.start, given.paths, dtype, relative, only=only, steps=steps
            ),
        )
        for name, only, steps in parts
        if steps.start < STEPS
    ]
    explained = as_claimed(claim)
    if any(d is not None for _, d in found):
        explained = explanation(claim, given, seen.path, dtype, relative)
    return [
        *(_of(name, d, explained.words, relative) for name, d in found),
        Claim("dtypes and shapes of the parameters are kept", True),
        _gradients(seen),
    ], explained


def _of(name: str, found: Difference | None, why: str, relative: float) -> Claim:
    if found is None:
        return Claim(name, True, due=f"within {relative:.0e} of the way gone")
    return Claim(name, False, str(found), f"at most {found.allowed:.1g}", why)


def _gradients(seen: Trajectory) -> Claim:
    name = "the caller's gradients are not written to"
    return Claim(name, not seen.written, seen.written)
