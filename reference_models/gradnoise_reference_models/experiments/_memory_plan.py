"""How much of the memory networks is run, and the settings that their tables have in common."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gradnoise_reference_models.data import (
    StoryData,
    babi,
    babi_stories,
    load_stories,
    steps_per_epoch,
)
from gradnoise_reference_models.data.babi import VARIANTS
from gradnoise_reference_models.experiments._memory_setting import MemorySetting
from gradnoise_reference_models.experiments._memory_trials import conditions
from gradnoise_reference_models.runner import Trial

__all__ = [
    "BATCH_SIZE",
    "CLIP",
    "FULL",
    "GAMMA",
    "SIZES",
    "USUAL",
    "MemoryPlan",
    "Sizes",
    "load_tasks",
    "trials",
    "usual_tasks",
]

#: Of Sukhbaatar et al., section 4.2, and of their program.
BATCH_SIZE, CLIP, RANDOM_TIMES, LINEAR_RATE = 32, 40.0, 0.1, 0.005

GAMMA = 0.55


class Sizes(NamedTuple):
    """What differs between a task by itself and all of them together."""

    size: int
    halving: int
    linear_epochs: int


#: By whether the network is joint.
SIZES = {False: Sizes(20, 25, 20), True: Sizes(50, 15, 30)}


class Amount(NamedTuple):
    """How much is run; epochs are those with softmax attention."""

    tasks: tuple[str, ...]
    restarts: int
    epochs: int


#: The paper's: each task by itself.
FULL = Amount(VARIANTS[:-1], 10, 200)

#: What minutes afford: the published number of epochs, on small tasks.
USUAL = Amount(("1", "4", "6", "11", "12", "13", "15", "16", "18", "20"), 10, 100)


@dataclass(frozen=True)
class MemoryPlan:
    """What the trials of an experiment have in common.

    Parameters
    ----------
    data : str
        "babi" or "stories".
    epochs : int
        Of the stage with softmax attention.
    restarts : int
        Of each setting.
    etas : sequence of float
        Of the arms with annealed noise; each is a variant.
    seed : int
        Of the first restart.
    hops, encoding, tying, norm, dtype
        As in `MemorySetting`.
    """

    data: str
    epochs: int
    restarts: int = FULL.restarts
    etas: Sequence[float] = (0.01,)
    seed: int = 0
    hops: int = 3
    encoding: str = "position"
    tying: str = "adjacent"
    norm: str = "frobenius"
    dtype: str = "float32"

    def settings(
        self,
        task: str,
        *,
        procedure: str,
        linear: bool,
        rate: float,
        arm: str,
        noise: bool = False,
        **fixed: Any,
    ) -> Iterator[MemorySetting]:
        """Yield a setting for each eta, if there is annealed `noise`; `fixed` is not varied."""
        sizes = SIZES[task == VARIANTS[-1]]
        for eta in self.etas if noise else (0.0,):
            values = {
                "eta": eta,
                "gamma": GAMMA,
                "data": self.data,
                "epochs": self.epochs,
                "learning_rate": rate,
                "halving": sizes.halving,
                "linear_epochs": sizes.linear_epochs if linear else 0,
                "linear_rate": LINEAR_RATE,
                "clip": CLIP,
                "norm": self.norm,
                "size": sizes.size,
                "hops": self.hops,
                "tying": self.tying,
                "encoding": self.encoding,
                "random_times": RANDOM_TIMES,
                "batch_size": BATCH_SIZE,
                "dtype": self.dtype,
            }
            yield MemorySetting(task, procedure, arm, **{**values, **fixed})


def usual_tasks(source: str) -> tuple[str, ...]:
    """Return the usual tasks, without those of which there are neither questions nor stories."""
    if source == "babi" or (source == "auto" and babi.find()[0] is not None):
        return USUAL.tasks
    return tuple(task for task in USUAL.tasks if task in babi_stories.VARIANTS)


def load_tasks(tasks: Sequence[str], source: str) -> dict[str, StoryData]:
    """Return the stories of each task.

    Raises
    ------
    ValueError
        If `tasks` holds the joint variant beside others.
    DataError
        If the data is not found, or not what it should be.
    """
    if VARIANTS[-1] in tasks and len(tasks) > 1:
        message = (
            f"`tasks` must be numbers, or {VARIANTS[-1]} alone, got {', '.join(tasks)}. Run them "
            "after each other."
        )
        raise ValueError(message)
    return {task: load_stories(task, source) for task in tasks}


def trials(
    name: str,
    settings: Sequence[MemorySetting],
    plan: MemoryPlan,
    found: Mapping[str, StoryData],
    backend: str,
    device: str | None,
) -> list[Trial]:
    """Return the trials of an experiment: every setting with every seed.

    Raises
    ------
    ValueError
        If a batch holds more examples than there are.
    """
    for setting in settings:
        steps_per_epoch(len(found[setting.task].train), setting.batch_size)
    around = {task: conditions(data, backend, device) for task, data in found.items()}
    return [
        Trial(name, setting.as_dict(), plan.seed + i, conditions=around[setting.task])
        for setting in settings
        for i in range(plan.restarts)
    ]
