"""The LSTM layer: its gradient, its pieces and its steps, and the frameworks' own layers."""

import functools
from typing import Any

import numpy as np
import pytest

from gradnoise_core.tree import flatten, map_leaves
from gradnoise_reference_models.initializers import gaussian
from gradnoise_reference_models.layers import lstm

# torch.compile imports modules of torch that warn.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

T, B, M, N, R = 4, 3, 2, 5, 2

solo_and_ensemble = pytest.mark.parametrize("lead", [(), (R,)], ids=["solo", "ensemble"])


def _params(lead: Any) -> dict[str, Any]:
    random = np.random.default_rng(2)
    shapes = {"input_weight": (M, 4 * N), "recurrent_weight": (N, 4 * N), "bias": (4 * N,)}
    return {k: 0.7 * random.standard_normal((*lead, *shape)) for k, shape in shapes.items()}


def _normals(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def _inputs(lead: Any) -> tuple[Any, lstm.State]:
    state = lstm.State(_normals(4, *lead, B, N), _normals(5, *lead, B, N))
    return _normals(3, *lead, T, B, M), state


def _cotangents(lead: Any) -> tuple[Any, lstm.State]:
    """Return dy, and the gradient with respect to the last state beyond that through y."""
    return _normals(6, *lead, T, B, N), lstm.State(
        _normals(7, *lead, B, N), _normals(8, *lead, B, N)
    )


def _whole(library: Any, function: Any) -> Any:
    """Return `function`, on JAX as one program: there each eager operation is compiled alone."""
    return library.jit(function) if library.name.startswith("jax") else function


def _vjp(params: Any, x: Any, state: Any, dy: Any, dstate: Any) -> Any:
    """Return y, the last state, and the gradients of parameters, x and the first state."""
    y, after, residuals = lstm.forward(params, x, state)
    return y, after, *lstm.backward(params, residuals, dy, dstate)


def _on(library: Any, tree: Any) -> Any:
    return map_leaves(lambda a: library.array(a, "float64"), tree)


_FOUND: dict[Any, list[Any]] = {}


def _ours(library: Any, lead: Any) -> list[Any]:
    """Return the results of `_vjp`, leaf by leaf, as NumPy arrays."""
    if (library.name, lead) not in _FOUND:  # to compile it takes JAX a second
        given = [_params(lead), *_inputs(lead), *_cotangents(lead)]
        _FOUND[library.name, lead] = _results(library, given)
    return _FOUND[library.name, lead]


def _results(library: Any, given: list[Any]) -> list[Any]:
    results = _whole(library, _vjp)(*(_on(library, a) for a in given))
    return [library.numpy(a) for part in results for a in flatten(part, "result").leaves]


def _by_hand(params: Any, x: Any, state: Any, xp: Any, sigm: Any) -> tuple[Any, Any, Any]:
    """Return all outputs and the last state of one replica, gate by gate from the equations."""
    h, c = state
    hs = []
    for t in range(T):
        a = x[t] @ params["input_weight"] + h @ params["recurrent_weight"] + params["bias"]
        i, f, o, g = (a[:, k * N : (k + 1) * N] for k in range(4))
        c = sigm(f) * c + sigm(i) * xp.tanh(g)
        h = sigm(o) * xp.tanh(c)
        hs.append(h)
    return xp.stack(hs), h, c


def _replicas(one: Any, lead: Any, stack: Any, *trees: Any) -> Any:
    if not lead:
        return one(*trees)
    parts = [one(*[map_leaves(lambda a, r=r: a[r], t) for t in trees]) for r in range(R)]
    return tuple(stack(p) for p in zip(*parts, strict=True))


@solo_and_ensemble
def test_gradients_agree_with_central_differences(lead: Any) -> None:
    params, (x, state), (dy, dstate) = _params(lead), _inputs(lead), _cotangents(lead)
    _, _, dparams, dx, before = _vjp(params, x, state, dy, dstate)
    leaves = [*flatten(params, "params").leaves, x, *state]
    grads = [*flatten(dparams, "grads").leaves, dx, *before]

    def value() -> Any:
        y, after, _ = lstm.forward(params, x, state)
        return np.sum(y * dy) + np.sum(after.h * dstate.h) + np.sum(after.c * dstate.c)

    # eps**(1/3) balances a difference's truncation, h**2, with its rounding, eps / h.
    h = np.finfo(np.float64).eps ** (1 / 3)
    for leaf, grad in zip(leaves, grads, strict=True):
        assert grad.shape == leaf.shape
        for index in np.ndindex(leaf.shape):
            kept, found = leaf[index], []
            for moved in (kept + h, kept - h):
                leaf[index] = moved
                found.append(value())
            leaf[index] = kept
            expected = (found[0] - found[1]) / (2 * h)
            assert grad[index] == pytest.approx(expected, rel=1e-7, abs=1e-8)


@solo_and_ensemble
def test_it_agrees_with_the_lstm_of_torch(library: Any, lead: Any) -> None:
    pytest.importorskip("torch")
    for a, b in zip(_ours(library, lead), _by_torch(lead), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


@functools.cache
def _by_torch(lead: Any) -> list[Any]:
    import torch

    def one(params: Any, x: Any, state: Any) -> Any:
        def theirs(a: Any) -> Any:  # (fan_in, i f o g) -> (i f g o, fan_in)
            i, f, o, g = torch.split(a, N, dim=-1)
            return torch.cat([i, f, g, o], dim=-1).mT if a.ndim > 1 else torch.cat([i, f, g, o])

        layer = torch.nn.LSTM(M, N, dtype=torch.float64)
        weights = {
            "weight_ih_l0": theirs(params["input_weight"]),
            "weight_hh_l0": theirs(params["recurrent_weight"]),
            "bias_ih_l0": theirs(params["bias"]),
            "bias_hh_l0": torch.zeros(4 * N, dtype=torch.float64),
        }
        h, c = (a[None] for a in state)
        y, (h, c) = torch.func.functional_call(layer, weights, (x, (h, c)))
        return y, h[0], c[0]

    x, state = _inputs(lead)
    tree = map_leaves(lambda a: torch.tensor(a, requires_grad=True), (_params(lead), x, state))
    y, h, c = _replicas(one, lead, torch.stack, *tree)
    dy, dstate = _cotangents(lead)
    cotangents = [torch.tensor(a) for a in (dy, *dstate)]
    expected = torch.autograd.grad([y, h, c], flatten(tree, "tree").leaves, cotangents)
    return [a.detach().numpy() for a in (y, h, c, *expected)]


@solo_and_ensemble
def test_it_agrees_with_jax_vjp(library: Any, lead: Any) -> None:
    pytest.importorskip("jax")
    for a, b in zip(_ours(library, lead), _by_jax(lead), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


@functools.cache
def _by_jax(lead: Any) -> list[Any]:
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    one = functools.partial(_by_hand, xp=jnp, sigm=jax.nn.sigmoid)
    x, state = _inputs(lead)

    def both(tree: Any, cotangents: Any) -> Any:
        y, pull = jax.vjp(lambda t: _replicas(one, lead, jnp.stack, *t), tree)
        return y, pull(cotangents)[0]

    dy, dstate = _cotangents(lead)
    y, grads = jax.jit(both)((_params(lead), x, state), (dy, *dstate))
    return [np.asarray(a) for a in (*y, *flatten(grads, "grads").leaves)]


def test_one_sequence_that_all_replicas_see_is_that_sequence_for_each(library: Any) -> None:
    lead, x = (R,), _normals(9, T, B, M)
    _, state = _inputs(lead)
    one, each = (
        _results(library, [_params(lead), given, state, *_cotangents(lead)])
        for given in (x, np.stack([x] * R))
    )
    for a, b in zip(one, each, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_replica_r_is_the_solo_layer(library: Any) -> None:
    together = _ours(library, (R,))
    for r in range(R):
        given = (_params((R,)), *_inputs((R,)), *_cotangents((R,)))
        alone = _results(library, [map_leaves(lambda a, r=r: a[r], tree) for tree in given])
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[r], b, rtol=1e-12, atol=1e-14)
            assert np.abs(a[r] - a[r - 1]).max() > 1e-3


def test_compiled_equals_numpy(library: Any) -> None:
    given = [_params((R,)), *_inputs((R,)), *_cotangents((R,))]
    found = library.jit(_vjp)(*(_on(library, a) for a in given))
    for part, expected in zip(found, _vjp(*given), strict=True):
        for a, b in zip(
            flatten(part, "part").leaves, flatten(expected, "part").leaves, strict=True
        ):
            np.testing.assert_allclose(library.numpy(a), b, rtol=1e-11, atol=1e-13)


@solo_and_ensemble
@pytest.mark.parametrize("first", [1, 2, 3])
def test_a_sequence_in_two_pieces_is_the_sequence(lead: Any, first: int) -> None:
    params, (x, state), (dy, dstate) = _params(lead), _inputs(lead), _cotangents(lead)
    y, after, dparams, dx, before = _vjp(params, x, state, dy, dstate)
    y1, middle, residuals1 = lstm.forward(params, x[..., :first, :, :], state)
    y2, last, residuals2 = lstm.forward(params, x[..., first:, :, :], middle)
    np.testing.assert_allclose(np.concatenate([y1, y2], axis=-3), y, rtol=1e-13)
    np.testing.assert_allclose(last, after, rtol=1e-13)
    d2, dx2, between = lstm.backward(params, residuals2, dy[..., first:, :, :], dstate)
    d1, dx1, found = lstm.backward(params, residuals1, dy[..., :first, :, :], between)
    np.testing.assert_allclose(np.concatenate([dx1, dx2], axis=-3), dx, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(found, before, rtol=1e-11, atol=1e-14)
    for name, gradient in dparams.items():
        np.testing.assert_allclose(d1[name] + d2[name], gradient, rtol=1e-11, atol=1e-14)


def test_steps_are_the_sequence(library: Any) -> None:
    lead = (R,)
    params, (x, state) = _params(lead), _inputs(lead)
    dy, dstate = _cotangents(lead)

    def in_steps(params: Any, x: Any, state: Any, dy: Any, dstate: Any) -> Any:
        residuals, total, dxs = [], None, []
        for t in range(T):
            state, kept = lstm.step(params, x[..., t, :, :], state)
            residuals.append(kept)
        d = dstate
        for t in range(T - 1, -1, -1):
            d = lstm.State(d.h + dy[..., t, :, :], d.c)
            dparams, dx, d = lstm.step_backward(params, residuals[t], d)
            total = dparams if total is None else {k: total[k] + dparams[k] for k in total}
            dxs.append(dx)
        return state, total, library.xp.stack(dxs[::-1], axis=-3), d

    given = [_on(library, a) for a in (params, x, state, dy, dstate)]
    found = _whole(library, in_steps)(*given)
    leaves = [library.numpy(a) for part in found for a in flatten(part, "part").leaves]
    for a, b in zip(leaves, _ours(library, lead)[1:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("size", [-1e30, 1e30])
def test_saturated_gates_neither_overflow_nor_give_nan(size: float) -> None:
    params = {k: np.full_like(v, size, np.float32) for k, v in _params(()).items()}
    state = lstm.State(*(np.zeros((B, N), np.float32) for _ in range(2)))
    y, after, residuals = lstm.forward(params, np.ones((T, B, M), np.float32), state)
    ones = np.ones_like(y)
    gradients = lstm.backward({k: np.ones_like(v) for k, v in params.items()}, residuals, ones)
    for part in (y, after, *gradients):
        for a in flatten(part, "part").leaves:
            assert a.dtype == np.float32
            assert np.isfinite(a).all()


def test_the_zero_state_has_the_form_of_every_other(library: Any) -> None:
    for lead in ((), (R,)):
        state = lstm.zero_state(map_leaves(library.array, _params(lead)), B)
        for a in state:
            assert a.dtype == library.xp.float32
            assert np.array_equal(library.numpy(a), np.zeros((*lead, B, N)))


@pytest.mark.parametrize("seed", [5, (5, 6)], ids=["solo", "ensemble"])
@pytest.mark.parametrize("bias", [None, gaussian(2.0)], ids=["zero bias", "drawn bias"])
def test_init_draws_each_leaf_at_its_path(seed: Any, bias: Any) -> None:
    params = lstm.init(gaussian(), seed, M, N, path="lstm/0", bias=bias)
    for name, shape in (("input_weight", (M, 4 * N)), ("recurrent_weight", (N, 4 * N))):
        expected = gaussian()(seed, f"lstm/0/{name}", shape)
        np.testing.assert_array_equal(params[name], expected, strict=True)
    lead = () if isinstance(seed, int) else (len(seed),)
    zero = np.zeros((*lead, 4 * N), np.float32)
    expected = zero if bias is None else bias(seed, "lstm/0/bias", (4 * N,))
    np.testing.assert_array_equal(params["bias"], expected, strict=True)
