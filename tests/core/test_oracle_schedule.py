"""The judge of schedules: what it passes, what it fails, and what it says of it."""

import math
from typing import Any

import numpy as np
import pytest
from libraries import Library

import gradnoise_core as gn
from gradnoise_core.oracle import ConformanceError, check_schedule
from gradnoise_core.oracle._laws import LAWS, explain
from gradnoise_core.oracle._schedule import STEPS


def right(t: int) -> float:
    return 0.01 / (1 + t) ** 0.55


@pytest.mark.parametrize(("eta", "gamma"), [(0.01, 0.55), (1.0, 0.55), (0.3, 1.0)])
def test_ours_passes(eta: float, gamma: float) -> None:
    report = check_schedule(gn.schedules.annealed(eta, gamma), eta=eta, gamma=gamma, rtol=1e-14)
    assert report.passed, report


def test_a_deviation_passes_only_where_one_is_claimed() -> None:
    def deviation(t: int) -> float:
        return math.sqrt(right(t))

    assert check_schedule(deviation, kind="standard deviation").passed
    assert not check_schedule(deviation).passed
    report = check_schedule(right, kind="standard deviation")
    assert "used as the standard deviation: take its root" in str(report)


def test_an_array_of_shape_nothing_passes(library: Library) -> None:
    def schedule(t: int) -> Any:
        return library.array(right(t), "float64")

    assert check_schedule(schedule, rtol=1e-14).passed


@pytest.mark.parametrize(("error", "passes"), [(0.5e-6, True), (2e-6, False)])
def test_the_tolerance_is_the_one_stated(error: float, passes: bool) -> None:
    """At one step only, and it is the step that is named."""
    report = check_schedule(lambda t: right(t) * (1 + error * (t == 999)))
    assert report.passed is passes
    assert passes or "at t = 999" in str(report)


@pytest.mark.parametrize("t", STEPS)
def test_every_step_counts(t: int) -> None:
    assert not check_schedule(lambda s: right(s) * (1.001 if s == t else 1.0)).passed


def test_a_loss_beyond_32_bits_is_seen() -> None:
    with np.errstate(over="ignore"):
        report = check_schedule(lambda t: right(t % 2**31))
    assert "at t = 2147483648" in str(report)


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (lambda t: [0.01], "TypeError"),
        (lambda t: np.asarray([0.01]), r"shape \(1,\)"),
        (lambda t: 1 / (t - 10), "ZeroDivisionError"),
        (lambda t: math.nan, "nan at t = 0"),
        (lambda t: right(t) if t < 10**6 else math.inf, "inf at t = 1000000"),
        (lambda t: right(t) - 1e-3, "finite number >= 0"),
    ],
)
def test_what_is_no_schedule_fails_with_the_reason(fn: Any, said: str) -> None:
    with pytest.raises(ConformanceError, match=said):
        check_schedule(fn).raise_if_failed()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"eta": 0.0}, "`eta`"),
        ({"gamma": -1.0}, "`gamma`"),
        ({"rtol": math.nan}, "`rtol`"),
        ({"kind": "deviation"}, "`kind`"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        check_schedule(right, **arguments)


class TestExplain:
    """The mistake is found from measured variances too, which are a few per cent off."""

    STEPS = (0, 1, 2, 5, 10, 30, 99, 100, 101, 300, 1000, 10_000, 10**5, 10**6)

    @pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
    def test_of_noisy_measurements(self, law: Any) -> None:
        rng = np.random.default_rng(1)
        measured = [law.variance(0.01, 0.6, t) * rng.uniform(0.95, 1.05) for t in self.STEPS]
        assert explain(self.STEPS, measured, 0.01, 0.6, 0.1) == law.mistake

    def test_of_a_multiple(self) -> None:
        said = explain(self.STEPS, [9 * right(t) for t in self.STEPS], 0.01, 0.55, 0.1)
        assert "3 times what is due" in said

    def test_of_nothing(self) -> None:
        assert "zero" in explain(self.STEPS, [0.0] * len(self.STEPS), 0.01, 0.55, 0.1)

    def test_of_the_right_law_there_is_no_mistake(self) -> None:
        assert explain(self.STEPS, [right(t) for t in self.STEPS], 0.01, 0.55, 0.1) == ""

    def test_of_something_unheard_of(self) -> None:
        assert explain(self.STEPS, [1 + math.sin(t) for t in self.STEPS], 0.01, 0.55, 0.1) == ""
