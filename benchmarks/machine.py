"""What the machine can do: the rate of copies of several sizes, and of 32-bit integer operations.

The floor of a call is the larger of what it must move over the rate of a copy of as many bytes, and
its integer operations over their rate.
"""

import functools
import importlib.util
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.environment import describe
from benchmarks.place import Absent
from benchmarks.records import Found, Machine
from benchmarks.task import Task

__all__ = ["copy_rate", "run"]

#: Bytes of the array that is copied; from the first-level cache to far beyond the last.
COPIES = tuple(1 << k for k in range(13, 29, 3))
GPU_COPIES = (*COPIES, 1 << 31)
CHAIN = 64  # additions and exclusive ors in turn, so that memory does not matter


def run(task: Task) -> Found:
    """Return the machine's rates on the task's device."""
    measured = _cuda(task) if task.device == "cuda" else _cpu(task)
    return Found(machine=[measured])


def copy_rate(machine: Machine, moved: float) -> float:
    """Return the best rate, in bytes a second, of copies that move an eighth of `moved` or more.

    What fits a cache is not bound by the memory behind it, so a floor needs the rate at its size;
    an eighth, for a bound must rather be too low.
    """
    return max(
        rate for size, rate in machine.copy if 8 * size >= moved or size == _largest(machine)
    )


def _largest(machine: Machine) -> float:
    return machine.copy[-1][0]


def best(call: Callable[[], Any], budget: float) -> float:
    """Return the seconds of the fastest call within a budget: a rate is a bound."""
    end = time.perf_counter() + budget
    fastest = float("inf")
    while fastest == float("inf") or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        fastest = min(fastest, time.perf_counter() - start)
    return fastest


def _cpu(task: Task) -> Machine:
    import numpy as np

    copy = []
    for size in COPIES:
        a, b = np.ones(size, np.uint8), np.ones(size, np.uint8)
        repeats = max(1, (1 << 20) // size)  # so that the clock does not matter
        seconds = best(_repeated(_copier(a, b, task.threads), (), repeats), task.budget)
        copy.append([2 * size, 2 * size * repeats / seconds])
    by, rate = _numba_rate(task) if importlib.util.find_spec("numba") else _numpy_rate(task)
    return Machine(describe()["processor"], copy, rate * task.threads, by)


def _copier(a: Any, b: Any, threads: int) -> Callable[[], Any]:
    """Return a copy of a to b by as many threads; NumPy lets go of the interpreter's lock."""
    import numpy as np

    if threads == 1:
        return functools.partial(np.copyto, b, a)
    pool = ThreadPoolExecutor(threads)
    parts = np.array_split(a, threads), np.array_split(b, threads)
    return lambda: list(pool.map(np.copyto, parts[1], parts[0]))


def _repeated(function: Any, arguments: Sequence[Any], repeats: int) -> Callable[[], None]:
    def call() -> None:
        for _ in range(repeats):
            function(*arguments)

    return call


def _numba_rate(task: Task) -> tuple[str, float]:
    import numba
    import numpy as np

    def chain_of(x: Any, a: Any, b: Any, repeats: int) -> None:
        for _ in range(repeats):
            for i in range(x.size):
                y = x[i]
                for _ in range(CHAIN // 2):
                    y = (y + a) ^ b
                x[i] = y

    chain, x = numba.njit(chain_of), np.arange(4096, dtype=np.int32)
    a, b = np.int32(0x1BD11BDA), np.int32(0x2545F491)
    chain(x, a, b, 1)
    seconds = best(lambda: chain(x, a, b, 100), task.budget)
    return "numba: additions and exclusive ors", 100 * x.size * CHAIN / seconds


def _numpy_rate(task: Task) -> tuple[str, float]:
    import numpy as np

    x, y = np.arange(4096, dtype=np.int32), np.arange(4096, dtype=np.int32)
    seconds = best(_repeated(np.add, (x, y, x), 100), task.budget)
    return "NumPy: additions in the first-level cache", 100 * x.size / seconds


def _cuda(task: Task) -> Machine:
    """Measure with torch, whose compiler also makes the chain of operations."""
    if importlib.util.find_spec("torch") is None:
        message = "torch, which measures a GPU's rates, is not installed"
        raise Absent(message)
    import torch

    if not torch.cuda.is_available():
        message = "torch finds no cuda device"
        raise Absent(message)
    copy = []
    for size in GPU_COPIES:
        a = torch.ones(size, dtype=torch.uint8, device="cuda")
        b = torch.empty_like(a)
        seconds = _cuda_seconds(functools.partial(b.copy_, a), task.budget)
        copy.append([2 * size, 2 * size / seconds])
    x = torch.arange(1 << 24, dtype=torch.int32, device="cuda")
    chain = torch.compile(_long_chain)
    seconds = _cuda_seconds(lambda: chain(x), task.budget)
    by, rate = "torch.compile: additions and exclusive ors", 4 * CHAIN * x.numel() / seconds
    return Machine(torch.cuda.get_device_name(), copy, rate, by)


def _long_chain(x: Any) -> Any:
    """Return four chains: 8 bytes of memory traffic must not be what takes the time."""
    for k in range(2 * CHAIN):
        x = (x + (2 * k + 1)) ^ (0x1BD11BDA + k)
    return x


def _cuda_seconds(call: Callable[[], Any], budget: float) -> float:
    import torch

    for _ in range(3):
        call()
    torch.cuda.synchronize()

    def ten() -> None:
        for _ in range(10):
            call()
        torch.cuda.synchronize()

    return best(ten, budget) / 10
