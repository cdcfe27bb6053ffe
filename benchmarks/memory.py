"""The peak of memory that one step takes beyond what was there before, in a process of its own.

NumPy tells tracemalloc of its arrays. For torch and JAX on a CPU it is the peak of the resident
set, which Linux lets a process set back; on a GPU each library counts for itself.
"""

import functools
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.place import Absent, Place
from benchmarks.records import Found, Memory
from benchmarks.sections import contestants
from benchmarks.task import Task
from benchmarks.timing import Call, warm_up
from benchmarks.work import Work

__all__ = ["ENVIRONMENT", "run"]

#: Every block of 64 KiB or more goes back to the system when freed, so that the resident set
#: before a step holds nothing that the step could reuse unseen.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


#: The kernel adds up each thread's pages some 64 at a time.
COARSE = 10**6


def run(task: Task, place: Place) -> Found:
    """Return the peak for one contestant, at each size."""
    (who,) = (c for c in contestants(task.of, place.library) if c.name == task.contestant)
    found = Found()
    for size in task.sizes:
        call = who.make(place, Work(size))
        warm_up(call, place.wait)
        method, measure = _method(place, task.device, size)
        found.memory.append(
            Memory(
                task.section,
                task.variant,
                who.name,
                who.ours,
                size,
                measure(functools.partial(_finished, call, place.wait)),
                method,
            )
        )
    return found


def _finished(call: Call, wait: Callable[[Any], Any]) -> None:
    wait(call())


def _method(place: Place, device: str, size: int) -> tuple[str, Callable[[Call], int]]:
    if place.library == "numpy":
        return "tracemalloc", _traced
    if device == "cpu" and size < COARSE:
        message = f"below {COARSE:,} elements the resident set is counted too coarsely"
        raise Absent(message)
    if device == "cpu":
        return "peak resident set", _resident
    if place.library == "torch":
        return "torch.cuda.max_memory_allocated", _torch_cuda
    if place.library == "cupy":
        return "the pool's growth", _cupy_pool
    message = "JAX's peak on a GPU includes the past, and nothing sets it back"
    raise Absent(message)


def _traced(call: Call) -> int:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


def _resident(call: Call) -> int:
    reset = Path("/proc/self/clear_refs")
    if not os.access(reset, os.W_OK):
        message = "this system does not let a process set back its peak of memory"
        raise Absent(message)
    reset.write_text("5")
    before = _status("VmRSS")
    call()
    return _status("VmHWM") - before


def _status(name: str) -> int:
    """Return a line of the process's status, in bytes."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return 1024 * int(value)


def _torch_cuda(call: Call) -> int:
    import torch

    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    return int(torch.cuda.max_memory_allocated() - before)


def _cupy_pool(call: Call) -> int:
    import cupy

    pool: Any = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    before = pool.total_bytes()
    call()
    return int(pool.total_bytes() - before)
