"""The machine's rates, and the floors that follow from them."""

import pytest

from benchmarks.machine import best, copy_rate
from benchmarks.records import Machine, Time
from benchmarks.sections import SECTIONS
from benchmarks.summary import Summary
from benchmarks.tables import floor

#: Slow by the call's cost, fast in a cache, slow in memory.
COPY = [[1e4, 5e9], [1e5, 9e10], [1e6, 8e10], [1e7, 3e10], [1e8, 1e10]]


def machine(operations: float = 0.0) -> Machine:
    return Machine("a processor", COPY, operations, "")


@pytest.mark.parametrize(
    ("moved", "rate"),
    [(1e3, 9e10), (1e5, 9e10), (7e6, 8e10), (9e6, 3e10), (7e7, 3e10), (9e7, 1e10), (1e12, 1e10)],
)
def test_a_call_is_compared_with_copies_of_its_size(moved: float, rate: float) -> None:
    assert copy_rate(machine(), moved) == rate


def timed(section: str, size: int, *, ours: bool = True) -> Time:
    return Time(section, "numpy", "ours", ours, size, 1, 1, Summary(1.0, 1.0, 1.0, 1))


def test_the_floor_is_the_larger_of_memory_and_operations() -> None:
    adam, size = SECTIONS["adam"], 10**8
    memory = 28 * size / 1e10
    assert floor(timed("adam", size), machine()) == pytest.approx(memory)
    assert floor(timed("adam", size), machine(1e15)) == pytest.approx(memory)
    slow = floor(timed("adam", size), machine(1e9))
    assert slow == pytest.approx(adam.operations * size / 1e9)


def test_no_floor_is_drawn_for_peers_nor_without_rates() -> None:
    assert floor(timed("adam", 1000, ours=False), machine()) is None
    assert floor(timed("adam", 1000), None) is None
    assert floor(timed("adam-leaves", 1000), machine()) is None


def test_the_fastest_call_gives_the_rate() -> None:
    calls = []
    seconds = best(lambda: calls.append(1), 0.001)
    assert 0 <= seconds < float("inf")
    assert len(calls) > 1
