"""The multilayer perceptron."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradnoise_core as gn
from gradnoise_core.random import leaf_key, words
from gradnoise_core.tree import flatten, map_leaves
from gradnoise_reference_models.initializers import (
    INITIALIZERS,
    gaussian,
    he_normal,
    random_walk,
    zeros,
)
from gradnoise_reference_models.models import mlp
from gradnoise_reference_models.models.mlp import Dropout

# torch.compile imports modules of torch that warn, says of caches that it sees through them, and
# takes NumPy arrays for tensors.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools:UserWarning"),
    pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning"),
]

SIZES, BATCH = (4, 6, 5, 3), 7
SEEDS = (0, 2**40 + 1, 5)

solo_and_ensemble = pytest.mark.parametrize("seed", [0, SEEDS], ids=["solo", "ensemble"])
with_and_without = pytest.mark.parametrize("rate", [None, 0.3], ids=["plain", "dropout"])


def _lead(seed: Any) -> tuple[int, ...]:
    return (len(seed),) if isinstance(seed, tuple) else ()


def _data(seed: Any) -> tuple[Any, Any]:
    random = np.random.default_rng(3)
    lead = _lead(seed)
    return random.standard_normal((*lead, BATCH, SIZES[0])), random.integers(0, 3, (*lead, BATCH))


def _params(seed: Any) -> Any:
    """Return NumPy parameters whose biases are not 0, so that they are tested too."""
    params = mlp.init(he_normal(), seed, SIZES, dtype=np.dtype(np.float64))
    random = np.random.default_rng(4)
    for layer in params["layers"]:
        layer["bias"] = 0.2 * random.standard_normal(layer["bias"].shape)
    return params


def _setting(rate: float | None, seed: Any, step: Any = 11) -> Dropout | None:
    return None if rate is None else Dropout(rate, seed, step)


def _whole(library: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, on JAX as one program: there each eager operation is compiled alone."""
    return library.jit(function) if library.name == "jax" else function


def _on(library: Any, params: Any) -> Any:
    return map_leaves(lambda a: library.array(a, "float64"), params)


def _leaves(library: Any, tree: Any) -> list[Any]:
    return [library.numpy(a) for a in flatten(tree, "tree").leaves]


def _loss_and_grads(library: Any, params: Any, x: Any, labels: Any, setting: Any) -> list[Any]:
    """Return the loss and the gradient's leaves, as NumPy arrays."""
    function = _whole(library, functools.partial(mlp.loss_and_grads, dropout=setting))
    data = library.array(x, "float64"), library.array(labels, "int64")
    loss, grads = function(_on(library, params), *data)
    return [_scalars(library, loss), *_leaves(library, grads)]


def _scalars(library: Any, a: Any) -> Any:
    """Return one number a replica; NumPy makes a scalar, no array, of a solo run's."""
    return library.backend.to_numpy(a)


def _masks(rate: float | None, seed: Any) -> list[Any]:
    """Return a multiplier for each hidden layer, from words compared as 64-bit integers."""
    masks = []
    for i, n in enumerate(SIZES[1:-1]):
        if rate is None:
            masks.append(np.ones((*_lead(seed), BATCH, n)))
        else:
            key = leaf_key(seed, f"layers/{i}", 11, domain="dropout")
            kept = words(key, (BATCH, n)).astype(np.int64) + 2**31 >= int(rate * 2**32)
            masks.append(kept / (1 - rate))
    return masks


@solo_and_ensemble
@with_and_without
def test_gradients_agree_with_central_differences(seed: Any, rate: float | None) -> None:
    params, (x, labels) = _params(seed), _data(seed)
    setting = _setting(rate, seed)
    # eps**(1/3) balances the difference's truncation error, h**2, with its rounding error, eps/h,
    # for parameters of scale 1; both are then near eps**(2/3) = 4e-11.
    h = np.finfo(np.float64).eps ** (1 / 3)
    h_in = x
    for layer, mask in zip(params["layers"], _masks(rate, seed), strict=False):
        a = h_in @ layer["weight"] + layer["bias"][..., None, :]
        assert np.abs(a).min() > 100 * h  # no step crosses a kink
        h_in = np.maximum(a, 0) * mask
    _, grads = mlp.loss_and_grads(params, x, labels, dropout=setting)
    _, dx = _backward_of_loss(params, x, labels, setting)
    leaves = [*flatten(params, "params").leaves, x]
    for leaf, grad in zip(leaves, [*flatten(grads, "grads").leaves, dx], strict=True):
        assert grad.shape == leaf.shape
        for index in np.ndindex(leaf.shape):
            kept, total = leaf[index], []
            for moved in (kept + h, kept - h):
                leaf[index] = moved
                total.append(np.sum(mlp.loss_and_grads(params, x, labels, dropout=setting)[0]))
            leaf[index] = kept
            expected = (total[0] - total[1]) / (2 * h)
            assert grad[index] == pytest.approx(expected, rel=1e-7, abs=1e-9)


