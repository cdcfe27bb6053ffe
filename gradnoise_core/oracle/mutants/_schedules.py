"""Schedules that are wrong: each law that is found in place of the right one."""

import functools
from collections.abc import Callable
from typing import Any

from gradnoise_core.oracle._laws import LAWS, Law
from gradnoise_core.oracle.mutants._catalogue import Mutant

__all__ = ["SCHEDULE_MUTANTS"]

# Not the paper's 0.55, so that a schedule that has it for every gamma shows.
_ETA, _GAMMA = 0.01, 0.6


def _make(law: Law, seed: int) -> Callable[[int], float]:
    return lambda t: law.variance(_ETA, _GAMMA, t)


def _counting(seed: int) -> Callable[[int], float]:
    """Count the calls, and not the steps that it is asked for."""
    calls = iter(range(1 << 62))
    return lambda t: float(_ETA / (1 + next(calls)) ** _GAMMA)


def _in_float16(seed: int) -> Callable[[int], Any]:
    import numpy as np

    def schedule(t: int) -> Any:
        with np.errstate(over="ignore"):
            return np.float16(_ETA) / (np.float16(1) + np.float16(t)) ** np.float16(_GAMMA)

    return schedule


def _negative(seed: int) -> Callable[[int], float]:
    return lambda t: _ETA - 1e-4 * t


_ARGUMENTS = {"eta": _ETA, "gamma": _GAMMA}

SCHEDULE_MUTANTS: tuple[Mutant, ...] = (
    *(
        Mutant(
            name=f"schedule-{law.name}",
            kind="schedule",
            make=functools.partial(_make, law),
            check="check_schedule",
            arguments=_ARGUMENTS,
            wrong=law.mistake,
            source=law.source,
            diagnosis=law.mistake,
        )
        for law in LAWS
    ),
    Mutant(
        name="schedule-counts-calls",
        kind="schedule",
        make=_counting,
        check="check_schedule",
        arguments=_ARGUMENTS,
        wrong="the schedule counts its own calls, whatever t it is given",
        source="a count that is not resumed from a checkpoint",
        diagnosis="counts its own calls",
    ),
    Mutant(
        name="schedule-in-float16",
        kind="schedule",
        make=_in_float16,
        check="check_schedule",
        arguments=_ARGUMENTS,
        wrong="the schedule is computed in float16, which ends at 65,504",
        source="mixed precision",
    ),
    Mutant(
        name="schedule-below-zero",
        kind="schedule",
        make=_negative,
        check="check_schedule",
        arguments=_ARGUMENTS,
        wrong="the schedule falls in a line, and below zero",
        source="linear decay without a floor",
        diagnosis="finite number >= 0",
    ),
)
