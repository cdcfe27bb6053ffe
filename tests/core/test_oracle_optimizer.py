"""`check_optimizer`: what is right passes, in every interface; what is wrong is found where it is."""

import importlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from libraries import Library
from optimizer_cases import DECAY, DIALECT_ROWS

import gradnoise_core as gn
from gradnoise_core.optimizers import keywords
from gradnoise_core.oracle import ConformanceError, check_optimizer
from gradnoise_core.oracle._formulas import FORMULAS
from gradnoise_core.oracle._plain import Plain
from gradnoise_core.oracle._wrong import MISTAKES

RATE = gn.schedules.piecewise_constant([0.05, 0.005], [50])

#: Santa's friction feeds on squares of the noise: it runs away at larger rates.
SMALL = gn.schedules.piecewise_constant([1e-4, 5e-5], [50])

#: What is switched on besides a dialect's own keywords.
FEATURES: Mapping[str, list[dict[str, Any]]] = {
    "momentum": [{"nesterov": True, **DECAY}, {"dampening": 0.5}],
    "rmsprop": [{"centered": True}, {"momentum": 0.9, "nesterov": True, "centered": True}],
    "adam": [{"amsgrad": True}, {"b1": 0.8, "b2": 0.95, "eps": 1e-3}],
    "adamw": [{"amsgrad": True}],
    "sgld": [{"drift": 1.0, "temperature": 0.3}],
    "psgld": [{"eps_in_sqrt": True, "initial_accumulator": 1.0}],
}

CASES = [
    (name, dialect, features)
    for name, dialect in DIALECT_ROWS
    for features in ({}, *([DECAY] if name in FORMULAS else []), *FEATURES.get(name, []))
]


def claims(report: Any) -> dict[str, Any]:
    return {claim.name: claim for claim in report}


@pytest.mark.parametrize(("name", "dialect", "features"), CASES)
def test_ours_pass_in_every_dialect(name: str, dialect: str, features: dict[str, Any]) -> None:
    rate = SMALL if name == "santa" else RATE
    made = getattr(gn, name)(rate, dialect=dialect, **features)
    report = check_optimizer(made, name, dialect, learning_rate=rate, **features)
    assert report.passed, str(report)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["adam", "rmsprop", "sgld"])
def test_ours_pass_on_every_library(library: Library, name: str, dtype: str) -> None:
    if library.name.endswith("-cuda") and dtype == "float64":
        pytest.skip("float64 on a GPU is not the point here")
    params = [library.array(np.zeros(shape), dtype) for shape in ((10,), (), (4, 10))]
    made = getattr(gn, name)(RATE)
    if library.name == "jax":  # whose eager steps take seconds
        made = gn.GradientTransformation(made.init, library.jit(made.update))
    report = check_optimizer(made, name, learning_rate=RATE, params=params)
    assert report.passed, str(report)


@pytest.mark.parametrize(("name", "dialect", "features"), CASES)
def test_the_formulas_are_the_library(name: str, dialect: str, features: dict[str, Any]) -> None:
    """What causes and fits are made of is a second coding of the library's optimizers."""
    if name not in FORMULAS:
        pytest.skip("what draws noise has no formula of its own")
    k = {**keywords(name, dialect), **features}
    report = check_optimizer(
        lambda: Plain(FORMULAS[name], k), name, dialect, learning_rate=0.05, **features
    )
    assert report.passed, str(report)
    assert "not checked" not in report.subject


def test_a_right_sampler_passes_with_every_seed() -> None:
    for seed in range(25):
        sgld = check_optimizer(gn.sgld(RATE, seed=seed), "sgld", learning_rate=RATE)
        psgld = check_optimizer(gn.psgld(RATE, seed=seed), "psgld", learning_rate=RATE)
        assert sgld.passed, str(sgld)
        assert psgld.passed, str(psgld)


# --- interfaces -------------------------------------------------------------


def sgd_step(params: dict[str, Any], grads: dict[str, Any], rate: float) -> dict[str, Any]:
    return {name: p - rate * grads[name] for name, p in params.items()}


class SgdWithSetter:
    """A step of two arguments, which changes its parameters in place."""

    def __init__(self) -> None:
        self.h = 0.05

    def set_learning_rate(self, rate: float) -> None:
        self.h = rate

    def __call__(self, params: dict[str, Any], grads: dict[str, Any]) -> None:
        for name, p in params.items():
            p -= self.h * grads[name]


