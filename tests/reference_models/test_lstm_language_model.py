"""The LSTM language model: published numbers, gradients, what is carried, what is dropped."""

import functools
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradnoise_core as gn
from gradnoise_core.random import leaf_key, words
from gradnoise_core.tree import flatten, map_leaves
from gradnoise_reference_models.layers import dropout as dropout_layer
from gradnoise_reference_models.layers import lstm
from gradnoise_reference_models.models import lstm_language_model as lm
from gradnoise_reference_models.models.lstm_language_model import Dropout, uniform

# torch.compile imports modules of torch that warn, says of caches that it sees through them, and
# takes NumPy arrays for tensors.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools:UserWarning"),
    pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning"),
]

V, N, L, T, B = 7, 5, 2, 4, 3
SEEDS = (0, 2**40 + 1, 5)
STEP = 11

solo_and_ensemble = pytest.mark.parametrize("seed", [0, SEEDS], ids=["solo", "ensemble"])
with_and_without = pytest.mark.parametrize("rate", [None, 0.3], ids=["plain", "dropout"])


# The test vectors.


def _filled(s: int, *shape: int) -> Any:
    return 0.6 * np.sin(s + 1.3 * np.arange(1, math.prod(shape) + 1)).reshape(shape)


def _vector() -> tuple[Any, Any, Any, Any]:
    """Return parameters, words, targets and state: V = 5, n = 3, L = 2, T = 3, B = 2."""
    layers = [
        {
            "input_weight": _filled(s, 12, 3).T,
            "recurrent_weight": _filled(s + 1, 12, 3).T,
            "bias": _filled(s + 2, 12),
        }
        for s in (2, 5)
    ]
    output = {"weight": _filled(8, 5, 3).T, "bias": _filled(9, 5)}
    params = {"embedding": {"weight": _filled(1, 5, 3)}, "lstm": layers, "output": output}
    state = tuple(
        lstm.State(np.full((2, 3), h), np.full((2, 3), c)) for h, c in ((-0.2, 0.1), (0.3, 0.05))
    )
    x, targets = ([[0, 1], [2, 3], [4, 1]], [[2, 3], [4, 1], [0, 2]])
    return params, np.asarray(x), np.asarray(targets), state


#: Without dropout, and with a mask that drops unit 0 everywhere and doubles the others: loss,
#: perplexity, final c of layer 1 and h of layer 2 (b = 0), norms of E, W1, U1, b1, W2, U2, b2, Wy,
#: by and of all, and two rows of gradients.
VECTORS = {
    "plain": (
        5.098707950211563,
        5.471590361807169,
        (-0.491107178, 0.1605609608, 0.0333002524),
        (0.2080343109, 0.0749883794, -0.0320411353),
        (
            *(0.0086278776, 0.0099220272, 0.0059172924, 0.0196294044, 0.0633759457),
            *(0.0461097181, 0.1667425603, 0.1944116057, 0.7730024107, 0.8184543433256851),
        ),
        (0.0010137869, 0.0034172203, 0.0008144179),
        (-0.0002143891, -0.0004303281, 0.0001198442),
    ),
    "mask": (
        5.001645874887891,
        5.297395536814407,
        (-0.4647571036, 0.1964104529, -0.0512201602),
        (0.1586359638, 0.0784077982, -0.0282968595),
        (
            *(0.0414633032, 0.0399082338, 0.0142120383, 0.0353831360, 0.1462912409),
            *(0.0361407483, 0.1290945751, 0.1200868300, 0.6626284441, 0.7054330675712649),
        ),
        (0.0, -0.0018585931, 0.0274125472),
        (0.0001182095, 0.0001101702, 0.0001292444),
    ),
}


