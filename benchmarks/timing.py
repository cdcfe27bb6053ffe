"""Contestants timed in turn, ours, peer, ours, peer..., until their ratios are known well enough."""

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from benchmarks.summary import ratios, settled

__all__ = ["CLOCKS", "Call", "Samples", "alternate", "warm_up"]

#: A call of a contestant: one draw or one step. What it returns can be waited for.
Call = Callable[[], Any]

#: Wall time; or the CPU time of this process, which other processes on the machine do not add to.
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}

WARM_UP = 3
SHORTEST = 1e-3  # seconds: shorter timings would measure the clock
FEWEST, MOST = 5, 301  # rounds


class Samples(NamedTuple):
    """What was measured of one contestant.

    Attributes
    ----------
    seconds : list of float
        Of one call, one entry a round.
    calls : int
        How many calls each timing covers.
    """

    seconds: list[float]
    calls: int


def warm_up(call: Call, wait: Callable[[Any], Any]) -> None:
    """Compile, fill caches, and let a lazily made step count settle."""
    for _ in range(WARM_UP):
        wait(call())


def alternate(
    calls: Mapping[str, Call],
    wait: Callable[[Any], Any],
    budget: float,
    clock: Callable[[], float] = time.perf_counter,
    pairs: Sequence[tuple[str, str]] = (),
) -> dict[str, Samples]:
    """Time contestants in turn, one timing each a round, in the order given.

    Parameters
    ----------
    calls : mapping of str to callable
        The contestants, warmed up.
    wait : callable
        Waits for what a call returned; it is part of the timing.
    budget : float
        Seconds a contestant, at most; but no fewer than five rounds.
    clock : callable
        Returns seconds.
    pairs : sequence of (str, str)
        Whose ratios end the measurement early once they are known to half a per cent.
    """
    shortest = min(SHORTEST, budget / 20)
    repeats = {name: _repeats(call, wait, shortest, clock) for name, call in calls.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    start = time.perf_counter()
    with _no_collection():
        for done in range(1, MOST + 1):
            for name, call in calls.items():
                seconds[name].append(_time(call, wait, repeats[name], clock))
            late = time.perf_counter() - start > budget * len(calls)
            if done >= FEWEST and (late or _known(seconds, pairs, done)):
                break
    return {name: Samples(seconds[name], repeats[name]) for name in calls}


def _known(
    seconds: Mapping[str, Sequence[float]], pairs: Sequence[tuple[str, str]], done: int
) -> bool:
    """Return whether all ratios are settled, looked at every tenth round."""
    if not pairs or done % 10:
        return False
    return all(settled(ratios(seconds[a], seconds[b])) for a, b in pairs)


def _repeats(
    call: Call, wait: Callable[[Any], Any], shortest: float, clock: Callable[[], float]
) -> int:
    """Return how many calls one timing needs to be long enough."""
    repeats = 1
    while True:
        found = repeats * _time(call, wait, repeats, clock)
        if found >= shortest / 2:
            return max(1, math.ceil(repeats * shortest / found)) if found < shortest else repeats
        repeats *= 2


def _time(
    call: Call, wait: Callable[[Any], Any], repeats: int, clock: Callable[[], float]
) -> float:
    start = clock()
    for _ in range(repeats):
        out = call()
    wait(out)
    return (clock() - start) / repeats


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector out of the timings, as `timeit` does."""
    gc.collect()
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
