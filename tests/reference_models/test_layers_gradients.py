"""Every layer's hand-written backward pass, against differences and the frameworks' own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradnoise_core.random import leaf_key, words
from gradnoise_reference_models.layers import dropout, linear, relu, softmax_cross_entropy

# torch.compile imports modules of torch that warn, says of caches that it sees through them, and
# takes NumPy arrays for tensors.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools:UserWarning"),
    pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning"),
]

RATE, SEEDS, STEP = 0.3, (4, 5), 3
LABELS = np.asarray([[2, 0, 1, 2, 2], [0, 0, 1, 2, 1]])

each_layer = pytest.mark.parametrize("name", ["linear", "relu", "dropout", "loss"])
solo_and_ensemble = pytest.mark.parametrize("replicas", [False, True], ids=["solo", "ensemble"])


def _inputs(name: str, replicas: bool) -> list[Any]:
    """Return what the layer is differentiated with respect to: x, then its parameters."""
    random = np.random.default_rng(len(name))
    lead = (2,) if replicas else ()
    x = random.standard_normal((*lead, 5, 3))
    if name == "linear":
        return [x, random.standard_normal((*lead, 3, 4)), random.standard_normal((*lead, 4))]
    # No element is nearer to ReLU's kink than 0.05, far beyond the step of a difference.
    return [np.where(np.abs(x) < 0.05, 0.5, x)]


def _labels(library: Any, replicas: bool) -> Any:
    return library.array(LABELS if replicas else LABELS[0], "int64")


def _forward(name: str, replicas: bool, a: list[Any], labels: Any) -> tuple[Any, Any]:
    if name == "linear":
        return linear.forward({"weight": a[1], "bias": a[2]}, a[0])
    if name == "relu":
        return relu.forward(relu.init(), a[0])
    if name == "dropout":
        setting = dropout.Dropout(RATE, SEEDS if replicas else SEEDS[0], STEP)
        return dropout.forward(dropout.init(), a[0], dropout=setting, path="layers/0")
    return softmax_cross_entropy.forward(a[0], labels)


def _backward(name: str, a: list[Any], residuals: Any, dy: Any) -> list[Any]:
    """Return ``J^T dy``, one array an input."""
    if name == "linear":
        dparams, dx = linear.backward({"weight": a[1], "bias": a[2]}, residuals, dy)
        return [dx, dparams["weight"], dparams["bias"]]
    if name == "loss":
        return [softmax_cross_entropy.backward(residuals) * dy[..., None, None]]
    layer: Any = relu if name == "relu" else dropout
    dparams, dx = layer.backward({}, residuals, dy)
    assert dparams == {}
    return [dx]


def _value(library: Any, name: str, replicas: bool, inputs: list[Any]) -> Any:
    arrays = [library.array(a, "float64") for a in inputs]
    y, _ = _forward(name, replicas, arrays, _labels(library, replicas))
    # NumPy makes a scalar, no array, of a solo run's loss.
    return library.backend.to_numpy(y)


def _vjp(library: Any, name: str, replicas: bool, dy: Any) -> list[Any]:
    arrays = [library.array(a, "float64") for a in _inputs(name, replicas)]
    _, residuals = _forward(name, replicas, arrays, _labels(library, replicas))
    grads = _backward(name, arrays, residuals, library.array(dy, "float64"))
    assert [g.shape for g in grads] == [a.shape for a in arrays]
    assert all(g.dtype == a.dtype for g, a in zip(grads, arrays, strict=True))
    return [library.numpy(g) for g in grads]


def _cotangent(library: Any, name: str, replicas: bool) -> Any:
    y = _value(library, name, replicas, _inputs(name, replicas))
    return np.random.default_rng(7).standard_normal(y.shape)


def _kept(r: int) -> Any:
    """Return replica r's mask, its threshold compared in 64-bit integers."""
    word = words(leaf_key(SEEDS[r], "layers/0", STEP, domain="dropout"), (5, 3)).astype(np.int64)
    return word + 2**31 >= int(RATE * 2**32)


