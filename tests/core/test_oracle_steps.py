"""`optimizer_steps` and `langevin_scales`: how far an optimizer is from a formula, in figures."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from libraries import Library

import gradnoise_core as gn
from gradnoise_core.oracle import LangevinScales, langevin_scales, optimizer_steps

RATE = gn.schedules.piecewise_constant([0.01, 0.001], [50])


def test_a_formula_is_no_way_from_itself_and_a_known_way_from_another() -> None:
    steps = optimizer_steps(gn.sgd(0.011), learning_rate=0.011)
    assert not steps.deviation("sgd")
    assert steps.deviation("sgd") == steps.deviation("momentum", momentum=0.0)
    tenth = dataclasses.replace(steps, rates=[0.01] * len(steps.rates)).deviation("sgd")
    assert tenth
    assert tenth.share == pytest.approx(0.1, rel=1e-6)  # the parameters are rounded
    assert tenth.absolute > 0.01


def test_a_share_is_of_the_way_and_absolute_is_not() -> None:
    """AdaGrad's first sum of squares holds back the smallest gradients most."""
    steps = optimizer_steps(gn.adagrad(RATE, dialect="optax"), learning_rate=RATE)
    off = steps.deviation("adagrad")
    assert 0.9 < off.share <= 1.0
    assert off.absolute < 1.0


def test_only_keywords_that_matter_are_named() -> None:
    steps = optimizer_steps(gn.rmsprop(RATE, dialect="keras"), learning_rate=RATE)
    # Without momentum and decay it does not matter where the rate and the decay are.
    eps = {"eps": 1e-7, "eps_in_sqrt": True}
    assert steps.keywords_that_matter("rmsprop", "keras") == eps
    told = steps.keywords_that_matter("rmsprop", "keras", momentum=0.9)
    assert told == {**eps, "rate_inside": True}
    assert steps.keywords_that_matter("rmsprop", "keras", eps=1e-7) == {"eps_in_sqrt": True}
    assert steps.keywords_that_matter("rmsprop", "paper") == {}


def test_the_rate_falls_where_it_can_be_set() -> None:
    def step(params: Any, grads: Any, rate: float) -> Any:
        return {name: p - rate * grads[name] for name, p in params.items()}

    told = optimizer_steps(step, learning_rate=0.1)
    assert list(told.rates) == [0.1] * 50 + [0.01] * 50
    assert not told.deviation("sgd")
    assert list(optimizer_steps(gn.sgd(0.1), learning_rate=0.1).rates) == [0.1] * 100


def test_steps_on_every_library(library: Library) -> None:
    params = [library.array(np.zeros(shape), "float32") for shape in ((10,), (4, 10))]
    steps = optimizer_steps(gn.sgd(RATE), learning_rate=RATE, params=params)
    assert steps.dtype == "float32"
    assert not steps.deviation("sgd")
    assert steps.deviation("sgd", weight_decay=0.1)


@pytest.mark.parametrize(("drift", "noise"), [(0.5, 1.0), (1.0, 2**0.5)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_drift_and_noise_of_sgld(drift: float, noise: float, dtype: str) -> None:
    made = gn.sgld(0.01, drift=drift, seed=3)
    found = langevin_scales(made, learning_rate=0.01, dtype=dtype)
    assert isinstance(found, LangevinScales)
    assert found.drift == pytest.approx(drift, rel=1e-3)
    assert found.noise == pytest.approx(noise, rel=1e-2)


def broken(params: Any, grads: Any) -> Any:
    message = "no"
    raise ArithmeticError(message)


BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: optimizer_steps(lambda: broken), RuntimeError, "ArithmeticError: no"),
    (lambda: optimizer_steps(3), TypeError, "`step` must have `init` and `update`"),
    (lambda: langevin_scales(3), TypeError, "`step` must have `init` and `update`"),
    (lambda: langevin_scales(gn.sgld(0.1), dtype="float16"), ValueError, "`dtype` must be one of"),
    (
        lambda: langevin_scales(gn.sgld(0.1), learning_rate=0.0),
        ValueError,
        "`learning_rate` must be a number > 0, got 0.0",
    ),
    (lambda: optimizer_steps(gn.sgd(0.1)).deviation("sdg"), ValueError, "`optimizer` must be one"),
    (
        lambda: optimizer_steps(gn.sgd(0.1)).deviation("sgd", b1=0.9),
        TypeError,
        "`b1` is no keyword",
    ),
]


@pytest.mark.parametrize(("call", "kind", "message"), BAD)
def test_bad_input_is_refused(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()
