"""What the full grids of the paper's tables cost, from the time of a step measured here and now."""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gradnoise_core.backend import Backend
from gradnoise_core.typing import Device
from gradnoise_reference_models.data import ClassificationData
from gradnoise_reference_models.experiments import _memory_cost
from gradnoise_reference_models.experiments._mlp_setting import MlpSetting
from gradnoise_reference_models.experiments._mlp_trials import COMPILED
from gradnoise_reference_models.experiments._plan import BATCH_SIZE, FULL, Plan
from gradnoise_reference_models.experiments.table1 import RATES, settings
from gradnoise_reference_models.initializers import INITIALIZERS
from gradnoise_reference_models.models import mlp
from gradnoise_reference_models.training import Trainer

__all__ = ["CLOCKS", "GRIDS", "Cost", "Grid", "costs"]

#: Replicas that train together, as in the runs themselves.
GROUP = 20

TRAIN, TEST, PIXELS, CLASSES = 60_000, 10_000, 784, 10

#: Wall time; or the CPU time of this process, which other work on the machine does not add to.
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


class Where(NamedTuple):
    """Where and how long steps are timed."""

    backend: Backend
    device: Device
    steps: int
    clock: Callable[[], float]


#: Measures seconds, over all runs: of all updates, and of all else.
Measure = Callable[[Where], tuple[float, float]]


@dataclass(frozen=True)
class Grid:
    """A table's full grid.

    Attributes
    ----------
    table, what : str
    runs : int
    updates : int or None
        Of a run; None where neither the paper nor its models' papers say.
    measure : callable or None
        None where there is no model here yet whose step could be timed.
    """

    table: str
    what: str
    runs: int
    updates: int | None
    measure: Measure | None = None


class Cost(NamedTuple):
    """A grid, with what was measured: seconds of an update of one run, and hours in all."""

    grid: Grid
    seconds: float | None
    hours: float | None


def costs(
    backend: Backend, device: Device = None, steps: int = 20, clock: str = "wall"
) -> Iterator[Cost]:
    """Yield what each table costs in hours of one worker, as far as it can be said.

    Parameters
    ----------
    backend : Backend
    device : optional
        One of the backend's; its own default if None.
    steps : int
        That are timed, after as many that are not counted; their median is taken.
    clock : str
        In `CLOCKS`. The time of the CPU says nothing of a GPU.
    """
    where = Where(backend, device, steps, CLOCKS[clock])
    for grid in GRIDS:
        if grid.measure is None or grid.updates is None:
            yield Cost(grid, None, None)
            continue
        updating, rest = grid.measure(where)
        yield Cost(grid, updating / (grid.runs * grid.updates), (updating + rest) / 3600)


def _table1(where: Where) -> tuple[float, float]:
    """Time an update of each arm, and an evaluation; data are random, of MNIST's shape."""
    data = _like_mnist()
    epochs, runs = FULL.epochs, FULL.runs // len(RATES)
    times: dict[tuple[object, ...], float] = {}
    updating = 0.0
    for setting in _full():
        # Neither the rate nor where weights start changes the time of a step.
        kind = (
            setting.eta > 0,
            setting.dropout_rate > 0,
            setting.clip is None,
            setting.hidden_layers,
        )
        if kind not in times:
            times[kind] = _step(setting, data, where)
        updating += times[kind] * runs * epochs * (TRAIN // BATCH_SIZE)
    setting = next(_full())
    each = _evaluation(setting, data, where)
    return updating, each * runs * epochs * len(list(_full()))


def _full() -> Iterator[MlpSetting]:
    return settings(Plan(data="mnist", epochs=FULL.epochs, runs=FULL.runs))


def _trainer(setting: MlpSetting, data: ClassificationData, where: Where) -> Trainer:
    """Return a trainer whose weights hardly move, so that none diverges."""
    seeds = range(GROUP)
    return Trainer(
        data,
        seeds,
        replace(setting, learning_rate=1e-6).optimizer(seeds),
        setting.batch_size,
        where.backend,
        device=where.device,
        compiled=where.backend.name in COMPILED,
        dropout_rate=setting.dropout_rate,
    )


def _step(setting: MlpSetting, data: ClassificationData, where: Where) -> float:
    """Return the seconds of an update of one run among many."""
    trainer = _trainer(setting, data, where)
    state = trainer.start(INITIALIZERS["he"], setting.sizes(data))
    ticks = []
    for _, loss in itertools.islice(trainer.steps(state, setting.epochs), 2 * where.steps):
        where.backend.synchronize(loss)
        ticks.append(where.clock())
    return statistics.median(np.diff(ticks[where.steps - 1 :])) / GROUP


def _evaluation(setting: MlpSetting, data: ClassificationData, where: Where) -> float:
    """Return the seconds that one run among many takes to be tested."""
    backend = where.backend
    params = _trainer(setting, data, where).start(INITIALIZERS["he"], setting.sizes(data)).params
    x, y = (backend.from_host(a, device=where.device) for a in (data.test_x, data.test_y))
    score = backend.jit(mlp.accuracy) if backend.name in COMPILED else mlp.accuracy
    backend.synchronize(score(params, x, y))
    start = where.clock()
    backend.synchronize(score(params, x, y))
    return (where.clock() - start) / GROUP * TEST / len(y)


def _like_mnist() -> ClassificationData:
    """Return random images; a tenth of them, for the time of a step does not depend on it."""
    rng = np.random.default_rng(0)
    x = rng.random(((TRAIN + TEST) // 10, PIXELS), np.float32)
    y = rng.integers(0, CLASSES, len(x), np.int32)
    n = TRAIN // 10
    return ClassificationData(
        "random", "random images of MNIST's shape", "", "", x[:n], y[:n], x[n:], y[n:], CLASSES
    )


#: Runs and updates of the paper's tables; for table 1 the choices of ``--full``.
GRIDS = (
    Grid(
        "1",
        f"deep networks on MNIST, batch {BATCH_SIZE}, {FULL.epochs} epochs",
        len(list(_full())) * FULL.runs // len(RATES),
        FULL.epochs * (TRAIN // BATCH_SIZE),
        _table1,
    ),
    Grid(
        "2",
        "memory networks: 20 tasks, 2 procedures, 2 arms, 10 restarts",
        _memory_cost.RUNS,
        _memory_cost.UPDATES,
        lambda where: _memory_cost.measured(*where),
    ),
    Grid("3", "Neural Programmer: 72 settings, 3 seeds, 4 arms", 864, 300 * 1000),
    Grid("4", "Neural RAM: 3 settings, 100 seeds, 2 arms", 600, None),
    Grid("5", "Neural GPU: 7,290 runs, 2 arms", 14_580, None),
)