@each_layer
@solo_and_ensemble
def test_it_agrees_with_central_differences(library: Any, name: str, replicas: bool) -> None:
    inputs = _inputs(name, replicas)
    dy = _cotangent(library, name, replicas)
    grads = _vjp(library, name, replicas, dy)
    # A central difference errs by h**2 (truncation) and eps / h (rounding): h = eps**(1/3)
    # balances them for inputs of scale 1, and both are then near eps**(2/3) = 4e-11.
    h = np.finfo(np.float64).eps ** (1 / 3)
    random = np.random.default_rng(8)
    for _ in range(3):
        v = [random.standard_normal(a.shape) for a in inputs]
        plus, minus = (
            np.sum(
                dy
                * _value(
                    library, name, replicas, [a + s * b for a, b in zip(inputs, v, strict=True)]
                )
            )
            for s in (h, -h)
        )
        found = sum(np.sum(g * b) for g, b in zip(grads, v, strict=True))
        assert found == pytest.approx((plus - minus) / (2 * h), rel=1e-8, abs=1e-8)


def _by_replica(one: Callable[..., Any], stack: Any, replicas: bool, a: list[Any]) -> Any:
    """Apply a function of one replica to each, so that no broadcasting is relied on."""
    if not replicas:
        return one(0, *a)
    return stack([one(r, *[part[r] for part in a]) for r in range(len(SEEDS))])


@each_layer
@solo_and_ensemble
def test_it_agrees_with_torch_autograd(library: Any, name: str, replicas: bool) -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    each: dict[str, Callable[..., Any]] = {
        "linear": lambda r, x, w, b: functional.linear(x, w.T, b),
        "relu": lambda r, x: functional.relu(x),
        "dropout": lambda r, x: torch.where(torch.tensor(_kept(r)), x / (1 - RATE), 0.0),
        "loss": lambda r, a: functional.cross_entropy(a, torch.tensor(LABELS[r])),
    }
    inputs = [torch.tensor(a, requires_grad=True) for a in _inputs(name, replicas)]
    y = _by_replica(each[name], torch.stack, replicas, inputs)
    np.testing.assert_allclose(
        _value(library, name, replicas, _inputs(name, replicas)), y.detach().numpy(), rtol=1e-13
    )
    dy = _cotangent(library, name, replicas)
    expected = torch.autograd.grad(y, inputs, torch.tensor(dy))
    for g, e in zip(_vjp(library, name, replicas, dy), expected, strict=True):
        np.testing.assert_allclose(g, e.numpy(), rtol=1e-12, atol=1e-14)


@each_layer
@solo_and_ensemble
def test_it_agrees_with_jax_vjp(library: Any, name: str, replicas: bool) -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    each: dict[str, Callable[..., Any]] = {
        "linear": lambda r, x, w, b: jnp.einsum("bi,io->bo", x, w) + b,
        "relu": lambda r, x: jax.nn.relu(x),
        "dropout": lambda r, x: jnp.where(_kept(r), x / (1 - RATE), 0.0),
        "loss": lambda r, a: -jnp.mean(jax.nn.log_softmax(a)[jnp.arange(5), LABELS[r]]),
    }

    def reference(*a: Any) -> Any:
        return _by_replica(each[name], jnp.stack, replicas, list(a))

    y, pull = jax.vjp(reference, *_inputs(name, replicas))
    np.testing.assert_allclose(
        _value(library, name, replicas, _inputs(name, replicas)), y, rtol=1e-13
    )
    dy = _cotangent(library, name, replicas)
    for g, e in zip(_vjp(library, name, replicas, dy), pull(jnp.asarray(dy)), strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-12, atol=1e-14)


def _compiled(library: Any, function: Any) -> Any:
    """Compile a function that draws masks.

    Inductor takes minutes over the unrolled cipher, so torch only traces: that is what may fail.
    """
    if not library.name.startswith("torch"):
        return library.jit(function)
    import torch

    # What earlier tests compiled counts towards a limit beyond which torch silently runs eagerly.
    torch.compiler.reset()
    return torch.compile(function, backend="aot_eager", dynamic=False)


@each_layer
def test_compiled_equals_eager(library: Any, name: str) -> None:
    arrays = [library.array(a, "float64") for a in _inputs(name, True)]
    dy = library.array(_cotangent(library, name, True), "float64")
    labels = _labels(library, True)

    def vjp(a: list[Any], dy: Any, labels: Any) -> list[Any]:
        return _backward(name, a, _forward(name, True, a, labels)[1], dy)

    expected = vjp(arrays, dy, labels)
    compiled = _compiled(library, vjp) if name == "dropout" else library.jit(vjp)
    for g, e in zip(compiled(arrays, dy, labels), expected, strict=True):
        assert g.dtype == e.dtype
        np.testing.assert_allclose(library.numpy(g), library.numpy(e), rtol=1e-12, atol=1e-14)
