"""Flax: ``TrainState`` and ``nnx.Optimizer`` with the noise as a link of their optax chain."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doc_examples import run_page
from training_run import (
    APART,
    BATCH,
    CLIP,
    ETA,
    HALF,
    RATE,
    SEED,
    SIZES,
    TOLERANCE,
    UPDATES,
    distance,
    first_weights,
    minibatches,
    schedule,
    trained,
)

import gradnoise_core as gn

PATHS = ("hidden/kernel", "hidden/bias", "out/kernel", "out/bias")
CLIPPING = gn.clip_by_global_norm(CLIP)
OURS = gn.adam(RATE, dialect="optax")

#: What is added, by name: the link, and whether it comes before the optimizer.
NOISES = {
    "gradient": (gn.add_gradient_noise(ETA, seed=SEED), True),
    "weight": (gn.add_weight_noise(1e-4, seed=SEED), False),
    "schedule": (gn.add_gradient_noise(schedule=schedule, seed=SEED), True),
}


@pytest.fixture(scope="module", autouse=True)
def flax() -> Any:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    pytest.importorskip("optax")
    return pytest.importorskip("flax")


def links(noise: str, clip: Any, adam: Any) -> list[Any]:
    link, before = NOISES[noise]
    return [clip, link, adam] if before else [clip, adam, link]


def chain(noise: str) -> Any:
    import optax

    return optax.chain(*links(noise, optax.clip_by_global_norm(CLIP), optax.adam(RATE)))


@functools.cache
def reference(noise: str) -> list[Any]:
    final: list[Any] = trained(gn.chain(*links(noise, CLIPPING, OURS)), PATHS)[-1]
    return final


def batch(i: int) -> tuple[Any, Any]:
    x, y = minibatches(UPDATES)
    part = slice(i * BATCH, (i + 1) * BATCH)
    return x[part], y[part]


def cross_entropy(logits: Any, y: Any) -> Any:
    import optax

    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


def train_state(noise: str) -> Any:
    import jax.numpy as jnp
    from flax import linen
    from flax.training.train_state import TrainState

    class Network(linen.Module):  # type: ignore[misc]
        @linen.compact  # type: ignore[untyped-decorator]
        def __call__(self, x: Any) -> Any:
            hidden = linen.Dense(SIZES[1], param_dtype=np.float64, name="hidden")(x)
            return linen.Dense(SIZES[2], param_dtype=np.float64, name="out")(linen.relu(hidden))

    weights = [jnp.asarray(w) for w in first_weights()]
    params = {
        "hidden": {"kernel": weights[0], "bias": weights[1]},
        "out": {"kernel": weights[2], "bias": weights[3]},
    }
    return TrainState.create(apply_fn=Network().apply, params=params, tx=chain(noise))


def stepper() -> Any:
    import jax

    @jax.jit  # type: ignore[untyped-decorator]
    def step(state: Any, x: Any, y: Any) -> Any:
        def loss(params: Any) -> Any:
            return cross_entropy(state.apply_fn({"params": params}, x), y)

        return state.apply_gradients(grads=jax.grad(loss)(state.params))

    return step


def weights_of(state: Any) -> list[Any]:
    return [np.asarray(state.params[a][b]) for a, b in (path.split("/") for path in PATHS)]


@pytest.mark.parametrize("noise", NOISES)
def test_a_run_of_a_train_state_is_numpys_stopped_or_not(noise: str) -> None:
    from flax import serialization

    state, step = train_state(noise), stepper()
    resumed = state
    for i in range(UPDATES):
        state, resumed = step(state, *batch(i)), step(resumed, *batch(i))
        if i + 1 == HALF:
            resumed = serialization.from_bytes(train_state(noise), serialization.to_bytes(resumed))
    assert distance(weights_of(state), reference(noise)) <= TOLERANCE
    assert distance(weights_of(resumed), reference(noise)) <= TOLERANCE
    others = [other for other in NOISES if other != noise]
    assert all(distance(weights_of(state), reference(other)) > APART for other in others)


def test_a_train_state_compiles_once() -> None:
    state, step = train_state("gradient"), stepper()
    for i in range(3):
        state = step(state, *batch(i))
    assert step._cache_size() <= 2  # a count that is a Python int, and one that is an array
    assert int(state.opt_state[1].count) == 3


def nnx_module() -> Any:
    from flax import nnx

    class Network(nnx.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            rngs = nnx.Rngs(0)
            self.hidden = nnx.Linear(*SIZES[:2], rngs=rngs, param_dtype=np.float64)
            self.out = nnx.Linear(*SIZES[1:], rngs=rngs, param_dtype=np.float64)

        def __call__(self, x: Any) -> Any:
            return self.out(nnx.relu(self.hidden(x)))

    module = Network()
    for path, weight in zip(PATHS, first_weights(), strict=True):
        _variable(module, path)[...] = weight
    return module


def _variable(module: Any, path: str) -> Any:
    layer, name = path.split("/")
    return getattr(getattr(module, layer), name)


@pytest.mark.parametrize("noise", ["gradient", "weight"])
def test_a_run_of_nnx_is_numpys_stopped_or_not(noise: str) -> None:
    from flax import nnx

    @nnx.jit  # type: ignore[untyped-decorator]
    def step(module: Any, optimizer: Any, x: Any, y: Any) -> None:
        optimizer.update(module, nnx.grad(lambda m: cross_entropy(m(x), y))(module))

    def start() -> Any:
        module = nnx_module()
        return module, nnx.Optimizer(module, chain(noise), wrt=nnx.Param)

    unbroken, resumed = start(), start()
    for i in range(UPDATES):
        step(*unbroken, *batch(i))
        step(*resumed, *batch(i))
        if i + 1 == HALF:
            half = nnx.state(resumed)
            resumed = start()
            nnx.update(resumed, half)
    for module, optimizer in (unbroken, resumed):
        found = [np.asarray(_variable(module, path)[...]) for path in PATHS]
        assert distance(found, reference(noise)) <= TOLERANCE
        assert int(optimizer.step[...]) == UPDATES


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    names = run_page("integrations/flax.rst", tmp_path)
    assert names["accuracy"] > 0.9
    assert names["nnx_accuracy"] > 0.9
    assert int(names["state"].opt_state[1].count) == 200