def _backward_of_loss(params: Any, x: Any, labels: Any, setting: Any) -> tuple[Any, Any]:
    """Return `backward` of the sum of the losses, its dlogits formed another way."""
    logits, residuals = mlp.forward(params, x, dropout=setting)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return mlp.backward(params, residuals, (p - np.eye(3)[labels]) / BATCH)


@solo_and_ensemble
@with_and_without
def test_backward_and_loss_and_grads_give_the_same_gradient(seed: Any, rate: float | None) -> None:
    params, (x, labels) = _params(seed), _data(seed)
    grads, _ = _backward_of_loss(params, x, labels, _setting(rate, seed))
    _, expected = mlp.loss_and_grads(params, x, labels, dropout=_setting(rate, seed))
    for g, e in zip(flatten(grads, "grads").leaves, flatten(expected, "grads").leaves, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-12, atol=1e-15)


def _by_replica(one: Any, stack: Any, seed: Any, *trees: Any) -> Any:
    """Apply a function of one replica to each, so that no broadcasting is relied on."""
    if not _lead(seed):
        return one(*trees)
    return stack([one(*[map_leaves(lambda a, r=r: a[r], t) for t in trees]) for r in range(3)])


@solo_and_ensemble
@with_and_without
def test_gradients_agree_with_torch_autograd(library: Any, seed: Any, rate: float | None) -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    params, (x, labels) = _params(seed), _data(seed)

    def one(params: Any, x: Any, labels: Any, masks: list[Any]) -> Any:
        *hidden, last = params["layers"]
        for layer, mask in zip(hidden, masks, strict=True):
            x = functional.relu(functional.linear(x, layer["weight"].T, layer["bias"])) * mask
        return functional.cross_entropy(
            functional.linear(x, last["weight"].T, last["bias"]), labels
        )

    theirs = map_leaves(lambda a: torch.tensor(a, requires_grad=True), params)
    data = [torch.tensor(x), torch.tensor(labels), [torch.tensor(m) for m in _masks(rate, seed)]]
    loss = _by_replica(one, torch.stack, seed, theirs, *data)
    expected = torch.autograd.grad(loss.sum(), flatten(theirs, "params").leaves)
    found = _loss_and_grads(library, params, x, labels, _setting(rate, seed))
    np.testing.assert_allclose(found[0], loss.detach().numpy(), rtol=1e-13)
    for g, e in zip(found[1:], expected, strict=True):
        np.testing.assert_allclose(g, e.numpy(), rtol=1e-11, atol=1e-14)


@solo_and_ensemble
@with_and_without
def test_gradients_agree_with_jax_grad(library: Any, seed: Any, rate: float | None) -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    params, (x, labels) = _params(seed), _data(seed)

    def one(params: Any, x: Any, labels: Any, masks: list[Any]) -> Any:
        *hidden, last = params["layers"]
        for layer, mask in zip(hidden, masks, strict=True):
            x = jax.nn.relu(jnp.einsum("bi,io->bo", x, layer["weight"]) + layer["bias"]) * mask
        logits = jnp.einsum("bi,io->bo", x, last["weight"]) + last["bias"]
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(BATCH), labels])

    def total(params: Any) -> Any:
        return jnp.sum(_by_replica(one, jnp.stack, seed, params, x, labels, _masks(rate, seed)))

    loss, grads = jax.value_and_grad(total)(map_leaves(jnp.asarray, params))
    found = _loss_and_grads(library, params, x, labels, _setting(rate, seed))
    np.testing.assert_allclose(np.sum(found[0]), loss, rtol=1e-13)
    for g, e in zip(found[1:], flatten(grads, "grads").leaves, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-11, atol=1e-14)


