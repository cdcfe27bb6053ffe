"""Table 2: end-to-end memory networks on bAbI, in one and in two stages, with and without noise.

Section 4.2 of Neelakantan et al. (2017): the networks of Sukhbaatar et al. (2015), trained from
the start with softmax attention (one stage) or first with linear attention (two stages, the
published procedure); of ten restarts the one of the lowest training error. The registry holds the
procedures and the papers' figures; runs, tables and pages are made of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gradnoise_reference_models.data.babi import VARIANTS
from gradnoise_reference_models.experiments._memory_plan import MemoryPlan
from gradnoise_reference_models.experiments._memory_setting import MemorySetting
from gradnoise_reference_models.experiments.table1 import ANNEALED, NO_NOISE

__all__ = [
    "ARMS",
    "ETAS",
    "JOINT",
    "PROCEDURES",
    "TASKS",
    "Paper",
    "Procedure",
    "paper",
    "published",
    "settings",
]

#: The tasks of bAbI by number, and all of them together with one network.
TASKS, JOINT = VARIANTS[:-1], VARIANTS[-1]

#: What is compared.
ARMS = (NO_NOISE, ANNEALED)

#: The paper's choice of eta was made among these; 0.01 it is.
ETAS = (0.01, 1.0)


class Paper(NamedTuple):
    """The paper's errors in %, of the restart of the lowest training error."""

    train: float
    validation: float


@dataclass(frozen=True)
class Procedure:
    """How networks are trained.

    Attributes
    ----------
    name : str
    linear : bool
        Whether attention is linear at first.
    rate : float
        Learning rate of the softmax stage.
    paper : mapping of str to Paper
        By arm.
    published : tuple of float
        Sukhbaatar et al., table 1: test error in % of each task, 1 to 20, without noise, of the
        best of ten restarts. One stage: the column "PE", trained without random times, which ours
        have. Two stages: "PE LS RN".
    """

    name: str
    linear: bool
    rate: float
    paper: Mapping[str, Paper]
    published: tuple[float, ...]


# fmt: off
_PE = (
    0.1, 21.6, 64.2, 3.8, 14.1, 7.9, 21.6, 12.6, 23.3, 17.4,
    4.3, 0.3, 9.9, 1.8, 0.0, 52.1, 50.1, 13.6, 87.4, 0.0,
)
_PE_LS_RN = (
    0.0, 8.3, 40.3, 2.8, 13.1, 7.6, 17.3, 10.0, 13.2, 15.1,
    0.9, 0.2, 0.4, 1.7, 0.0, 1.3, 51.0, 11.1, 82.8, 0.0,
)
# fmt: on

PROCEDURES = {
    procedure.name: procedure
    for procedure in (
        Procedure(
            "one-stage",
            linear=False,
            rate=0.01,
            paper={NO_NOISE: Paper(10.5, 19.5), ANNEALED: Paper(9.6, 16.6)},
            published=_PE,
        ),
        Procedure(
            "two-stage",
            linear=True,
            rate=0.005,
            paper={NO_NOISE: Paper(6.2, 10.9), ANNEALED: Paper(5.9, 10.8)},
            published=_PE_LS_RN,
        ),
    )
}


def paper(procedure: str, arm: str) -> Paper | None:
    """Return the paper's figures, or None where it has none.

    Examples
    --------
    >>> paper("one-stage", "annealed noise")
    Paper(train=9.6, validation=16.6)
    """
    found = PROCEDURES.get(procedure)
    return found.paper.get(arm) if found else None


def published(procedure: str, task: str) -> float | None:
    """Return the test error in % that Sukhbaatar et al. give for a task alone, without noise.

    Examples
    --------
    >>> published("one-stage", "16"), published("two-stage", "16")
    (52.1, 1.3)
    """
    found = PROCEDURES.get(procedure)
    return found.published[TASKS.index(task)] if found and task in TASKS else None


def settings(
    plan: MemoryPlan,
    tasks: Sequence[str],
    procedures: Sequence[str] = tuple(PROCEDURES),
    arms: Sequence[str] = ARMS,
) -> Iterator[MemorySetting]:
    """Yield what is to be run, both arms of a task after each other.

    Examples
    --------
    >>> plan = MemoryPlan(data="babi", epochs=200)
    >>> [(s.arm, s.linear_epochs, s.learning_rate, s.eta) for s in settings(plan, ["16"])]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('no noise', 0, 0.01, 0.0), ('annealed noise', 0, 0.01, 0.01),
     ('no noise', 20, 0.005, 0.0), ('annealed noise', 20, 0.005, 0.01)]
    """
    for name in procedures:
        procedure = PROCEDURES[name]
        for task in tasks:
            for arm in arms:
                yield from plan.settings(
                    task,
                    procedure=name,
                    linear=procedure.linear,
                    rate=procedure.rate,
                    arm=arm,
                    noise=arm == ANNEALED,
                )