@pytest.mark.parametrize("case", VECTORS)
def test_it_gives_the_published_numbers(
    library: Any, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    params, x, targets, state = _vector()
    dropout = None
    if case == "mask":
        mask = library.array([0.0, 2.0, 2.0], "float64")
        dropout = Dropout(0.5, 0, 0)
        monkeypatch.setattr(dropout_layer, "forward", lambda params, h, **_: (h * mask, mask))
    run = _whole(library, functools.partial(lm.loss_and_grads, dropout=dropout))
    loss, grads, after = run(
        _on(library, params),
        *(library.array(a, "int32") for a in (x, targets)),
        _on(library, state),
    )
    loss = float(loss)
    value, perplexity, c, h, norms, e, u = VECTORS[case]
    assert loss == pytest.approx(value, abs=1e-14)
    assert math.exp(loss / 3) == pytest.approx(perplexity, abs=1e-14)
    np.testing.assert_allclose(library.numpy(after[0].c)[0], c, atol=6e-11)
    np.testing.assert_allclose(library.numpy(after[1].h)[0], h, atol=6e-11)
    names = ("input_weight", "recurrent_weight", "bias")
    leaves = [grads["embedding"]["weight"], *(d[k] for d in grads["lstm"] for k in names)]
    leaves = [library.numpy(a) for a in (*leaves, grads["output"]["weight"])]
    leaves.append(library.numpy(grads["output"]["bias"]))
    found = [np.linalg.norm(a) for a in leaves]
    np.testing.assert_allclose([*found, np.linalg.norm(found)], norms, atol=6e-11)
    np.testing.assert_allclose(leaves[0][1], e, atol=6e-11)
    np.testing.assert_allclose(leaves[2][:, 0], u, atol=6e-11)


# Gradients.


def _lead(seed: Any) -> tuple[int, ...]:
    return (len(seed),) if isinstance(seed, tuple) else ()


def _case(seed: Any) -> tuple[Any, Any, Any, Any]:
    """Return parameters, words, targets and a state that is not zero, float64."""
    random = np.random.default_rng(3)
    params = lm.init(uniform(0.8), seed, V, N, L, dtype=np.dtype(np.float64))
    shape = (*_lead(seed), T, B)
    x, targets = random.integers(0, V, shape), random.integers(0, V, shape)
    state = tuple(
        lstm.State(*(0.5 * random.standard_normal((*_lead(seed), B, N)) for _ in range(2)))
        for _ in range(L)
    )
    return params, x, targets, state


def _setting(rate: float | None, seed: Any, step: Any = STEP) -> Dropout | None:
    return None if rate is None else Dropout(rate, seed, step)


def _masks(rate: float | None, seed: Any) -> list[Any]:
    """Return the multipliers of each connection, from words compared as 64-bit integers."""
    if rate is None:
        return [np.ones((*_lead(seed), T, B, N))] * (L + 1)
    out = []
    for path in (*(f"lstm/{i}" for i in range(L)), "output"):
        key = leaf_key(seed, path, STEP, domain="dropout")
        kept = words(key, (T, B, N)).astype(np.int64) + 2**31 >= int(rate * 2**32)
        out.append(kept / (1 - rate))
    return out


def _whole(library: Any, function: Any) -> Any:
    """Return `function`, on JAX as one program: there each eager operation is compiled alone."""
    return library.jit(function) if library.name.startswith("jax") else function


def _on(library: Any, tree: Any) -> Any:
    return map_leaves(lambda a: library.array(a, "float64"), tree)


_FOUND: dict[Any, list[Any]] = {}


def _ours(library: Any, seed: Any, rate: float | None) -> list[Any]:
    """Return loss, leaves of the gradient and of the state after, as NumPy arrays."""
    key = (library.name, seed, rate)
    if key not in _FOUND:  # to compile it takes JAX seconds
        params, x, targets, state = _case(seed)
        run = _whole(library, functools.partial(lm.loss_and_grads, dropout=_setting(rate, seed)))
        data = (library.array(a, "int64") for a in (x, targets))
        _FOUND[key] = _results(library, run(_on(library, params), *data, _on(library, state)))
    return _FOUND[key]


def _results(library: Any, found: Any) -> list[Any]:
    loss, *trees = found
    leaves = [a for tree in trees for a in flatten(tree, "tree").leaves]
    return [library.backend.to_numpy(loss), *(library.numpy(a) for a in leaves)]


@solo_and_ensemble
@with_and_without
def test_gradients_agree_with_central_differences(seed: Any, rate: float | None) -> None:
    params, x, targets, state = _case(seed)
    setting = _setting(rate, seed)
    _, grads, _ = lm.loss_and_grads(params, x, targets, state, dropout=setting)
    # eps**(1/3) balances a difference's truncation, h**2, with its rounding, eps / h.
    h = np.finfo(np.float64).eps ** (1 / 3)
    random = np.random.default_rng(1)
    leaves = flatten(params, "params").leaves
    for leaf, grad in zip(leaves, flatten(grads, "grads").leaves, strict=True):
        assert grad.shape == leaf.shape
        # Of a solo run every element; of an ensemble, some.
        every = np.arange(leaf.size)
        chosen = every if not _lead(seed) else random.choice(every, min(20, leaf.size), False)
        for index in zip(*np.unravel_index(chosen, leaf.shape), strict=True):
            kept, total = leaf[index], []
            for moved in (kept + h, kept - h):
                leaf[index] = moved
                loss = lm.loss_and_grads(params, x, targets, state, dropout=setting)[0]
                total.append(np.sum(loss))
            leaf[index] = kept
            expected = (total[0] - total[1]) / (2 * h)
            assert grad[index] == pytest.approx(expected, rel=1e-7, abs=1e-8)


def _by_replica(one: Any, lead: Any, *trees: Any) -> list[Any]:
    """Apply a function of one replica to each, so that no broadcasting is relied on."""
    if not lead:
        return [one(*trees)]
    return [one(*[map_leaves(lambda a, r=r: a[r], t) for t in trees]) for r in range(lead[0])]


@solo_and_ensemble
@with_and_without
def test_gradients_agree_with_torch_autograd(library: Any, seed: Any, rate: float | None) -> None:
    pytest.importorskip("torch")
    for a, b in zip(_ours(library, seed, rate), _by_torch(seed, rate), strict=False):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-13)