class SgdWithAttribute:
    learning_rate = 0.05

    def __call__(self, params: list[Any], grads: list[Any]) -> list[Any]:
        return [p - self.learning_rate * g for p, g in zip(params, grads, strict=True)]


def test_a_plain_step_is_told_its_rate() -> None:
    report = check_optimizer(sgd_step, "sgd", learning_rate=0.05)
    assert report.passed, str(report)
    assert "the steps after the rate falls" in claims(report)
    assert "resumption (pass a function that makes the step)" in report.subject


def test_a_plain_step_has_its_rate_set() -> None:
    for step, params in ((SgdWithSetter, None), (SgdWithAttribute, [np.zeros(20)])):
        report = check_optimizer(step, "sgd", learning_rate=0.05, params=params)
        assert report.passed, str(report)
        assert "the steps after the rate falls" in claims(report)
        assert "nothing saves the state" in report.subject


def test_a_step_on_one_array() -> None:
    report = check_optimizer(
        lambda p, g: p - 0.05 * g, "sgd", learning_rate=0.05, params=np.zeros(10, np.float32)
    )
    assert report.passed, str(report)
    assert "a fall of the learning rate" in report.subject
    assert "the steps after the rate falls" not in claims(report)


def test_a_rate_that_nothing_sets_is_not_said_to_be_checked() -> None:
    report = check_optimizer(gn.momentum(0.05), "momentum", learning_rate=0.05)
    assert report.passed
    assert "a fall of the learning rate (nothing sets it" in report.subject
    # With a fall the two forms of momentum part; without they are one.
    other = check_optimizer(gn.momentum(0.05), "momentum", "torch", learning_rate=0.05)
    assert other.passed
    assert not check_optimizer(gn.momentum(RATE), "momentum", "torch", learning_rate=RATE).passed


def test_a_function_that_makes_ours_afresh() -> None:
    report = check_optimizer(lambda: gn.adam(RATE), learning_rate=RATE)
    assert report.passed, str(report)
    assert "a run resumed from its saved state goes on as it was" in claims(report)


class NoOddLeaves(Plain):
    def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
        if np.ndim(p) == 0 or np.size(p) == 0:
            message = "no such leaves"
            raise ValueError(message)
        return super().leaf(name, p, g, rate)


def test_leaves_that_a_subject_does_not_take_are_left_out_and_named() -> None:
    def make() -> Plain:
        return NoOddLeaves(FORMULAS["adam"], keywords("adam"))

    report = check_optimizer(make, learning_rate=0.05)
    assert report.passed, str(report)
    assert "a leaf of no elements (ValueError: no such leaves)" in report.subject
    assert "a leaf of no axes (ValueError: no such leaves)" in report.subject
    once = check_optimizer(make(), learning_rate=0.05)
    assert not once.passed
    assert "pass `params`" in str(once)


def test_a_subject_without_float64_is_judged_in_float32() -> None:
    class Narrow(Plain):
        def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
            if p.dtype != np.float32:
                message = "float32 only"
                raise TypeError(message)
            return super().leaf(name, p, g, rate)

    report = check_optimizer(lambda: Narrow(FORMULAS["adam"], keywords("adam")), learning_rate=0.05)
    assert report.passed, str(report)
    assert "float64 (TypeError: float32 only)" in report.subject


# --- what is found ----------------------------------------------------------


def test_the_first_step_and_leaf_that_part_are_named() -> None:
    class Late(Plain):
        def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
            new = super().leaf(name, p, g, rate)
            if name == "twin" and self.count == 8:
                new[1, 2] += 1e-6
            return new

    report = check_optimizer(lambda: Late(FORMULAS["adam"], keywords("adam")), learning_rate=0.05)
    found = claims(report)
    assert found["the first step"].passed
    failed = found["the steps at the first rate"]
    assert not failed.passed
    assert failed.seen == "off by 1e-06 at step 7, leaf 'twin' at (1, 2)"
    assert failed.cause == ""


@pytest.mark.parametrize("change", [{"eps": 1.0001e-8}, {"b1": 0.9 + 1e-9}, {"b2": 0.999 + 1e-9}])
def test_small_errors_of_hyperparameters_are_seen(change: dict[str, Any]) -> None:
    assert not check_optimizer(gn.adam(RATE, **change), learning_rate=RATE).passed


def test_the_rate_is_judged() -> None:
    assert not check_optimizer(gn.adam(1e-3 * (1 + 1e-10)), learning_rate=1e-3).passed
    report = check_optimizer(gn.adam(1e-2), learning_rate=1e-3)
    assert report.failures[0].cause == "the learning rate is 10 times what was claimed"


