"""Schedules: the formula in Python floats, in replicas, and traced."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries import Library

from gradnoise_core import schedules

STEPS = (0, 1, 2, 99, 100, 101, 10**6, 2**31)

#: Each schedule, and its formula in Python floats.
FORMULAS: dict[str, tuple[Any, Callable[[int], float]]] = {
    "annealed": (
        schedules.annealed(0.3, 0.55),
        lambda t: 0.3 / math.exp(0.55 * math.log1p(t)),
    ),
    "annealed, gamma 0": (schedules.annealed(0.3, 0.0), lambda t: 0.3),
    "constant": (schedules.constant(0.25), lambda t: 0.25),
    "exponential": (
        schedules.exponential_decay(0.1, 0.5, steps=50),
        lambda t: 0.1 * math.exp(math.log(0.5) * t / 50),
    ),
    "inverse time": (
        schedules.inverse_time_decay(0.1, 0.01),
        lambda t: 0.1 / (1 + 0.01 * t),
    ),
    "piecewise": (
        schedules.piecewise_constant([0.1, 0.02, 0.003], [2, 100]),
        lambda t: 0.1 if t < 2 else 0.02 if t < 100 else 0.003,
    ),
}
formulas = pytest.mark.parametrize("name", FORMULAS)


@formulas
@pytest.mark.parametrize("t", STEPS)
def test_values_are_those_of_the_formula(name: str, t: int) -> None:
    schedule, formula = FORMULAS[name]
    assert schedule(t) == pytest.approx(formula(t), rel=1e-12)
    assert isinstance(schedule(t), float)


def test_defaults_are_those_of_the_paper() -> None:
    assert schedules.annealed()(0) == 0.01
    assert schedules.annealed()(9) == pytest.approx(0.01 / 10**0.55, rel=1e-15)


@given(eta=st.floats(0, 1e6), gamma=st.floats(0, 4), t=st.integers(0, 2**32))
def test_annealed_is_the_variance_of_equation_1(eta: float, gamma: float, t: int) -> None:
    assert schedules.annealed(eta, gamma)(t) == eta / (1 + t) ** gamma


@formulas
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("t", STEPS[:-1])
def test_of_an_array_is_that_of_the_number(library: Library, name: str, dtype: str, t: int) -> None:
    schedule, _ = FORMULAS[name]
    found = schedule(library.array(float(t), dtype))
    tolerance = 1e-12 if dtype == "float64" else 1e-5 * max(1.0, t / 50 / 100)
    if not isinstance(found, float):
        assert str(found.dtype).endswith(dtype)
        found = float(found)
    assert found == pytest.approx(schedule(t), rel=tolerance, abs=1e-30)


@formulas
@pytest.mark.parametrize("t", STEPS[:-1])
def test_under_jit_is_that_outside(name: str, t: int) -> None:
    jax = pytest.importorskip("jax")
    schedule, _ = FORMULAS[name]
    traced = jax.jit(lambda x: schedule(x.astype("float64")))
    assert float(traced(jax.numpy.asarray(t))) == pytest.approx(schedule(t), rel=1e-12, abs=1e-30)


class TestReplicas:
    ETAS = (0.01, 0.3, 1.0, 0.0)

    @pytest.mark.parametrize("t", STEPS)
    @pytest.mark.parametrize("kind", [tuple, list, np.asarray])
    def test_each_has_its_own_eta(self, t: int, kind: Any) -> None:
        found = schedules.annealed(kind(self.ETAS), 0.55)(t)
        assert found.tolist() == [schedules.annealed(eta, 0.55)(t) for eta in self.ETAS]

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_at_an_array_step(self, library: Library, dtype: str) -> None:
        t = library.array(99.0, dtype)
        found = schedules.annealed(self.ETAS, 0.55)(t)
        assert str(found.dtype).endswith(dtype)
        expected = [schedules.annealed(eta, 0.55)(99) for eta in self.ETAS]
        assert library.numpy(found).tolist() == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize("t", [np.int64(3), np.asarray(3)])
    def test_at_a_numpy_integer_are_not_truncated(self, t: Any) -> None:
        expected = schedules.annealed(self.ETAS, 0.55)(3)
        assert np.asarray(schedules.annealed(self.ETAS, 0.55)(t)) == pytest.approx(expected)

    def test_constants(self, library: Library) -> None:
        assert schedules.constant((0.5, 0.25))(3).tolist() == [0.5, 0.25]
        found = schedules.constant((0.5, 0.25))(library.array(3.0))
        assert library.numpy(found).tolist() == [0.5, 0.25]


class TestPiecewise:
    @pytest.mark.parametrize(
        ("t", "value"), [(0, 1.0), (4, 1.0), (5, 0.5), (6, 0.5), (9, 0.5), (10, 0.25), (99, 0.25)]
    )
    def test_a_value_holds_from_its_boundary_on(
        self, library: Library, t: int, value: float
    ) -> None:
        schedule = schedules.piecewise_constant([1.0, 0.5, 0.25], [5, 10])
        assert schedule(t) == value
        assert float(schedule(library.array(float(t)))) == value

    @pytest.mark.parametrize("boundaries", [[5], [10, 5], [5, 5], [5, 10, 15], []])
    def test_boundaries_that_do_not_fit_are_refused(self, boundaries: list[int]) -> None:
        with pytest.raises(ValueError, match=r"`boundaries` must be increasing and one fewer"):
            schedules.piecewise_constant([1.0, 0.5, 0.25], boundaries)


BAD = (-1.0, -1e-300, math.nan, math.inf, -math.inf, "0.1", None, [0.1, -0.1], [0.1, math.nan])


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize(
    ("argument", "make"),
    [
        ("eta", lambda v: schedules.annealed(eta=v)),
        ("gamma", lambda v: schedules.annealed(gamma=v)),
        ("value", schedules.constant),
        ("initial", lambda v: schedules.exponential_decay(v, 0.5)),
        ("factor", lambda v: schedules.exponential_decay(0.1, v)),
        ("initial", lambda v: schedules.inverse_time_decay(v, 0.5)),
        ("decay", lambda v: schedules.inverse_time_decay(0.1, v)),
        ("values", lambda v: schedules.piecewise_constant([v, 0.1], [1])),
    ],
)
def test_a_bad_number_is_refused(argument: str, make: Callable[[Any], Any], value: Any) -> None:
    if argument == "values" and isinstance(value, list):
        pytest.skip("a value that is a sequence is no number")
    with pytest.raises(ValueError, match=rf"`{argument}` must be a finite number >= 0, got"):
        make(value)


@pytest.mark.parametrize("steps", [0, -1, math.nan])
def test_a_decay_over_no_steps_is_refused(steps: Any) -> None:
    with pytest.raises(ValueError, match="`steps` must be a number > 0, got"):
        schedules.exponential_decay(0.1, 0.5, steps=steps)