@functools.cache
def _by_torch(seed: Any, rate: float | None) -> list[Any]:
    """Return the loss and the leaves of its gradient."""
    import torch

    def order(a: Any) -> Any:  # i f o g -> i f g o, torch's
        i, f, o, g = torch.split(a, N, dim=-1)
        return torch.cat([i, f, g, o], dim=-1)

    def one(params: Any, state: Any, x: Any, targets: Any, masks: Any) -> Any:
        h = torch.nn.functional.embedding(x, params["embedding"]["weight"])
        for layer, (before, c), mask in zip(params["lstm"], state, masks, strict=False):
            weights = {
                "weight_ih_l0": order(layer["input_weight"]).T,
                "weight_hh_l0": order(layer["recurrent_weight"]).T,
                "bias_ih_l0": order(layer["bias"]),
                "bias_hh_l0": torch.zeros(4 * N, dtype=torch.float64),
            }
            made = torch.nn.LSTM(N, N, dtype=torch.float64)
            given = h * mask, (before[None], c[None])
            h, _ = torch.func.functional_call(made, weights, given)
        z = (h * masks[L]) @ params["output"]["weight"] + params["output"]["bias"]
        return T * torch.nn.functional.cross_entropy(z.reshape(-1, V), targets.reshape(-1))

    params, x, targets, state = _case(seed)
    theirs = map_leaves(lambda a: torch.tensor(a, requires_grad=True), params)
    rest = map_leaves(torch.tensor, (state, x, targets, _masks(rate, seed)))
    loss = torch.stack(_by_replica(one, _lead(seed), theirs, *rest))
    expected = torch.autograd.grad(loss.sum(), flatten(theirs, "params").leaves)
    return [loss.detach().numpy().reshape(_lead(seed)), *(a.numpy() for a in expected)]


@solo_and_ensemble
@with_and_without
def test_gradients_agree_with_jax_grad(library: Any, seed: Any, rate: float | None) -> None:
    pytest.importorskip("jax")
    loss, *found = _ours(library, seed, rate)
    total, *expected = _by_jax(seed, rate)
    np.testing.assert_allclose(np.sum(loss), total, rtol=1e-12)
    for a, b in zip(found, expected, strict=False):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-13)


