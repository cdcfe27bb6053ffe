"""The noise that an implementation added, in units of what is due; or why there is none."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradnoise_core._dtypes import dtype_name
from gradnoise_core.backend import backend_of
from gradnoise_core.oracle._noise_plan import Plan, clipped
from gradnoise_core.oracle._report import Claim
from gradnoise_core.tree import flatten, flatten_like

__all__ = ["Sample", "collect"]


@dataclass(frozen=True)
class Sample:
    """What came back from the calls of a plan.

    Parameters
    ----------
    plan : Plan
    given, due, found : float64 arrays of shape (calls, elements)
        The gradient that was passed, the same after clipping, and what was returned.
    """

    plan: Plan
    given: Any
    due: Any
    found: Any

    @property
    def kinds(self) -> Any:
        """The kind of each call's gradient."""
        return np.asarray(self.plan.kinds)

    @property
    def z(self) -> Any:
        """The noise divided by the standard deviation due: standard normals, if all is right."""
        return (self.found - self.due) / self.plan.sigmas[:, None]

    def of(self, calls: Any) -> "Sample":
        """Return the sample of some of the calls."""
        plan = replace(
            self.plan,
            steps=tuple(self.plan.steps[k] for k in calls),
            kinds=tuple(self.plan.kinds[k] for k in calls),
        )
        return Sample(plan, self.given[calls], self.due[calls], self.found[calls])


class _WrongError(Exception):
    """An answer that cannot be taken as a noisy gradient."""


def collect(fn: Callable[[Any, int], Any], plan: Plan) -> tuple[Sample | None, list[Claim]]:
    """Call an implementation as planned.

    Returns
    -------
    sample, or None if an answer was none
    claims
        On the form of the answers.
    """
    rows: list[tuple[Any, Any, Any]] = []
    changed = ""
    for call, t in enumerate(plan.steps):
        gradient = plan.gradient(call)
        given = [_numbers(x) for x in gradient]
        try:
            answer = fn(plan.like.rebuild(gradient), t)
            found = _answer(answer, plan, t)
        except _WrongError as error:
            return None, [Claim(_FORM, False, str(error), "as `like`")]
        except Exception as error:  # noqa: BLE001  # a judge reports, whatever it is
            seen = f"{type(error).__name__} at t = {t}: {error}"
            return None, [Claim("returns a gradient", False, seen)]
        if not changed:
            changed = _changed(gradient, given, plan, t)
        due = clipped(given, plan.clip, plan.clip_by)
        rows.append((_flat(given), _flat(due), _flat(found)))
    before, wanted, after = (np.stack(column) for column in zip(*rows, strict=True))
    bad = np.argwhere(~np.isfinite(after))
    where = f"{after[tuple(bad[0])]} at t = {plan.steps[bad[0][0]]}" if len(bad) else ""
    claims = [
        Claim(_FORM, True),
        Claim("leaves the gradient that it is given alone", not changed, changed),
        Claim("is finite where the gradient is", not len(bad), where),
    ]
    return (None if len(bad) else Sample(plan, before, wanted, after)), claims


_FORM = "returns the structure, shapes, dtypes and library that it is given"


def _flat(leaves: list[Any]) -> Any:
    return np.concatenate([x.reshape(-1) for x in leaves])


def _numbers(array: Any) -> Any:
    """Return a copy of an array's values in float64."""
    return np.array(backend_of(array).to_numpy(array), dtype=np.float64)


def _answer(answer: Any, plan: Plan, t: int) -> list[Any]:
    """Return the values of what came back; refuse another structure, shape, dtype or library."""
    try:
        flatten(answer, "the result")
        leaves = flatten_like(answer, plan.like, "the result", "like")
    except (TypeError, ValueError) as error:
        message = f"at t = {t}: {error}"
        raise _WrongError(message) from error
    for leaf, like, path in zip(leaves, plan.like.leaves, plan.like.paths, strict=True):
        if dtype_name(leaf) != dtype_name(like):
            message = f"{dtype_name(leaf)} for {dtype_name(like)} at {path!r}, t = {t}"
            raise _WrongError(message)
    return [_numbers(leaf) for leaf in leaves]


def _changed(gradient: list[Any], given: list[Any], plan: Plan, t: int) -> str:
    for array, before, path in zip(gradient, given, plan.like.paths, strict=True):
        if not np.array_equal(_numbers(array), before):
            return f"it was changed in place at {path!r}, t = {t}"
    return ""
