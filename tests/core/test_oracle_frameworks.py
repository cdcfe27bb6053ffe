"""The oracle on the frameworks themselves: they pass in their own dialect, and are named by it.

Keras reads its backend and float type once, so it runs in a process of its own: this file, as a
script. It goes through a plain step.
"""

import functools
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optimizer_cases import DECAY

import gradnoise_core as gn
from gradnoise_core.optimizers import keywords
from gradnoise_core.oracle import check_optimizer, identify_dialect

#: ours, what is claimed besides the dialect, torch's class, its options.
TORCH: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("sgd", {}, "SGD", {}),
    ("momentum", {}, "SGD", {"momentum": 0.9}),
    (
        "momentum",
        {"nesterov": True, **DECAY},
        "SGD",
        {"momentum": 0.9, "nesterov": True, **DECAY},
    ),
    ("momentum", {"dampening": 0.3}, "SGD", {"momentum": 0.9, "dampening": 0.3}),
    ("adagrad", {}, "Adagrad", {}),
    (
        "adagrad",
        {"initial_accumulator": 0.1, "eps": 1e-3},
        "Adagrad",
        {"initial_accumulator_value": 0.1, "eps": 1e-3},
    ),
    ("rmsprop", {}, "RMSprop", {}),
    (
        "rmsprop",
        {"centered": True, "momentum": 0.5},
        "RMSprop",
        {"centered": True, "momentum": 0.5},
    ),
    ("adadelta", {}, "Adadelta", {}),
    ("adam", {}, "Adam", {}),
    ("adam", {"amsgrad": True, **DECAY}, "Adam", {"amsgrad": True, **DECAY}),
    ("adamw", {}, "AdamW", {}),
]

_FUSED = ("SGD", "Adagrad", "Adam", "AdamW")


def judged(
    step: Any, name: str, dialect: str, features: Mapping[str, Any], rate: Any, **more: Any
) -> None:
    """Check a subject, and ask what it speaks."""
    report = check_optimizer(step, name, dialect, learning_rate=rate, **features, **more)
    assert report.passed, str(report)
    found = identify_dialect(step, learning_rate=rate if callable(rate) else None, **more)
    assert found.speaks(name, dialect), str(found)
    told = next(r for r in found.readings if r.optimizer == name and dialect in r.dialects)
    first = rate(0) if callable(rate) else rate
    due = {**keywords(name, dialect), **features, "learning_rate": float(first)}
    for keyword, value in told.hyperparameters.items():
        assert value == pytest.approx(due[keyword], rel=1e-6), keyword


@pytest.mark.parametrize("how", ["single", "foreach", "fused"])
@pytest.mark.parametrize(
    ("name", "features", "kind", "options"), TORCH, ids=lambda x: x if isinstance(x, str) else None
)
def test_torch_speaks_torch(
    name: str, features: dict[str, Any], kind: str, options: dict[str, Any], how: str
) -> None:
    torch = pytest.importorskip("torch")
    if how == "fused" and kind not in _FUSED:
        pytest.skip(f"torch has no fused {kind}")
    switch = {"foreach": how == "foreach"} if how != "fused" else {"fused": True}

    def make(params: Any) -> Any:
        return getattr(torch.optim, kind)(params, lr=0.05, **options, **switch)

    judged(make, name, "torch", features, 0.05)


def test_torch_in_float32() -> None:
    torch = pytest.importorskip("torch")
    params = [torch.zeros(60), torch.zeros(4, 10)]
    report = check_optimizer(torch.optim.Adam, "adam", "torch", params=params)
    assert report.passed, str(report)
    assert identify_dialect(torch.optim.Adam, params=params).speaks("adam", "torch")


def test_torch_under_another_name_is_named() -> None:
    torch = pytest.importorskip("torch")
    report = check_optimizer(
        functools.partial(torch.optim.RMSprop, lr=0.01), "rmsprop", "keras", learning_rate=0.01
    )
    assert "it is rmsprop as torch means it" in report.failures[0].cause


@pytest.mark.parametrize("kind", ["NAdam", "RAdam", "Adamax"])
def test_what_is_none_of_ours_in_torch_is_nothing_known(kind: str) -> None:
    torch = pytest.importorskip("torch")
    assert not identify_dialect(getattr(torch.optim, kind)).recognised


#: ours, what is claimed, optax's optimizer at a rate.
OPTAX: list[tuple[str, dict[str, Any], Callable[[Any, Any], Any]]] = [
    ("sgd", {}, lambda o, h: o.sgd(h)),
    ("momentum", {}, lambda o, h: o.sgd(h, momentum=0.9)),
    ("momentum", {"nesterov": True}, lambda o, h: o.sgd(h, momentum=0.9, nesterov=True)),
    (
        "momentum",
        DECAY,
        lambda o, h: o.chain(o.add_decayed_weights(0.01), o.sgd(h, momentum=0.9)),
    ),
    ("adagrad", {}, lambda o, h: o.adagrad(h)),
    ("rmsprop", {}, lambda o, h: o.rmsprop(h)),
    ("rmsprop", {"momentum": 0.9}, lambda o, h: o.rmsprop(h, momentum=0.9)),
    ("rmsprop", {"centered": True}, lambda o, h: o.rmsprop(h, centered=True)),
    ("adadelta", {}, lambda o, h: o.adadelta(h)),
    ("adam", {}, lambda o, h: o.adam(h)),
    ("adam", {"amsgrad": True}, lambda o, h: o.amsgrad(h)),
    ("adamw", {}, lambda o, h: o.adamw(h)),
]