@functools.cache
def _by_jax(seed: Any, rate: float | None) -> list[Any]:
    """Return the sum of the losses and the leaves of its gradient."""
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def layer(params: Any, state: Any, x: Any) -> Any:
        def cell(state: Any, x: Any) -> Any:
            h, c = state
            weights = jnp.concatenate([params["input_weight"], params["recurrent_weight"]])
            a = jnp.concatenate([x, h], axis=-1) @ weights + params["bias"]
            i, f, o, g = jnp.split(a, 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        return jax.lax.scan(cell, (state[0], state[1]), x)[1]

    def one(params: Any, state: Any, x: Any, targets: Any, masks: Any) -> Any:
        h = params["embedding"]["weight"][x]
        for weights, before, mask in zip(params["lstm"], state, masks, strict=False):
            h = layer(weights, before, h * mask)
        z = (h * masks[L]) @ params["output"]["weight"] + params["output"]["bias"]
        return -jnp.sum(jnp.take_along_axis(jax.nn.log_softmax(z), targets[..., None], -1)) / B

    params, x, targets, state = _case(seed)

    def total(params: Any) -> Any:
        rest = (state, x, targets, _masks(rate, seed))
        return sum(_by_replica(one, _lead(seed), params, *rest))

    loss, grads = jax.jit(jax.value_and_grad(total))(map_leaves(jnp.asarray, params))
    return [np.asarray(a) for a in (loss, *flatten(grads, "grads").leaves)]


@solo_and_ensemble
@with_and_without
def test_backward_and_loss_and_grads_give_the_same_gradient(seed: Any, rate: float | None) -> None:
    params, x, targets, state = _case(seed)
    logits, after, residuals = lm.forward(params, x, state, dropout=_setting(rate, seed))
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    grads = lm.backward(params, residuals, (p - np.eye(V)[targets]) / B)
    _, expected, last = lm.loss_and_grads(params, x, targets, state, dropout=_setting(rate, seed))
    for g, e in zip(
        flatten((grads, after), "a").leaves, flatten((expected, last), "b").leaves, strict=True
    ):
        np.testing.assert_allclose(g, e, rtol=1e-11, atol=1e-15)


def test_compiled_equals_numpy_for_every_step(library: Any) -> None:
    params, x, targets, state = _case(SEEDS)
    given = (_on(library, params), *(library.array(a, "int64") for a in (x, targets)))
    given = (*given, _on(library, state))
    traces: list[int] = []

    def step(params: Any, x: Any, targets: Any, state: Any, t: Any) -> Any:
        if library.name.startswith("jax"):  # Dynamo would guard the list's length
            traces.append(1)
        return lm.loss_and_grads(params, x, targets, state, dropout=Dropout(0.3, SEEDS, t))

    compiled = library.jit(step)
    seen = []
    for t in (0, 1):
        found = _results(library, compiled(*given, library.array(t, "int32")))
        setting = Dropout(0.3, SEEDS, t)
        expected = lm.loss_and_grads(params, x, targets, state, dropout=setting)
        leaves = [a for tree in expected for a in flatten(tree, "tree").leaves]
        for a, b in zip(found, leaves, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)
        seen.append(found[0])
    assert np.all(seen[0] != seen[1])
    if library.name.startswith("jax"):
        assert len(traces) == 1


# Replicas.


def _one_step(
    library: Any, seed: Any, params: Any, x: Any, targets: Any, rate: float | None
) -> list[Any]:
    """Return loss, parameters and state after a step with clipping, and NumPy's with noise."""
    optimizer = gn.chain(gn.clip_by_global_norm(0.5, replicas=not isinstance(seed, int)))
    if library.name == "numpy":
        optimizer = gn.noisy(gn.sgd(0.5), clip=0.5, seed=seed)

    def step(params: Any, x: Any, targets: Any) -> Any:
        loss, grads, state = lm.loss_and_grads(
            params, x, targets, lm.zero_state(params, B), dropout=_setting(rate, seed)
        )
        params, _ = gn.apply_gradients(optimizer, grads, optimizer.init(params), params)
        return loss, params, state

    data = (library.array(a, "int32") for a in (x, targets))
    return _results(library, _whole(library, step)(_on(library, params), *data))


@pytest.mark.parametrize(
    ("rate", "shared"), [(None, True), (0.3, False)], ids=["plain, one text", "dropout, own texts"]
)
def test_replica_r_equals_the_solo_run_with_seed_r(
    library: Any, rate: float | None, shared: bool
) -> None:
    if library.name.startswith("jax") and shared:
        pytest.skip("to compile it takes JAX seconds: texts of their own are enough")
    params, x, targets, _ = _case(SEEDS)
    given_x, given_targets = (x[0], targets[0]) if shared else (x, targets)
    together = _one_step(library, SEEDS, params, given_x, given_targets, rate)
    # To compile a solo run takes JAX seconds.
    for r in range(3) if library.name == "numpy" else [1]:
        own = 0 if shared else r
        mine = lm.init(uniform(0.8), SEEDS[r], V, N, L, dtype=np.dtype(np.float64))
        alone = _one_step(library, SEEDS[r], mine, x[own], targets[own], rate)
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[r], b, rtol=0, atol=1e-12)
            assert np.abs(a[r] - a[r - 1]).max() > 1e-3


