"""Equinox: a module trained with the noise as a link of its optax chain."""

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
from gradnoise_core.noise import NoiseState

PATHS = ("layers/0/weight", "layers/0/bias", "layers/1/weight", "layers/1/bias")
CLIPPING = gn.clip_by_global_norm(CLIP)
OURS = gn.adam(RATE, dialect="optax")
NOISE = gn.add_gradient_noise(ETA, seed=SEED)

#: What comes after clipping, ours and in optax's words.
LINKS = {
    "gradient": (NOISE, "adam"),
    "weight": ("adam", gn.add_weight_noise(1e-4, seed=SEED)),
    "schedule": (gn.add_gradient_noise(schedule=schedule, seed=SEED), "adam"),
}


@pytest.fixture(scope="module", autouse=True)
def equinox() -> Any:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    pytest.importorskip("optax")
    return pytest.importorskip("equinox")


def start(noise: str) -> tuple[Any, Any, Any]:
    """Return the module with its first weights, the optimizer and its state."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import optax

    model = eqx.nn.MLP(SIZES[0], SIZES[2], SIZES[1], depth=1, key=jax.random.key(0))
    weights = [jnp.asarray(w) for w in first_weights(transposed=True)]
    model = eqx.tree_at(weights_of, model, weights)
    rest = [optax.adam(RATE) if x == "adam" else x for x in LINKS[noise]]
    optimizer = optax.chain(optax.clip_by_global_norm(CLIP), *rest)
    state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))
    # Else equinox takes the count, a Python int, for a constant.
    return model, optimizer, jax.tree.map(jnp.asarray, state)


def weights_of(model: Any) -> list[Any]:
    return [getattr(layer, name) for layer in model.layers for name in ("weight", "bias")]


def stepper(optimizer: Any, traces: list[None]) -> Any:
    import equinox as eqx
    import jax
    import optax

    def loss(model: Any, x: Any, y: Any) -> Any:
        logits = jax.vmap(model)(x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    @eqx.filter_jit  # type: ignore[untyped-decorator]
    def step(model: Any, state: Any, x: Any, y: Any) -> Any:
        traces.append(None)
        grads = eqx.filter_grad(loss)(model, x, y)
        updates, state = optimizer.update(grads, state, eqx.filter(model, eqx.is_inexact_array))
        return eqx.apply_updates(model, updates), state

    return step


@functools.cache
def reference(noise: str) -> list[Any]:
    rest = [OURS if x == "adam" else x for x in LINKS[noise]]
    final: list[Any] = trained(gn.chain(CLIPPING, *rest), PATHS, transposed=True)[-1]
    return final


@pytest.mark.parametrize("noise", LINKS)
def test_a_run_is_numpys_stopped_or_not(noise: str, tmp_path: Path) -> None:
    import equinox as eqx

    traces: list[None] = []
    model, optimizer, state = start(noise)
    step = stepper(optimizer, traces)
    other, other_state = model, state
    x, y = minibatches(UPDATES)
    for i in range(UPDATES):
        part = slice(i * BATCH, (i + 1) * BATCH)
        model, state = step(model, state, x[part], y[part])
        other, other_state = step(other, other_state, x[part], y[part])
        if i + 1 == HALF:
            eqx.tree_serialise_leaves(tmp_path / "half.eqx", (other, other_state))
            like = start(noise)
            other, other_state = eqx.tree_deserialise_leaves(
                tmp_path / "half.eqx", (like[0], like[2])
            )
    assert len(traces) <= 2
    for found in (model, other):
        assert distance([np.asarray(w) for w in weights_of(found)], reference(noise)) <= TOLERANCE
    others = [reference(n) for n in LINKS if n != noise]
    before = trained(gn.chain(NOISE, CLIPPING, OURS), PATHS, transposed=True)[-1]
    for wrong in (*others, before):
        assert distance([np.asarray(w) for w in weights_of(model)], wrong) > APART


def test_a_count_that_is_an_int_is_compiled_anew_each_step() -> None:
    """Why the page makes an array of it."""
    model, optimizer, _ = start("gradient")
    import equinox as eqx

    traces: list[None] = []
    step = stepper(optimizer, traces)
    state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))
    x, y = minibatches(1)
    for _ in range(2):
        model, state = step(model, state, x, y)
    assert len(traces) == 2


def test_a_count_that_is_an_array_says_less_than_an_int() -> None:
    """Why `init` does not make an array of it, on JAX either."""
    import jax
    import jax.numpy as jnp

    on_jax, on_numpy = {"w": jnp.zeros(50, "float32")}, {"w": np.zeros(50, np.float32)}
    assert type(NOISE.init(on_jax).count) is int

    def noise(grads: Any, count: Any) -> Any:
        return np.asarray(NOISE.update(grads, NoiseState(count))[0]["w"])

    steps = (*range(100), 2**32 + 5)
    due = [noise(on_numpy, t) for t in steps]
    assert all(np.array_equal(noise(on_jax, t), x) for t, x in zip(steps, due, strict=True))
    other = [noise(on_jax, jnp.asarray(t)) for t in steps[:-1]]
    apart = [not np.array_equal(a, b) for a, b in zip(other, due[:-1], strict=True)]
    assert 10 < sum(apart) < 90
    with jax.enable_x64(False), pytest.raises(OverflowError, match="int32"):
        jnp.asarray(steps[-1])


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    names = run_page("integrations/equinox.rst", tmp_path)
    assert names["accuracy"] > 0.9
    assert int(names["state"][1].count) == 200
