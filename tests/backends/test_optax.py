"""optax by composition: the noise as a link of its chain, in a real training run."""

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
    TOLERANCE,
    UPDATES,
    distance,
    first_weights,
    minibatches,
    schedule,
    trained,
)

import gradnoise_core as gn

PATHS = ("hidden/w", "hidden/b", "out/w", "out/b")
OURS = gn.adam(RATE, dialect="optax")
CLIPPING = gn.clip_by_global_norm(CLIP)
NOISE = gn.add_gradient_noise(ETA, seed=SEED)
WEIGHT_NOISE = gn.add_weight_noise(1e-4, seed=SEED)
SCHEDULED = gn.add_gradient_noise(schedule=schedule, seed=SEED)


@pytest.fixture(scope="module")
def optax() -> Any:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    return pytest.importorskip("optax")


def run(optimizer: Any, *, micro: int = 1, stop: int = 0, folder: Path | None = None) -> list[Any]:
    """Return the weights after all updates; saved and loaded after `stop` of them."""
    import jax
    import jax.numpy as jnp
    import optax

    def loss(params: Any, x: Any, y: Any) -> Any:
        hidden = jax.nn.relu(x @ params["hidden"]["w"] + params["hidden"]["b"])
        logits = hidden @ params["out"]["w"] + params["out"]["b"]
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    @jax.jit  # type: ignore[untyped-decorator]
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        updates, state = optimizer.update(jax.grad(loss)(params, x, y), state, params)
        return optax.apply_updates(params, updates), state

    hidden, out = (
        dict(zip("wb", map(jnp.asarray, pair), strict=True))
        for pair in (first_weights()[:2], first_weights()[2:])
    )
    params = {"hidden": hidden, "out": out}
    state = optimizer.init(params)
    x, y = minibatches(UPDATES * micro)
    for i in range(UPDATES * micro):
        if stop and i == stop:
            assert folder is not None
            leaves, treedef = jax.tree.flatten((params, state))
            np.savez(folder / "half.npz", *leaves)
            with np.load(folder / "half.npz") as saved:
                params, state = jax.tree.unflatten(treedef, list(saved.values()))
        part = slice(i * BATCH, (i + 1) * BATCH)
        params, state = step(params, state, x[part], y[part])
    return [np.asarray(params[layer][name]) for layer in ("hidden", "out") for name in "wb"]


@functools.cache
def reference(*links: Any, micro: int = 1) -> list[Any]:
    final: list[Any] = trained(gn.chain(*links), PATHS, micro=micro)[-1]
    return final


def test_a_run_is_numpys(optax: Any) -> None:
    found = run(optax.chain(optax.clip_by_global_norm(CLIP), NOISE, optax.adam(RATE)))
    assert distance(found, reference(CLIPPING, NOISE, OURS)) <= TOLERANCE
    assert distance(found, reference(NOISE, CLIPPING, OURS)) > APART
    assert distance(found, reference(CLIPPING, OURS)) > APART


def test_a_run_with_noise_on_the_weights_is_numpys(optax: Any) -> None:
    chain = optax.chain(optax.clip_by_global_norm(CLIP), optax.adam(RATE), WEIGHT_NOISE)
    assert distance(run(chain), reference(CLIPPING, OURS, WEIGHT_NOISE)) <= TOLERANCE


def test_any_schedule(optax: Any) -> None:
    found = run(optax.chain(SCHEDULED, optax.adam(RATE)))
    assert distance(found, reference(SCHEDULED, OURS)) <= TOLERANCE


def test_a_chain_of_ours_takes_links_of_theirs(optax: Any) -> None:
    found = run(gn.chain(optax.clip_by_global_norm(CLIP), NOISE, optax.adam(RATE)))
    assert distance(found, reference(CLIPPING, NOISE, OURS)) <= TOLERANCE


def test_a_resumed_run_is_numpys(optax: Any, tmp_path: Path) -> None:
    chain = optax.chain(optax.clip_by_global_norm(CLIP), NOISE, optax.adam(RATE))
    found = run(chain, stop=HALF, folder=tmp_path)
    assert distance(found, reference(CLIPPING, NOISE, OURS)) <= TOLERANCE


def test_a_count_that_is_not_resumed_is_told_apart(optax: Any) -> None:
    def forgetful(grads: Any, state: Any, params: Any = None) -> Any:
        noisy, after = NOISE.update(grads, state._replace(count=state.count % HALF), params)
        return noisy, after._replace(count=state.count + 1)

    chain = optax.chain(
        optax.clip_by_global_norm(CLIP),
        optax.GradientTransformation(NOISE.init, forgetful),
        optax.adam(RATE),
    )
    assert distance(run(chain), reference(CLIPPING, NOISE, OURS)) > APART


def test_accumulated_gradients_get_noise_once_an_update(optax: Any) -> None:
    chain = optax.chain(optax.clip_by_global_norm(CLIP), NOISE, optax.adam(RATE))
    found = run(optax.MultiSteps(chain, 2), micro=2)
    assert distance(found, reference(CLIPPING, NOISE, OURS, micro=2)) <= TOLERANCE


def test_the_page_runs(optax: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    names = run_page("integrations/optax.rst", tmp_path)
    assert names["accuracy"] > 0.9
    assert int(names["state"][1].count) == 200