@pytest.mark.parametrize("seed", [1, (1, 2)], ids=["solo", "ensemble"])
def test_init_draws_each_leaf_at_its_path(seed: Any) -> None:
    params = lm.init(uniform(0.1), seed, V, N, L)
    tree = flatten(params, "params")
    names = ("bias", "input_weight", "recurrent_weight")
    layers = [f"lstm/{i}/{name}" for i in range(L) for name in names]
    assert list(tree.paths) == ["embedding/weight", *layers, "output/bias", "output/weight"]
    for path, leaf in zip(tree.paths, tree.leaves, strict=True):
        shape = tuple(leaf.shape[len(_lead(seed)) :])
        word = words(leaf_key(seed, path, 0, domain="init"), shape).astype(np.float64)
        assert leaf.dtype == np.float32
        np.testing.assert_allclose(leaf, word / 2**31 * 0.1, rtol=2e-7)


def test_initial_weights_have_the_same_bits_everywhere(library: Any) -> None:
    for dtype in ("float32", "float64"):
        here = {"xp": library.xp, "dtype": getattr(library.xp, dtype), "device": library.device}
        draw = _whole(library, functools.partial(uniform(0.1), 3, "w", (50, 3), **here))
        expected = uniform(0.1)(3, "w", (50, 3), dtype=np.dtype(dtype))
        np.testing.assert_array_equal(library.numpy(draw()), expected, strict=True)


def test_initial_weights_are_uniform() -> None:
    n, a = 20_000, 0.1
    w = np.sort(uniform(a)(0, "w", (n,), dtype=np.dtype(np.float64)))
    distance = np.abs(w / (2 * a) + 0.5 - (np.arange(n) + 0.5) / n).max()
    assert distance < 1.63 / math.sqrt(n)  # Kolmogorov: exceeded once in a hundred
    shifted = np.abs(w / (2 * a) + 0.52 - (np.arange(n) + 0.5) / n).max()
    assert shifted > 1.63 / math.sqrt(n)


# The state that is carried.


@given(cuts=st.sets(st.integers(1, 9)), seed=st.integers(0, 2**32 - 1), b=st.integers(1, 3))
def test_a_text_in_windows_of_any_length_has_the_likelihood_of_the_text(
    cuts: set[int], seed: int, b: int
) -> None:
    random = np.random.default_rng(seed)
    params = lm.init(uniform(1.0), seed, V, N, L, dtype=np.dtype(np.float64))
    x, targets = random.integers(0, V, (2, 10, b))
    whole, last = lm.total_nll(params, x, targets, lm.zero_state(params, b))
    total, fresh, state = 0.0, 0.0, lm.zero_state(params, b)
    for start, stop in itertools.pairwise([0, *sorted(cuts), 10]):
        window = x[start:stop], targets[start:stop]
        nll, state = lm.total_nll(params, *window, state)
        total += nll
        fresh += lm.total_nll(params, *window, lm.zero_state(params, b))[0]
    assert total == pytest.approx(whole, rel=1e-13)
    for a, e in zip(flatten(state, "state").leaves, flatten(last, "last").leaves, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-12, atol=1e-15)
    # The negative control: a state that is not carried tells.
    assert (abs(fresh - whole) < 1e-9) == (not cuts)


