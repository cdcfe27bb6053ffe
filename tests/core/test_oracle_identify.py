"""`identify_dialect`: it names what is spoken, hyperparameters and all, and what comes nearest."""

import builtins
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from optimizer_cases import DECAY, DIALECT_ROWS

import gradnoise_core as gn
from gradnoise_core.optimizers import keywords
from gradnoise_core.oracle import Identification, identify_dialect
from gradnoise_core.oracle._formulas import FORMULAS
from gradnoise_core.oracle._plain import Plain
from gradnoise_core.oracle._wrong import MISTAKES

RATE = gn.schedules.piecewise_constant([0.05, 0.005], [40])

FEATURES: Mapping[str, list[dict[str, Any]]] = {
    "momentum": [{"nesterov": True}, {"dampening": 0.5}, {"momentum": 0.37}],
    "adagrad": [{"initial_accumulator": 0.3, "eps": 1e-3}],
    "rmsprop": [
        {"centered": True, "decay": 0.95},
        {"momentum": 0.8, "nesterov": True, "centered": True, "eps": 1e-4},
    ],
    "adadelta": [{"decay": 0.8, "eps": 1e-3}],
    "adam": [{"amsgrad": True}, {"b1": 0.8, "b2": 0.95, "eps": 1e-3}],
    "adamw": [{"amsgrad": True}, {"b1": 0.7, "weight_decay": 0.3}],
}

CASES = [
    (name, dialect, features)
    for name, dialect in DIALECT_ROWS
    for features in ({}, DECAY, *FEATURES.get(name, []))
    if name in FORMULAS
]


@pytest.mark.parametrize(("name", "dialect", "features"), CASES)
def test_ours_are_recognised_in_every_dialect(
    name: str, dialect: str, features: dict[str, Any]
) -> None:
    made = getattr(gn, name)(RATE, dialect=dialect, **features)
    found = identify_dialect(made, learning_rate=RATE)
    assert found.speaks(name, dialect), str(found)
    due = {**keywords(name, dialect), **features, "learning_rate": 0.05}
    told = next(r for r in found.readings if r.optimizer == name and dialect in r.dialects)
    if name == "adagrad" and due["eps_in_sqrt"] and due["initial_accumulator"]:
        # In the root only their sum counts.
        for k in (told_k := dict(told.hyperparameters), due):
            k["initial_accumulator"] = k.get("initial_accumulator", 0.0) + k.pop("eps", 0.0)
        assert told_k["initial_accumulator"] == pytest.approx(due["initial_accumulator"])
        return
    for keyword, value in told.hyperparameters.items():
        assert value == pytest.approx(due[keyword], rel=1e-6), keyword
    assert told.difference < 1e-10


def test_a_reading_holds_only_if_every_step_is_explained() -> None:
    """The rate's place in momentum shows after the rate falls, and only then."""
    inside = identify_dialect(gn.momentum(RATE), learning_rate=RATE)
    assert inside.dialects == ("paper", "keras", "chainer", "mxnet")
    assert not inside.speaks("momentum", "torch")
    constant = identify_dialect(gn.momentum(0.05))
    assert constant.speaks("momentum", "torch")
    assert constant.speaks("momentum", "keras")


def test_it_prints_as_a_sentence() -> None:
    found = identify_dialect(gn.adam(1e-3, dialect="torch"))
    said = "adam, dialects paper, torch, optax: lr 0.001, b1 0.9, b2 0.999, eps 1e-08 (largest"
    assert str(found).startswith(said)
    assert found.recognised
    assert found.optimizer == "adam"
    assert found.hyperparameters["eps"] == 1e-8
    assert found.readings[0].own == ("paper", "torch", "optax")


def test_awkward_numbers_are_found() -> None:
    k: dict[str, Any] = {"b1": 0.8765, "b2": 0.98765, "eps": 3.21e-6}
    found = identify_dialect(gn.adam(0.0123456, **k))
    assert found.speaks("adam", "torch")
    for keyword, value in {"learning_rate": 0.0123456, **k}.items():
        assert found.hyperparameters[keyword] == pytest.approx(value, rel=1e-8), keyword