@solo_and_ensemble
@with_and_without
def test_compiled_equals_eager_for_every_step(library: Any, seed: Any, rate: float | None) -> None:
    params, (x, labels) = _on(library, _params(seed)), _data(seed)
    x, labels = library.array(x, "float64"), library.array(labels, "int64")
    traces: list[int] = []

    def step(params: Any, x: Any, labels: Any, t: Any) -> Any:
        if library.name == "jax":  # Dynamo would guard the list's length
            traces.append(1)
        return mlp.loss_and_grads(params, x, labels, dropout=_setting(rate, seed, t))

    mlp.loss_and_grads(params, x, labels)  # A backend is looked up once, outside of any trace.
    compiled = library.jit(step)
    for t in (0, 1, 2):
        loss, grads = compiled(params, x, labels, library.array(t, "int32"))
        found = [_scalars(library, loss), *_leaves(library, grads)]
        eager_loss, eager_grads = mlp.loss_and_grads(
            params, x, labels, dropout=_setting(rate, seed, t)
        )
        expected = [_scalars(library, eager_loss), *_leaves(library, eager_grads)]
        for g, e in zip(found, expected, strict=True):
            np.testing.assert_allclose(g, e, rtol=1e-11, atol=1e-14)
    if library.name == "jax":
        assert len(traces) == 1


def _one_step(library: Any, seed: Any, x: Any, labels: Any, rate: float | None) -> list[Any]:
    """Return the parameters, float64, after one noisy step from their own initialization."""
    xp = library.xp
    optimizer = gn.noisy(gn.sgd(0.1), clip=10.0, seed=seed)

    def step(x: Any, labels: Any) -> Any:
        params = mlp.init(he_normal(), seed, SIZES, xp=xp, dtype=xp.float64, device=library.device)
        _, grads = mlp.loss_and_grads(params, x, labels, dropout=_setting(rate, seed, 0))
        updates, _ = optimizer.update(grads, optimizer.init(params), params)
        return gn.apply_updates(params, updates)

    data = library.array(x, "float64"), library.array(labels, "int64")
    return _leaves(library, _whole(library, step)(*data))


@pytest.mark.parametrize(("rate", "scale"), [(None, 1.0), (0.3, 1e3)], ids=["plain", "all"])
def test_replica_r_equals_the_solo_run_with_seed_r(
    library: Any, rate: float | None, scale: float
) -> None:
    x, labels = _data(SEEDS)
    together = _one_step(library, SEEDS, scale * x, labels, rate)
    for r, seed in enumerate(SEEDS):
        alone = _one_step(library, seed, scale * x[r], labels[r], rate)
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[r], b, rtol=0, atol=1e-12)
            assert np.abs(a[r] - a[r - 1]).max() > 1e-3


def test_noise_and_masks_of_replica_r_are_the_solo_runs_to_the_bit(library: Any) -> None:
    x, _ = _data(SEEDS)

    def noise_and_masks(seed: Any, x: Any) -> list[Any]:
        xp = library.xp
        noise = gn.add_gradient_noise(seed=seed)

        def draw(x: Any) -> Any:
            params = mlp.init(zeros(), seed, SIZES, xp=xp, dtype=xp.float64, device=library.device)
            updates, _ = noise.update(params, noise.init(params))
            _, residuals = mlp.forward(params, x, dropout=Dropout(0.4, seed, 2))
            return updates, [r[2] for r in residuals[:-1]]

        return _leaves(library, _whole(library, draw)(library.array(x, "float64")))

    together = noise_and_masks(SEEDS, x)
    for r, seed in enumerate(SEEDS):
        for a, b in zip(together, noise_and_masks(seed, x[r]), strict=True):
            np.testing.assert_array_equal(a[r], b, strict=True)
            assert np.any(b)


@pytest.mark.parametrize("seed", [1, (1, 2)], ids=["solo", "ensemble"])
def test_init_draws_each_leaf_at_its_path(library: Any, seed: Any) -> None:
    xp = library.xp
    for initializer in INITIALIZERS.values():
        settings = {"xp": xp, "dtype": xp.float32, "device": library.device}
        params = _whole(
            library, functools.partial(mlp.init, initializer, seed, SIZES, **settings)
        )()
        tree = flatten(params, "params")
        assert list(tree.paths) == [
            f"layers/{i}/{kind}" for i in range(3) for kind in ("bias", "weight")
        ]
        for path, leaf in zip(tree.paths, tree.leaves, strict=True):
            i = int(path.split("/")[1])
            if path.endswith("bias"):
                expected = np.zeros((*_lead(seed), SIZES[i + 1]), np.float32)
            else:
                expected = initializer(seed, path, SIZES[i : i + 2])
            np.testing.assert_array_equal(library.numpy(leaf), expected, strict=True)