def test_no_gradient_goes_through_the_state_that_is_carried() -> None:
    params, x, targets, state = _case(0)
    _, second, _ = lm.loss_and_grads(
        params, x[2:], targets[2:], lm.forward(params, x[:2], state)[1]
    )
    _, first, middle = lm.loss_and_grads(params, x[:2], targets[:2], state)
    _, again, _ = lm.loss_and_grads(params, x[2:], targets[2:], middle)
    _, whole, _ = lm.loss_and_grads(params, x, targets, state)
    for a, b in zip(flatten(second, "a").leaves, flatten(again, "b").leaves, strict=True):
        np.testing.assert_array_equal(a, b)
    paths = flatten(params, "params").paths
    for path, *leaves in zip(
        paths, *(flatten(g, "g").leaves for g in (first, again, whole)), strict=True
    ):
        truncated = leaves[0] + leaves[1]
        if path.startswith("output/"):
            np.testing.assert_allclose(truncated, leaves[2], rtol=1e-11, atol=1e-15)
        else:
            assert np.abs(truncated - leaves[2]).max() > 1e-4, path


# What it says of words.


def test_initial_perplexity_is_close_to_the_number_of_words() -> None:
    v = 500
    params = lm.init(uniform(0.1), (0, 1), v, 20, 2)
    x = np.random.default_rng(0).integers(0, v, (9, 4))
    nll, _ = lm.total_nll(params, x[:-1], x[1:], lm.zero_state(params, 4))
    assert nll.shape == (2,)
    np.testing.assert_allclose(np.exp(nll / 32), v, rtol=0.02)


def test_the_loss_is_a_sum_over_steps_and_a_mean_over_the_batch() -> None:
    params, x, targets, state = _case(0)
    loss, _, _ = lm.loss_and_grads(params, x, targets, state)
    nll, _ = lm.total_nll(params, x, targets, state)
    assert loss == pytest.approx(nll / B, rel=1e-14)
    logits = lm.forward(params, x, state)[0]
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    picked = np.take_along_axis(p, targets[..., None], -1)
    assert loss == pytest.approx(-np.log(picked)[..., 0].mean(-1).sum(), rel=1e-13)


def test_large_logits_do_not_overflow() -> None:
    params = lm.init(uniform(0.1), 0, V, N, L)
    params["output"]["bias"] = np.asarray([1e4, *(0,) * (V - 1)], np.float32)
    x = np.zeros((T, B), np.int32)
    loss, grads, _ = lm.loss_and_grads(params, x, x + 1, lm.zero_state(params, B))
    assert loss == pytest.approx(T * 1e4, rel=1e-4)
    assert all(np.isfinite(g).all() for g in flatten(grads, "grads").leaves)


@pytest.mark.parametrize("where", ["x", "targets"])
@pytest.mark.parametrize("word", [-1, V])
def test_a_word_outside_the_vocabulary_makes_the_loss_of_its_replica_nan(
    library: Any, where: str, word: int
) -> None:
    params, x, targets, state = _case(SEEDS)
    (x if where == "x" else targets)[1, 2, 1] = word
    data = (library.array(a, "int32") for a in (x, targets))
    nll, _ = _whole(library, lm.total_nll)(_on(library, params), *data, _on(library, state))
    assert np.isnan(library.numpy(nll)).tolist() == [False, True, False]


def test_targets_of_another_shape_are_refused() -> None:
    params, x, targets, state = _case(0)
    with pytest.raises(
        ValueError, match=r"`targets` must have one target a word, got shape \(3, 3"
    ):
        lm.loss_and_grads(params, x, targets[1:], state)


@pytest.mark.parametrize("name", ["vocabulary", "units", "layers"])
def test_sizes_below_one_are_refused(name: str) -> None:
    sizes = {"vocabulary": V, "units": N, "layers": L, name: 0}
    with pytest.raises(ValueError, match=f"`{name}` must be an integer >= 1, got 0"):
        lm.init(uniform(), 0, **sizes)


def test_a_bound_below_zero_and_an_integer_dtype_are_refused() -> None:
    with pytest.raises(ValueError, match="`bound` must be a finite number >= 0, got -1"):
        uniform(-1.0)
    with pytest.raises(ValueError, match="`dtype` must be a real floating dtype, got int32"):
        uniform(0.1)(0, "w", (2,), dtype=np.dtype(np.int32))
