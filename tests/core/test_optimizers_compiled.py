"""Every optimizer inside ``jax.jit`` and ``torch.compile``: once, not at each step."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import optree
import pytest
from libraries import Library
from optimizer_cases import DIALECT_ROWS, make

import gradnoise_core as gn
from gradnoise_core.optimizers import DIALECTS

# torch.compile imports modules of torch that warn, and says of caches that it sees through them.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools:UserWarning"),
]

#: More than the eight graphs that torch makes of one function before it gives up.
STEPS = 10

#: A schedule, so that the step count must be traced and not be a constant.
RATE = gn.schedules.piecewise_constant([0.05, 0.005], [2])


def values(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return {"w": rng.standard_normal((3, 2))}


def counted(optimizer: Any) -> tuple[Callable[..., Any], list[int]]:
    """Return a step, and a list that grows whenever Python runs it."""
    runs: list[int] = []

    def step(params: Any, state: Any, grads: Any) -> Any:
        runs.append(1)
        updates, state = optimizer.update(grads, state, params)
        return gn.apply_updates(params, updates), state

    return step, runs


def trajectory(library: Library, step: Callable[..., Any], optimizer: Any, dtype: str) -> list[Any]:
    params = optree.tree_map(lambda x: library.array(x, dtype), values(0))
    state = optimizer.init(params)
    for t in range(STEPS):
        grads = optree.tree_map(lambda x: library.array(x, dtype), values(1 + t))
        params, state = step(params, state, grads)
    return [library.numpy(x) for x in optree.tree_leaves(params)]


def distance(a: list[Any], b: list[Any]) -> float:
    return max(np.max(np.abs(x - y) / np.maximum(1, np.abs(y))) for x, y in zip(a, b, strict=True))


@pytest.fixture
def jax_library(library: Library) -> Library:
    if not library.name.startswith("jax"):
        pytest.skip("jax.jit is for JAX")
    return library


@pytest.fixture
def torch_library(library: Library) -> Iterator[Library]:
    if not library.name.startswith("torch"):
        pytest.skip("torch.compile is for torch")
    import torch

    torch.compiler.reset()
    yield library
    torch.compiler.reset()


@pytest.mark.parametrize(("name", "dialect"), DIALECT_ROWS)
def test_jitted_equals_eager_and_is_traced_once(
    jax_library: Library, name: str, dialect: str
) -> None:
    optimizer = make(name, dialect)
    step, runs = counted(optimizer)
    eager = trajectory(jax_library, step, optimizer, "float64")
    runs.clear()
    jitted = trajectory(jax_library, jax_library.jit(step), optimizer, "float64")
    assert len(runs) == 1
    assert distance(jitted, eager) <= 1e-12


@pytest.mark.parametrize("name", DIALECTS)
def test_jitted_float32_is_within_float32(jax_library: Library, name: str) -> None:
    """The count is traced, so powers and schedules are computed in float32 too."""
    optimizer = make(name)
    step, _ = counted(optimizer)
    eager = trajectory(jax_library, step, optimizer, "float32")
    jitted = trajectory(jax_library, jax_library.jit(step), optimizer, "float32")
    assert distance(jitted, eager) <= 1e-5


WRAPPED: dict[str, Callable[[], Any]] = {
    "noisy": lambda: gn.noisy(gn.adam(RATE), eta=0.1, clip=1.0, seed=3),
    "replicas": lambda: gn.noisy(gn.momentum([0.1, 0.2, 0.3]), clip=1.0, seed=[1, 2, 3]),
    "skip_non_finite": lambda: gn.skip_non_finite(gn.noisy(gn.adam(RATE))),
    "sgld": lambda: gn.sgld(RATE, seed=4),
    "adam": lambda: gn.adam(RATE),
    "torch-momentum": lambda: gn.momentum(RATE, dialect="torch", dampening=0.5),
}


@pytest.fixture(params=WRAPPED)
def wrapped(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A transformation; the one with replicas gets leaves with their axis."""
    if request.param == "replicas":
        plain = values
        monkeypatch.setitem(
            globals(), "values", lambda seed: {"w": np.stack([plain(seed)["w"]] * 3)}
        )
    return WRAPPED[request.param]()


def test_transformations_are_jitted_once(jax_library: Library, wrapped: Any) -> None:
    step, runs = counted(wrapped)
    eager = trajectory(jax_library, step, wrapped, "float64")
    runs.clear()
    jitted = trajectory(jax_library, jax_library.jit(step), wrapped, "float64")
    assert len(runs) == 1
    assert distance(jitted, eager) <= 1e-12


def uncounted(optimizer: Any) -> Callable[..., Any]:
    """Return a step without a counter, on whose value Dynamo would put a guard."""

    def step(params: Any, state: Any, grads: Any) -> Any:
        updates, state = optimizer.update(grads, state, params)
        return gn.apply_updates(params, updates), state

    return step


#: Each optimizer in the dialect that says the most, all its features on.
ROWS = [(name, max(rows, key=lambda d: len(rows[d]))) for name, rows in DIALECTS.items()]


class Graphs:
    """A compiler for ``torch.compile`` that runs graphs as they are, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, graph: Any, _: Any) -> Any:
        self.count += 1
        return graph.forward


def check_python_counts(library: Library, optimizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backend's own jit: one graph for the count 0 and one for a symbolic count.

    The two boundaries of the schedule may split the second.
    """
    import torch

    eager = trajectory(library, uncounted(optimizer), optimizer, "float64")
    graphs = Graphs()
    compiler = functools.partial(torch.compile, backend=graphs, fullgraph=True)
    monkeypatch.setattr(torch, "compile", compiler)
    compiled = library.backend.jit(uncounted(optimizer))
    assert distance(trajectory(library, compiled, optimizer, "float64"), eager) <= 1e-12
    assert 1 <= graphs.count <= 3


def test_python_counts_do_not_compile_at_every_step(
    torch_library: Library, wrapped: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_python_counts(torch_library, wrapped, monkeypatch)


@pytest.mark.parametrize(("name", "dialect"), ROWS)
def test_every_optimizer_compiles_at_few_steps(
    torch_library: Library, name: str, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_python_counts(torch_library, make(name, dialect), monkeypatch)


def test_tensor_counts_compile_once(torch_library: Library, wrapped: Any) -> None:
    import torch

    def init(params: Any) -> Any:
        return optree.tree_map(
            lambda x: torch.tensor(x, device=torch_library.device) if isinstance(x, int) else x,
            wrapped.init(params),
        )

    eager = trajectory(torch_library, uncounted(wrapped), wrapped, "float64")
    graphs = Graphs()
    compiled = torch.compile(uncounted(wrapped), fullgraph=True, backend=graphs)
    tensors = gn.GradientTransformation(init, wrapped.update)
    assert distance(trajectory(torch_library, compiled, tensors, "float64"), eager) <= 1e-12
    assert graphs.count == 1


@pytest.mark.slow
def test_noise_through_inductor_is_that_of_eager_to_the_bit(torch_library: Library) -> None:
    noise = gn.add_gradient_noise(0.25, seed=5)
    grads = {"w": torch_library.array(np.zeros(101))}
    got, state = torch_library.backend.jit(noise.update)(grads, noise.init(grads))
    expected, _ = noise.update(grads, noise.init(grads))
    np.testing.assert_array_equal(torch_library.numpy(got["w"]), torch_library.numpy(expected["w"]))
    assert state.count == 1
