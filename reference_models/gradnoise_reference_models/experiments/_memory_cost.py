"""What the full grid of table 2 costs: the time of an update on each task, measured here and now."""

import itertools
import statistics
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gradnoise_core.backend import Backend
from gradnoise_core.typing import Device
from gradnoise_reference_models.data import Stories, StoryData, steps_per_epoch
from gradnoise_reference_models.experiments._memory_plan import BATCH_SIZE, FULL, MemoryPlan
from gradnoise_reference_models.experiments._memory_setting import MemorySetting
from gradnoise_reference_models.experiments._memory_trials import TEST_EVERY, trainer_of
from gradnoise_reference_models.experiments.table2 import settings

__all__ = ["RUNS", "SHAPES", "UPDATES", "measured"]

TRAIN, VALIDATION, TEST = 900, 100, 1000

#: Distinct sentences, about as many as a task has: they are looked up.
SENTENCES = 250

#: Of bAbI 1.2, by task: words, the null word included; memory slots; words of a sentence.
SHAPES = {
    "1": (20, 10, 6),
    "2": (34, 50, 6),
    "3": (35, 50, 7),
    "4": (15, 2, 7),
    "5": (40, 50, 7),
    "6": (36, 26, 6),
    "7": (44, 34, 6),
    "8": (46, 46, 6),
    "9": (24, 10, 7),
    "10": (25, 10, 9),
    "11": (27, 10, 8),
    "12": (21, 10, 8),
    "13": (27, 10, 8),
    "14": (26, 14, 8),
    "15": (18, 8, 5),
    "16": (18, 9, 4),
    "17": (19, 2, 11),
    "18": (19, 15, 9),
    "19": (32, 5, 10),
    "20": (36, 12, 7),
}


def _full() -> list[MemorySetting]:
    return list(settings(MemoryPlan(data="babi", epochs=FULL.epochs), FULL.tasks))


#: Of the whole grid.
RUNS = len(_full()) * FULL.restarts

#: Of a run, on average: those of two stages have more.
UPDATES = (
    sum(setting.stages.total for setting in _full())
    * steps_per_epoch(TRAIN, BATCH_SIZE)
    // len(_full())
)


def measured(
    backend: Backend, device: Device, steps: int, clock: Callable[[], float]
) -> tuple[float, float]:
    """Return the seconds of all updates of the grid, and of all tests; data are random.

    The stage with linear attention is taken to be no faster than that with a softmax.
    """
    times: dict[tuple[str, bool], tuple[float, float]] = {}
    updating = testing = 0.0
    for setting in _full():
        # Neither rates nor how much noise there is change the time of an update.
        kind = setting.task, setting.eta > 0
        if kind not in times:
            times[kind] = _times(setting, backend, device, steps, clock)
        update, answer = times[kind]
        epochs = setting.stages.total
        questions = epochs * VALIDATION + epochs // TEST_EVERY * TEST
        updating += update * epochs * steps_per_epoch(TRAIN, BATCH_SIZE)
        testing += answer * questions
    return updating * FULL.restarts, testing * FULL.restarts


def _times(
    setting: MemorySetting,
    backend: Backend,
    device: Device,
    steps: int,
    clock: Callable[[], float],
) -> tuple[float, float]:
    """Return the seconds of an update and of an answer of one restart among as many as there are."""
    # Weights hardly move, so that none diverges.
    setting = replace(setting, learning_rate=1e-9, linear_epochs=0)
    data = _like_babi(setting.task)
    trainer = trainer_of(setting, data, range(FULL.restarts), backend, device)
    ticks, params = [], None
    for state, score in itertools.islice(trainer.steps(trainer.start()), 2 * steps):
        backend.synchronize(score.loss)
        ticks.append(clock())
        params = state.params
    update = statistics.median(np.diff(ticks[steps - 1 :]))
    trainer.errors(params, data.validation)
    start = clock()
    trainer.errors(params, data.validation)
    answer = (clock() - start) / len(data.validation)
    return update / FULL.restarts, answer / FULL.restarts


def _like_babi(task: str) -> StoryData:
    """Return random stories of a task's shape, every slot filled."""
    words, memory, width = SHAPES[task]
    rng = np.random.default_rng(0)
    sentences = rng.integers(1, words, (SENTENCES, width), np.int32)

    def stories(n: int) -> Stories:
        return Stories(
            X=sentences[rng.integers(0, SENTENCES, (n, memory))],
            tau=np.tile(np.arange(memory, 0, -1, dtype=np.int32), (n, 1)),
            Q=sentences[rng.integers(0, SENTENCES, n)],
            y=rng.integers(1, words, n, np.int32),
            task=np.full(n, int(task), np.int32),
        )

    vocabulary = ("", *(f"word {i}" for i in range(1, words)))
    parts = (stories(n) for n in (TRAIN, VALIDATION, TEST))
    return StoryData("random", task, "random stories", "", "", vocabulary, vocabulary[1:], *parts)
