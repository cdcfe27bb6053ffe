"""100 steps of a subject under the oracle's gradients, in the widest form that it takes."""

from collections.abc import Callable, Sequence

from gradnoise_core.oracle._probes import DROP, STEPS, Probes, probes
from gradnoise_core.oracle._run import Subject
from gradnoise_core.oracle._trajectory import Trajectory, watch
from gradnoise_core.typing import Rate

__all__ = ["rates_of", "watched"]

#: ``settable -> the rate of each step``.
Rates = Callable[[bool], Sequence[float]]


def rates_of(learning_rate: Rate) -> Rates:
    """Return the rates; a number falls to a tenth at step 50 where it can be set."""

    def rates(settable: bool) -> list[float]:
        if callable(learning_rate):
            return [float(learning_rate(t)) for t in range(STEPS)]
        h = float(learning_rate)
        return [h / 10 if settable and t >= DROP else h for t in range(STEPS)]

    return rates


def watched(
    subject: Subject, rates: Rates, notes: list[str], *, save_after: int | None = None
) -> tuple[Subject, Probes, Trajectory]:
    """Run a subject, without what it does not take if it can be made afresh.

    What is left out is appended to `notes`.
    """
    while True:
        form = subject.form
        given = probes(form.shapes, form.dtype)
        seen = watch(subject, given, rates, save_after=save_after)
        if not seen.error or seen.path or not subject.renewable:
            return subject, given, seen
        if form.narrower is not None:
            form, what = form.narrower()
        elif form.dtype == "float64":
            form, what = form.in_float32(), "float64"
        else:
            return subject, given, seen
        notes.append(f"{what} ({seen.error})")
        subject = subject.with_form(form)