def test_float32_is_judged_by_its_own_tolerance() -> None:
    params = {"w": np.zeros((4, 10), np.float32)}
    right = check_optimizer(gn.adam(RATE), learning_rate=RATE, params=params)
    wrong = check_optimizer(gn.adam(RATE, eps=1e-7), learning_rate=RATE, params=params)
    assert right.passed, str(right)
    assert wrong.failures[0].cause == "`eps` is 1e-07, as in keras, not 1e-08"


@pytest.mark.parametrize(
    ("name", "spoken", "said", "cause"),
    [
        ("adam", "keras", "torch", "it is adam as keras means it"),
        ("adagrad", "optax", "torch", "it is adagrad as optax means it"),
        ("rmsprop", "tf1", "keras", "it is rmsprop as tf1 means it"),
        ("adadelta", "torch", "keras", "it is adadelta as torch means it"),
    ],
)
def test_a_dialect_under_another_name_is_recognised(
    name: str, spoken: str, said: str, cause: str
) -> None:
    made = getattr(gn, name)(RATE, dialect=spoken)
    report = check_optimizer(made, name, said, learning_rate=RATE)
    assert cause in report.failures[0].cause


class ForgetsItsCount(Plain):
    """A right Adam of one dialect or another, whose step count is not saved."""

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "count": 0}


@pytest.mark.parametrize(
    ("optimizer", "spoken", "claimed"),
    [("adam", "tf1", "torch"), ("adam", "torch", "torch"), ("adamw", "torch", "optax")],
)
def test_what_is_lost_is_named_whatever_else_is_wrong(
    optimizer: str, spoken: str, claimed: str
) -> None:
    k = keywords(optimizer, spoken)
    report = check_optimizer(
        lambda: ForgetsItsCount(FORMULAS[optimizer], k), optimizer, claimed, learning_rate=0.05
    )
    failed = claims(report)["a run resumed from its saved state goes on as it was"]
    assert failed.cause == "the step count is lost: it starts at 0 again"
    assert claims(report)["the first step"].passed is (spoken == claimed)


def test_what_is_lost_of_a_run_that_nothing_explains_is_not_guessed() -> None:
    class Odd(ForgetsItsCount):
        def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
            return super().leaf(name, p, g, rate) + 1e-3 * rate * np.tanh(g)

    report = check_optimizer(lambda: Odd(FORMULAS["adam"], keywords("adam")), learning_rate=0.05)
    causes = {claim.cause for claim in report.failures}
    assert causes == {"", "something of the state is not saved, or not loaded"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("adam-correction-in-float32", "the bias corrections are computed in float32"),
        ("adam-no-root", "the root of the second moment is forgotten"),
        ("adam-lazy", "an element whose gradient is 0 is skipped"),
    ],
)
def test_an_adamw_is_told_the_mistakes_of_adam(name: str, words: str) -> None:
    """It decays beside them, as it claims."""
    mistake = next(m for m in MISTAKES if m.name == name)
    k = keywords("adamw", "torch")
    assert k["weight_decay"] == 0.01

    class Decays(Plain):
        def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
            return super().leaf(name, p, g, rate) - rate * k["weight_decay"] * p

    def make() -> Plain:
        inner = mistake.make("adam", {**k, "weight_decay": 0.0})
        return Decays(inner.formula, inner.keywords)

    report = check_optimizer(make, "adamw", "torch", learning_rate=0.05)
    assert not report.passed
    assert report.failures[0].cause.startswith(words)


@pytest.mark.parametrize(
    ("optimizer", "options"), [("rmsprop", {"momentum": 0.9}), ("adadelta", {}), ("adam", {})]
)
def test_constants_of_float32_are_named(optimizer: str, options: dict[str, Any]) -> None:
    k = {**keywords(optimizer, "tf1"), **options}
    k = {n: float(np.float32(x)) if isinstance(x, float) else x for n, x in k.items()}
    report = check_optimizer(
        lambda: Plain(FORMULAS[optimizer], k), optimizer, "tf1", learning_rate=0.05, **options
    )
    assert not report.passed
    words = "the hyperparameters are held in float32 beside float64 parameters"
    assert report.failures[0].cause == words


def test_a_rate_of_float32_is_named() -> None:
    report = check_optimizer(gn.adam(float(np.float32(0.1))), learning_rate=0.1)
    words = "the learning rate is held in float32 beside float64 parameters"
    assert report.failures[0].cause == words