@pytest.fixture
def optax() -> Any:
    """Return optax, with float64 enabled on JAX."""
    module = pytest.importorskip("optax")
    import jax

    jax.config.update("jax_enable_x64", True)
    return module


def compiled(optimizer: Any) -> Any:
    import jax

    return gn.GradientTransformation(optimizer.init, jax.jit(optimizer.update))


@pytest.mark.parametrize(
    ("name", "features", "make"), OPTAX, ids=lambda x: x if isinstance(x, str) else None
)
def test_optax_speaks_optax(
    optax: Any, name: str, features: dict[str, Any], make: Callable[[Any, Any], Any]
) -> None:
    rate = optax.piecewise_constant_schedule(0.05, {50: 0.1})
    judged(compiled(make(optax, rate)), name, "optax", features, rate)


def test_optaxs_injected_rate_is_set(optax: Any) -> None:
    made = compiled(optax.inject_hyperparams(optax.rmsprop)(0.05, momentum=0.9))
    report = check_optimizer(made, "rmsprop", "optax", learning_rate=0.05, momentum=0.9)
    assert report.passed, str(report)
    assert "the steps after the rate falls" in {claim.name for claim in report}
    # The rate falls inside the momentum: torch's form is excluded.
    found = identify_dialect(made)
    assert found.speaks("rmsprop", "optax")
    assert not found.speaks("rmsprop", "torch")


# --- Keras ------------------------------------------------------------------

#: ours, what is claimed, Keras's class, its options.
KERAS: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("sgd", {}, "SGD", {}),
    ("momentum", {}, "SGD", {"momentum": 0.9}),
    (
        "momentum",
        {"nesterov": True, **DECAY},
        "SGD",
        {"momentum": 0.9, "nesterov": True, **DECAY},
    ),
    ("adagrad", {}, "Adagrad", {}),
    ("rmsprop", {}, "RMSprop", {}),
    (
        "rmsprop",
        {"momentum": 0.9, "centered": True},
        "RMSprop",
        {"momentum": 0.9, "centered": True},
    ),
    ("adadelta", {}, "Adadelta", {}),
    ("adam", {}, "Adam", {}),
    ("adam", DECAY, "Adam", DECAY),
    ("adam", {"amsgrad": True}, "Adam", {"amsgrad": True}),
    ("adamw", {}, "AdamW", {}),
]


class KerasStep:
    """A plain step by an optimizer of Keras, on its torch backend."""

    def __init__(self, kind: str, options: dict[str, Any]) -> None:
        import keras

        self.optimizer = getattr(keras.optimizers, kind)(**options)
        self.variables: dict[str, Any] = {}

    def __call__(
        self, params: Mapping[str, Any], grads: Mapping[str, Any], rate: float
    ) -> dict[str, Any]:
        import keras
        import torch

        if not self.variables:
            self.variables = {n: keras.Variable(p, dtype="float64") for n, p in params.items()}
        self.optimizer.learning_rate = rate
        gradients = [torch.tensor(grads[name]) for name in self.variables]
        self.optimizer.apply(gradients, list(self.variables.values()))
        return {n: v.value.detach().numpy().copy() for n, v in self.variables.items()}


@pytest.fixture(scope="module")
def keras_says(tmp_path_factory: pytest.TempPathFactory) -> Any:
    for module in ("keras", "torch"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    environment = {
        **os.environ,
        "KERAS_BACKEND": "torch",
        "KERAS_HOME": str(tmp_path_factory.mktemp("keras")),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, __file__], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", range(len(KERAS)), ids=lambda i: f"{KERAS[i][0]}-{KERAS[i][3]}")
def test_keras_speaks_keras(case: int, keras_says: Any) -> None:
    name, features, _, _ = KERAS[case]
    passed, report, readings = keras_says[case]
    assert passed, report
    told = [
        hyper
        for optimizer, dialects, hyper in readings
        if optimizer == name and "keras" in dialects
    ]
    assert told, readings
    due = {**keywords(name, "keras"), **features, "learning_rate": 0.05}
    for keyword, value in told[0].items():
        assert value == pytest.approx(due[keyword], rel=1e-6), keyword


def main() -> None:
    import keras

    keras.config.set_floatx("float64")
    said = []
    for name, features, kind, options in KERAS:
        make = functools.partial(KerasStep, kind, options)
        report = check_optimizer(make, name, "keras", learning_rate=0.05, **features)
        found = identify_dialect(make, learning_rate=0.05)
        readings = [(r.optimizer, r.dialects, dict(r.hyperparameters)) for r in found.readings]
        said.append((report.passed, str(report), readings))
    assert keras.backend.backend() == "torch"
    assert np.dtype(keras.config.floatx()) == np.float64
    print(json.dumps(said))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