def test_float32_is_recognised_too() -> None:
    params = {"w": np.zeros(100, np.float32)}
    for name, dialect in (("adam", "keras"), ("rmsprop", "torch"), ("momentum", "torch")):
        made = getattr(gn, name)(RATE, dialect=dialect)
        found = identify_dialect(made, learning_rate=RATE, params=params)
        assert found.speaks(name, dialect), str(found)
        assert found.hyperparameters["learning_rate"] == 0.05


def test_only_the_optimizer_that_is_named_is_considered() -> None:
    made = gn.adam(RATE, dialect="keras", **DECAY)
    both = identify_dialect(made, learning_rate=RATE)
    assert both.speaks("adamw", "keras")
    assert both.speaks("adam", "keras")
    assert {r.optimizer for r in identify_dialect(made, "adamw", learning_rate=RATE).readings} == {
        "adamw"
    }
    assert not identify_dialect(made, "rmsprop", learning_rate=RATE).recognised


@pytest.mark.parametrize(
    "name", ["adam-only-first-corrected", "adam-nesterov", "adagrad-no-root", "adadelta-swapped"]
)
def test_what_is_nothing_known_is_said_to_be_so(name: str) -> None:
    mistake = next(m for m in MISTAKES if m.name == name)
    k = keywords(mistake.optimizer, mistake.dialect)
    found = identify_dialect(lambda: mistake.make(mistake.optimizer, k))
    assert not found.recognised
    assert found.optimizer is None
    assert str(found).startswith("nothing known: ")


def test_how_far_the_nearest_is_grows_with_the_mistake() -> None:
    def distance(extra: float) -> float:
        def step(p: Any, g: Any, h: Any, n: int, k: Any, s: Any) -> Any:
            return FORMULAS["adam"](p, g, h, n, k, s) + extra * h * np.tanh(g)

        found = identify_dialect(lambda: Plain(step, keywords("adam")))
        assert not found.recognised
        assert found.nearest.startswith("nearest is ")
        return float(found.nearest.split("differ by ")[1].split(" %")[0])

    near, far = distance(1e-3), distance(0.1)
    assert near < 0.5
    assert near < far < 50


def test_a_subject_that_ascends_is_nothing() -> None:
    found = identify_dialect(lambda params, grads, rate: params)
    assert not found.recognised
    assert "do not descend" in found.nearest


# --- what draws noise -------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("dialect", ["paper", "mxnet"])
def test_sgld_is_recognised_by_its_convention(dialect: str, seed: int) -> None:
    found = identify_dialect(gn.sgld(0.05, dialect=dialect, seed=seed), learning_rate=0.05)
    assert found.speaks("sgld", dialect)
    assert found.hyperparameters == {"learning_rate": 0.05, "drift": 0.5, "temperature": 1.0}
    assert math.isnan(found.readings[0].difference)


def test_sglds_conventions_are_one_where_the_rate_is_unknown() -> None:
    made = gn.sgld(0.05, drift=1.0, temperature=0.1)
    known = identify_dialect(made, learning_rate=0.05)
    assert known.hyperparameters == {"learning_rate": 0.05, "drift": 1.0, "temperature": 0.1}
    assert known.dialects == ()
    assert "torch-sgld, blackjax" in str(known)
    unknown = identify_dialect(made)
    told = [
        (r.hyperparameters["learning_rate"], r.hyperparameters["drift"]) for r in unknown.readings
    ]
    assert told == [(0.1, 0.5), (0.05, 1.0)]


def test_psgld_is_recognised() -> None:
    found = identify_dialect(gn.psgld(1e-3, seed=2), learning_rate=1e-3)
    assert found.speaks("psgld", "paper"), str(found)
    told = found.hyperparameters
    assert (told["decay"], told["eps"], told["drift"], told["temperature"]) == (0.99, 1e-5, 0.5, 1)


