"""Does a run that is resumed from what it saved go on as if it had never stopped?"""

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gradnoise_core.oracle._compare import difference, relative_tolerance
from gradnoise_core.oracle._diagnosis import Explanation
from gradnoise_core.oracle._plain import Plain
from gradnoise_core.oracle._probes import STEPS, Probes
from gradnoise_core.oracle._report import Claim
from gradnoise_core.oracle._run import Subject
from gradnoise_core.oracle._trajectory import Path, Trajectory, go_on, path_of_plain

__all__ = ["SAVE_AFTER", "resumption"]

#: The state is saved after this step.
SAVE_AFTER = 29

#: How far the resumed run may be from the run that never stopped, of the way gone.
RELATIVE = 1e-14


def resumption(
    subject: Subject,
    explained: Explanation,
    given: Probes,
    seen: Trajectory,
    rates: Sequence[float],
    notes: list[str],
) -> list[Claim]:
    """Return the claim, or none and a note where nothing can be saved or made afresh.

    Parameters
    ----------
    explained : Explanation
        What the run that never stopped is: with a mistake of its own it can still be told what a
        resumed one has lost.
    """
    if seen.saved is None or not subject.renewable:
        notes.append(
            "resumption (nothing saves the state)"
            if subject.renewable
            else "resumption (pass a function that makes the step)"
        )
        return []
    name = "a run resumed from its saved state goes on as it was"
    again = Trajectory(path=list(seen.path[: SAVE_AFTER + 1]))
    try:
        # Another run comes between, so that what is not in the state is another's.
        other = Trajectory()
        backwards = Probes(given.paths, given.start, given.gradients[::-1], given.idle)
        go_on(subject.begin(given.start), subject, backwards, rates, other, first=STEPS - 3)
        run = subject.resume(seen.path[SAVE_AFTER], seen.saved)
        go_on(run, subject, given, rates, again, first=SAVE_AFTER + 1)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what was found
        return [Claim(name, False, f"{type(error).__name__}: {error}", "no exception")]
    dtype = subject.form.dtype
    relative = RELATIVE if dtype == "float64" else 1e-6
    found = difference(again.path, seen.path, given.start, given.paths, dtype, relative)
    if found is None:
        return [Claim(name, True)]
    why = _cause(explained, given, again.path, dtype)
    return [Claim(name, False, str(found), f"at most {found.allowed:.1g}", why)]


def _forgetful(step: Plain, lose: Callable[[Plain], None]) -> Callable[..., dict[str, Any]]:
    """Return a step that loses something after step `SAVE_AFTER`."""
    made = itertools.count()

    def forgetful(params: Any, grads: Any, rate: float) -> dict[str, Any]:
        if next(made) == SAVE_AFTER + 1:
            lose(step)
        return step(params, grads, rate)

    return forgetful


def _lose_all(step: Plain) -> None:
    step.count, step.memory = 0, {}


def _lose_count(step: Plain) -> None:
    step.count = 0


def _lose_memory(step: Plain) -> None:
    step.memory = {}


def _lose(what: str) -> Callable[[Plain], None]:
    def lose(step: Plain) -> None:
        for memory in step.memory.values():
            memory.pop(what, None)

    return lose


_LOSSES: Mapping[str, Callable[[Plain], None]] = {
    "the whole state is lost: the run starts anew": _lose_all,
    "the step count is lost: it starts at 0 again": _lose_count,
    "what is remembered is lost, but for the step count": _lose_memory,
    "the first moment is lost": _lose("m"),
    "the second moment is lost": _lose("v"),
    "the momentum is lost": _lose("b"),
    "the sum of squares is lost": _lose("a"),
}


def _cause(explained: Explanation, given: Probes, again: Path, dtype: str) -> str:
    """Return what is lost, if that explains how the run goes on."""
    for words, lose in _LOSSES.items():
        step = copy.deepcopy(explained.step)
        if step is None:
            break
        relative = relative_tolerance(dtype, step.keywords)
        path = list(path_of_plain(_forgetful(step, lose), explained.rates, given))
        if difference(again, path, given.start, given.paths, dtype, relative) is None:
            return words
    return "something of the state is not saved, or not loaded"