@solo_and_ensemble
def test_with_zero_weights_only_the_last_bias_has_a_gradient(library: Any, seed: Any) -> None:
    x, labels = _data(seed)
    params = mlp.init(zeros(), seed, SIZES, dtype=np.dtype(np.float64))
    loss, *grads = _loss_and_grads(library, params, x, labels, None)
    np.testing.assert_allclose(loss, math.log(3), rtol=1e-14)
    for path, grad in zip(flatten(params, "params").paths, grads, strict=True):
        if path == "layers/2/bias":
            counts = np.stack([np.sum(labels == c, axis=-1) for c in range(3)], axis=-1)
            np.testing.assert_allclose(grad, 1 / 3 - counts / BATCH, atol=1e-15)
            assert np.all(grad != 0)
        else:
            assert not grad.any(), path


def test_a_hidden_layer_of_dead_units_stops_every_gradient_below_it() -> None:
    params, (x, labels) = _params(0), _data(0)
    params["layers"][1]["bias"] = np.full(SIZES[2], -1e3)
    _, grads = mlp.loss_and_grads(params, x, labels)
    for layer in grads["layers"][:2]:
        assert not layer["weight"].any()
        assert not layer["bias"].any()
    assert grads["layers"][2]["bias"].all()


def test_predictions_and_accuracy(library: Any) -> None:
    x, labels = _data(SEEDS)
    params = _params(SEEDS)
    theirs = _on(library, params)
    x_there, labels_there = library.array(x, "float32"), library.array(labels, "int64")
    theirs = map_leaves(lambda a: library.xp.astype(a, library.xp.float32), theirs)
    predicted = library.numpy(mlp.predict(theirs, x_there))
    h = x
    for layer in params["layers"][:-1]:
        h = np.maximum(np.einsum("rbi,rio->rbo", h, layer["weight"]) + layer["bias"][:, None], 0)
    last = params["layers"][-1]
    logits = np.einsum("rbi,rio->rbo", h, last["weight"]) + last["bias"][:, None]
    np.testing.assert_array_equal(predicted, logits.argmax(-1))
    accuracy = mlp.accuracy(theirs, x_there, labels_there)
    assert accuracy.dtype == library.xp.float32
    expected = [np.mean(logits[r].argmax(-1) == labels[r]) for r in range(3)]
    np.testing.assert_allclose(library.numpy(accuracy), expected, rtol=1e-6)
    assert len(set(expected)) > 1


def test_equal_logits_predict_the_first_class(library: Any) -> None:
    params = mlp.init(zeros(), 0, SIZES, xp=library.xp, device=library.device)
    x = library.array(np.ones((5, 4)))
    assert not library.numpy(mlp.predict(params, x)).any()
    accuracy = mlp.accuracy(params, x, library.array([0, 1, 0, 2, 0], "int64"))
    assert float(accuracy) == pytest.approx(0.6)


def test_one_batch_that_all_replicas_see(library: Any) -> None:
    params, (x, labels) = _params(SEEDS), _data(0)
    shared = _loss_and_grads(library, params, x, labels, Dropout(0.3, SEEDS, 0))
    repeated = _loss_and_grads(
        library, params, np.stack([x] * 3), np.stack([labels] * 3), Dropout(0.3, SEEDS, 0)
    )
    for a, b in zip(shared, repeated, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15, strict=True)
    accuracy = mlp.accuracy(
        _on(library, params), library.array(x, "float64"), library.array(labels, "int64")
    )
    assert tuple(accuracy.shape) == (3,)


def test_nothing_is_written_to(library: Any) -> None:
    params, (x, labels) = _on(library, _params(0)), _data(0)
    before = _leaves(library, params)
    before = [a.copy() for a in before]
    x_there = library.array(x, "float64")
    mlp.loss_and_grads(params, x_there, library.array(labels, "int64"), dropout=Dropout(0.5, 0, 0))
    np.testing.assert_array_equal(library.numpy(x_there), x)
    for a, b in zip(_leaves(library, params), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_dropout_with_other_seeds_than_the_ensemble_is_refused() -> None:
    params, (x, labels) = _params(SEEDS), _data(SEEDS)
    with pytest.raises(
        ValueError, match=r"`x` must have a leading replica axis of size 2.*layers/0"
    ):
        mlp.loss_and_grads(params, x, labels, dropout=Dropout(0.5, (0, 1), 0))


@pytest.mark.parametrize("bad", [(), (3,), (3, 0, 2), (3, -1)])
def test_sizes_must_be_two_or_more_positive_integers(bad: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"`sizes.* must be"):
        mlp.init(gaussian(), 0, bad)


def test_sizes_must_be_integers() -> None:
    with pytest.raises(TypeError, match=r"`sizes\[1\]` must be an integer, got 2.5"):
        mlp.init(random_walk(), 0, (3, 2.5, 2))  # type: ignore[arg-type]