def test_santa_is_recognised_by_its_law() -> None:
    found = identify_dialect(gn.santa(1e-4, seed=4), "santa", learning_rate=1e-4)
    assert found.speaks("santa", "paper"), str(found)
    other = identify_dialect(gn.santa(1e-4, friction=40.0), "santa", learning_rate=1e-4)
    assert not other.recognised


def test_other_noise_is_nothing_known() -> None:
    found = identify_dialect(gn.noisy(gn.adam(1e-3), seed=1), learning_rate=1e-3)
    assert not found.recognised
    assert "it draws noise" in found.nearest


@pytest.mark.parametrize("rate", [1e-4, 0.01, 1.0])
def test_a_sampler_that_is_nothing_known_has_a_nearest_at_any_rate(rate: float) -> None:
    """Also at rates at which Santa, which it is compared with, runs away."""
    found = identify_dialect(gn.noisy(gn.sgd(rate), seed=1), learning_rate=rate)
    assert not found.recognised
    assert "nearest is sgld (learning_rate" in found.nearest
    assert ("Santa itself runs away at the rate" in found.nearest) is (rate > 1e-3)


def test_the_nearest_sampler_is_the_nearest() -> None:
    """Uniform noise is 0.057 from normal noise of its variance, by Kolmogorov's distance."""

    def make() -> Any:
        rng = np.random.default_rng(0)

        def step(params: dict[str, Any], grads: dict[str, Any], rate: float) -> dict[str, Any]:
            z = {n: math.sqrt(12) * (rng.random(p.shape) - 0.5) for n, p in params.items()}
            return {n: p - rate / 2 * grads[n] + rate**0.5 * z[n] for n, p in params.items()}

        return step

    nearest = identify_dialect(make, learning_rate=0.01).nearest
    assert "nearest is sgld (learning_rate 0.01, drift 0.5, temperature 1), " in nearest
    assert float(nearest.split("Kolmogorov's distance ")[1].split()[0]) == pytest.approx(
        0.057, abs=0.005
    )


def test_santa_asked_at_a_rate_at_which_it_runs_away() -> None:
    found = identify_dialect(gn.sgld(0.01, seed=1), "santa", learning_rate=0.01)
    assert not found.recognised
    assert "Santa itself runs away at the rate 0.01" in found.nearest
    unknown = identify_dialect(gn.sgld(0.01, seed=1), "santa")
    assert "Santa needs `learning_rate`" in unknown.nearest


def test_noise_of_a_step_that_cannot_be_made_afresh() -> None:
    generator = np.random.default_rng(0)

    def step(params: dict[str, Any], grads: dict[str, Any], rate: float) -> dict[str, Any]:
        noise = {n: generator.standard_normal(p.shape) for n, p in params.items()}
        return {n: p - rate * grads[n] + noise[n] for n, p in params.items()}

    assert "only if a function makes it" in identify_dialect(step).nearest


# --- bad input --------------------------------------------------------------


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="`optimizer` must be one of"):
        identify_dialect(gn.adam(0.1), "adm")
    with pytest.raises(ValueError, match="`params` must have at least"):
        identify_dialect(gn.adam(0.1), params=np.zeros(20))
    with pytest.raises(TypeError, match="`step` must have `init`"):
        identify_dialect(3)


def test_without_scipy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    def importless(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(builtins, "__import__", absent)
    monkeypatch.setattr("importlib.import_module", importless)
    with pytest.raises(ImportError, match=r"gradnoise-core\[oracle\]"):
        identify_dialect(gn.adam(1e-3))


def test_an_identification_without_readings_has_no_optimizer() -> None:
    nothing = Identification((), "nearest is nothing")
    assert (nothing.optimizer, nothing.dialects, dict(nothing.hyperparameters)) == (None, (), {})
