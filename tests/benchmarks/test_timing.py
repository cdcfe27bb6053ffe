"""Contestants are timed in turn; a fake clock that only calls move says how long they take."""

from collections.abc import Callable

import pytest

from benchmarks import timing
from benchmarks.timing import alternate, warm_up


class World:
    """A clock, and contestants that take a known time and leave a trace."""

    def __init__(self) -> None:
        self.now = 0.0
        self.trace: list[str] = []
        self.waits = 0

    def clock(self) -> float:
        return self.now

    def contestant(self, name: str, seconds: float) -> Callable[[], str]:
        def call() -> str:
            self.now += seconds
            self.trace.append(name)
            return name

        return call

    def wait(self, _: object) -> None:
        self.waits += 1


@pytest.fixture
def world() -> World:
    return World()


def test_ours_peer_ours_peer(world: World) -> None:
    calls = {"ours": world.contestant("ours", 1.0), "peer": world.contestant("peer", 2.0)}
    found = alternate(calls, world.wait, budget=1e-9, clock=world.clock)
    calibration = ["ours", "peer"]
    assert world.trace == calibration + ["ours", "peer"] * timing.FEWEST
    assert found["ours"].seconds == [1.0] * timing.FEWEST
    assert found["peer"].seconds == [2.0] * timing.FEWEST


def test_every_timing_ends_with_a_wait(world: World) -> None:
    alternate({"ours": world.contestant("ours", 1.0)}, world.wait, 1e-9, world.clock)
    assert world.waits == 1 + timing.FEWEST


def test_what_is_waited_for_is_timed(world: World) -> None:
    """A library that computes later, as JAX and a GPU do, is charged for it."""

    def wait(_: object) -> None:
        world.now += 10.0

    found = alternate({"ours": world.contestant("ours", 1.0)}, wait, 1e-9, world.clock)
    assert found["ours"].seconds == [11.0] * timing.FEWEST


def test_short_calls_are_timed_together(world: World) -> None:
    found = alternate({"ours": world.contestant("ours", 1e-6)}, world.wait, 10.0, world.clock)
    assert 0.5 * timing.SHORTEST <= found["ours"].calls * 1e-6 <= 2 * timing.SHORTEST
    assert found["ours"].seconds == pytest.approx([1e-6] * len(found["ours"].seconds))


def test_known_ratios_end_the_measurement(world: World) -> None:
    calls = {"ours": world.contestant("ours", 1.0), "peer": world.contestant("peer", 2.0)}
    found = alternate(calls, world.wait, 1e9, world.clock, pairs=[("ours", "peer")])
    assert len(found["ours"].seconds) == 10


def test_without_ratios_to_know_it_goes_on_to_the_most(world: World) -> None:
    found = alternate({"ours": world.contestant("ours", 1.0)}, world.wait, 1e9, world.clock)
    assert len(found["ours"].seconds) == timing.MOST


def test_warming_up_calls_and_waits(world: World) -> None:
    warm_up(world.contestant("ours", 1.0), world.wait)
    assert len(world.trace) == world.waits == timing.WARM_UP
