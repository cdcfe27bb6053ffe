"""Imports and the first call, in a fresh process. Nothing of this suite imports a framework first.

The folders of the compilers' caches are in the environment: empty the first time, kept after.
"""

import importlib
import itertools
import time
from pathlib import Path

from benchmarks.place import open_place
from benchmarks.records import FirstCall, Found
from benchmarks.sections import contestants
from benchmarks.task import Task
from benchmarks.work import Work

__all__ = ["cache_environment", "run"]

CACHES = (
    "XDG_CACHE_HOME",
    "NUMBA_CACHE_DIR",
    "TORCHINDUCTOR_CACHE_DIR",
    "TRITON_CACHE_DIR",
    "JAX_COMPILATION_CACHE_DIR",
    "CUPY_CACHE_DIR",
)


def cache_environment(folder: Path) -> dict[str, str]:
    """Return the variables that make every compiler keep its cache in `folder`."""
    out = {name: str(folder / name.lower()) for name in CACHES}
    # JAX by default keeps only what took a second to compile.
    out["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    out["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    return out


def run(task: Task) -> Found:
    """Return the times of one contestant in this process; `cache` is for the parent to say."""
    ticks = [time.perf_counter()]
    importlib.import_module(task.on.library)
    ticks.append(time.perf_counter())
    importlib.import_module("gradnoise_core")
    place = open_place(task.on, task.device, task.threads)
    ticks.append(time.perf_counter())
    (who,) = (c for c in contestants(task.of, place.library) if c.name == task.contestant)
    (size,) = task.sizes
    # Only ours needs its import, and making the inputs belongs to neither.
    call = who.make(place, Work(size))
    ticks.append(time.perf_counter())
    for _ in range(2):
        place.wait(call())
        ticks.append(time.perf_counter())
    library, ours, _, first, second = (b - a for a, b in itertools.pairwise(ticks))
    record = FirstCall(
        task.section,
        task.variant,
        who.name,
        who.ours,
        size,
        "",
        library,
        ours,
        first,
        second,
        1,
    )
    return Found(first_calls=[record])