def test_the_constants_of_a_graph_of_tensorflow_1_are_named() -> None:
    report = check_optimizer(AdamOfAGraph, "adam", "tf1", learning_rate=0.05)
    words = "b1, b2, eps and the powers of b1 and b2 are float32 beside float64 parameters"
    assert report.failures[0].cause == words


class AdamOfAGraph:
    """``tf.compat.v1.train.AdamOptimizer``: float32 constants, and powers kept as variables."""

    def __init__(self) -> None:
        self.b1, self.b2, self.eps = map(np.float32, (0.9, 0.999, 1e-8))
        self.powers = [self.b1, self.b2]
        self.m: dict[str, Any] = {}
        self.v: dict[str, Any] = {}

    def __call__(self, params: Any, grads: Any, rate: float) -> Any:
        b1, b2, eps = map(float, (self.b1, self.b2, self.eps))
        p1, p2 = map(float, self.powers)
        new = {}
        for name, g in grads.items():
            self.m[name] = b1 * self.m.get(name, 0.0) + (1 - b1) * g
            self.v[name] = b2 * self.v.get(name, 0.0) + (1 - b2) * g * g
            h = rate * math.sqrt(1 - p2) / (1 - p1)
            new[name] = params[name] - h * self.m[name] / (np.sqrt(self.v[name]) + eps)
        self.powers = [self.powers[0] * self.b1, self.powers[1] * self.b2]
        return new


@pytest.mark.parametrize(
    ("deviation", "words"),
    [
        (
            lambda h: 2 * h * h,
            "the variance of the noise is used as its standard deviation; the noise is added to",
        ),
        (lambda h: math.sqrt(2 * h) * h, "the noise is added to the gradient, and so multiplied"),
    ],
)
def test_noise_that_is_multiplied_by_the_rate_once_more_is_named(
    deviation: Callable[[float], float], words: str
) -> None:
    rng = np.random.default_rng(0)

    def step(params: Any, grads: Any, rate: float) -> Any:
        return {
            n: p - rate * grads[n] + deviation(rate) * rng.standard_normal(p.shape)
            for n, p in params.items()
        }

    report = check_optimizer(step, "sgld", drift=1.0, learning_rate=0.01)
    assert {claim.cause for claim in report.failures if "noise" in claim.name} == {
        report.failures[0].cause
    }
    assert report.failures[0].cause.startswith(words)


def test_a_report_raises_on_request() -> None:
    with pytest.raises(ConformanceError, match="adam, dialect paper: 4 of 7 failed"):
        check_optimizer(gn.adam(RATE, eps=1e-7), learning_rate=RATE).raise_if_failed()


# --- bad input --------------------------------------------------------------

BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: check_optimizer(3), TypeError, "`step` must have `init` and `update`"),
    (lambda: check_optimizer(lambda p: p), TypeError, "must return an optimizer with `step`"),
    (lambda: check_optimizer(gn.adam(0.1), "adm"), ValueError, "`optimizer` must be one of"),
    (lambda: check_optimizer(gn.adam(0.1), "adam", "flax"), ValueError, "`dialect` of adam"),
    (lambda: check_optimizer(gn.adam(0.1), epsilon=1e-3), TypeError, "`epsilon` is no keyword"),
    (lambda: check_optimizer(gn.adam(0.1), eps=-1.0), ValueError, "`eps` must be"),
    (lambda: check_optimizer(gn.adam(0.1), learning_rate=-1.0), ValueError, "`learning_rate`"),
    (
        lambda: check_optimizer(gn.adam(0.1), params=np.zeros(9)),
        ValueError,
        "`params` must have at least 10 elements",
    ),
    (
        lambda: check_optimizer(gn.adam(0.1), params=np.zeros(20, np.float16)),
        TypeError,
        "`params` must hold arrays of float32",
    ),
]


@pytest.mark.parametrize(("call", "kind", "message"), BAD)
def test_bad_input_is_refused(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_an_optimizer_of_torch_itself_is_refused() -> None:
    torch = pytest.importorskip("torch")
    made = torch.optim.Adam([torch.zeros(3, requires_grad=True)])
    with pytest.raises(TypeError, match="must be a function of the parameters that makes"):
        check_optimizer(made)


def test_santa_at_a_rate_at_which_it_runs_away_is_refused() -> None:
    with pytest.raises(ValueError, match="small enough for Santa"):
        check_optimizer(gn.santa(RATE), "santa", learning_rate=RATE)


def test_scipy_is_not_needed_for_what_draws_no_noise() -> None:
    importlib.import_module("gradnoise_core.oracle")
    assert check_optimizer(gn.sgd(1e-3), "sgd").passed
