"""Steps under torch.compile: the same bits, no graph break of ours, and nothing compiled twice."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from torch_optim_cases import ETA, SEED, expected, gradients, held, network, noise_of, same

torch = pytest.importorskip("torch")

from gradnoise_backends.torch_optim import add_gradient_noise

# Of torch's own code, as Inductor is first imported.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*is deprecated. Please switch to `torch.compile`:DeprecationWarning"
)

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.125),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.125, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p),
    "capturable": lambda p: torch.optim.Adam(p, capturable=True, foreach=True),
}


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    """Forget what other tests compiled: past a number of recompilations torch runs eagerly."""
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    level = logging.getLogger("torch").level
    logging.getLogger("torch").setLevel(logging.ERROR)  # of profiler scopes that it leaves out
    yield
    logging.getLogger("torch").setLevel(level)
    torch.compiler.reset()


class Compiler:
    """A backend of torch.compile that runs graphs as they are, and counts them."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: Any, _: Any) -> Any:
        self.graphs += 1
        return graph.forward

    @property
    def breaks(self) -> int:
        return int(sum(torch._dynamo.utils.counters["graph_break"].values()))


def weights(model: Any) -> list[Any]:
    return [p.detach().clone() for p in model.parameters()]


def all_equal(a: list[Any], b: list[Any]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def furthest(model: Any, other: Any) -> float:
    return max(
        float((a - b).abs().max()) for a, b in zip(weights(model), weights(other), strict=True)
    )


def run(step: Callable[[], Any], model: Any, first: int = 0, last: int = 8) -> None:
    for t in range(first, last):
        gradients(model, t)
        step()


@pytest.mark.parametrize("placement", ["gradient", "weight"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_compiled_step_has_the_bits_of_an_eager_one(name: str, placement: str) -> None:
    model, other = network(), network()
    optimizer = OPTIMIZERS[name](model.parameters())
    # Uncompiled, capturable=True is for GPUs alone. Adam compiled is always capturable: its
    # operations are in another order.
    eager = OPTIMIZERS["adam" if name == "capturable" else name](other.parameters())
    noise = add_gradient_noise(optimizer, model, ETA, seed=SEED, placement=placement)
    add_gradient_noise(eager, other, ETA, seed=SEED, placement=placement)
    step = torch.compile(optimizer.step, backend=Compiler())
    for t in range(3):
        gradients(model, t)
        gradients(other, t)
        raw = held(model)
        step()
        eager.step()
        if placement == "gradient":
            assert same(held(model), expected(raw, t))
        else:
            assert all(torch.equal(g, raw[k]) for k, g in held(model).items())
        assert furthest(model, other) <= (1e-6 if optimizer.__class__.__name__[:4] == "Adam" else 0)
    assert noise.count == 3


@pytest.mark.parametrize("placement", ["gradient", "weight"])
@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_noise_breaks_no_graph_and_recompiles_nothing(name: str, placement: str) -> None:
    """torch breaks its own steps in one place; what runs before or after is one graph more."""
    found = {}
    noise_of({"w": (1000,)}, 0)  # the first draw of a process may change how many threads torch has
    for with_noise in (False, True):
        torch.compiler.reset()
        torch._dynamo.utils.counters.clear()
        model, compiler = network(), Compiler()
        optimizer = OPTIMIZERS[name](model.parameters())
        if with_noise:
            add_gradient_noise(optimizer, model, ETA, seed=SEED, placement=placement)
        step = torch.compile(optimizer.step, backend=compiler)
        run(step, model, 0, 3)
        early = compiler.graphs
        run(step, model, 3, 12)
        assert compiler.graphs == early
        found[with_noise] = (compiler.graphs, compiler.breaks)
    more = 2 if placement == "gradient" else 1
    assert found[True] == (found[False][0] + more, found[False][1])


def test_a_count_that_is_a_number_would_be_compiled_anew_each_step() -> None:
    model, compiler, t = network(), Compiler(), [0]
    optimizer = OPTIMIZERS["sgd"](model.parameters())

    def hook(*_: Any) -> None:
        t[0] += 1
        for p in model.parameters():
            p.grad.add_(1.0 / (1 + t[0]) ** 0.55)

    optimizer.register_step_pre_hook(hook)
    with torch._dynamo.config.patch(automatic_dynamic_shapes=False):
        run(torch.compile(optimizer.step, backend=compiler), model, 0, 4)
    assert compiler.graphs >= 4


def test_noise_that_comes_and_goes_between_compiled_steps() -> None:
    model = network()
    optimizer = OPTIMIZERS["adam"](model.parameters())
    step = torch.compile(optimizer.step, backend=Compiler())
    run(step, model, 0, 2)
    for first in (2, 4):
        noise = add_gradient_noise(optimizer, model, ETA, seed=SEED)
        for t in range(2):
            gradients(model, first + t)
            wanted = expected(held(model), t)
            step()
            assert same(held(model), wanted)
        noise.remove()
        gradients(model, first)
        raw = held(model)
        step()
        assert all(torch.equal(g, raw[k]) for k, g in held(model).items())


def test_a_whole_training_step_in_one_function() -> None:
    model, other = network(), network()
    optimizer, eager = (OPTIMIZERS["momentum"](m.parameters()) for m in (model, other))
    noise = add_gradient_noise(optimizer, model, ETA, seed=SEED)
    add_gradient_noise(eager, other, ETA, seed=SEED)

    def train(model: Any, optimizer: Any) -> None:
        optimizer.zero_grad()
        model(torch.ones(4, 6)).square().sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    compiled = torch.compile(train, backend=Compiler())
    for _ in range(3):
        compiled(model, optimizer)
        train(other, eager)
    assert all_equal(weights(model), weights(other))
    assert noise.count == 3


def test_parameters_that_come_and_go_between_compiled_steps() -> None:
    model = network()
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    add_gradient_noise(optimizer, model, ETA, seed=SEED)
    step = torch.compile(optimizer.step, backend=Compiler())
    run(step, model, 0, 1)
    gradients(model, 1)
    model[2].weight.grad = None
    wanted = expected(held(model), 1)
    step()
    assert same(held(model), wanted)
    model.late = torch.nn.Linear(3, 2)
    optimizer.add_param_group({"params": model.late.parameters(), "lr": 0.5})
    gradients(model, 2)
    wanted = expected(held(model), 2)
    step()
    assert same(held(model), wanted)


@pytest.mark.parametrize("fused", [False, True])
def test_a_compiled_step_with_a_scaler(fused: bool) -> None:
    model, other = network(), network()
    optimizer = torch.optim.Adam(model.parameters(), fused=fused)
    noise = add_gradient_noise(optimizer, model, ETA, seed=SEED)
    optimizer.step = torch.compile(optimizer.step, backend=Compiler())
    amp = torch.amp.GradScaler("cpu", init_scale=2.0**12)
    count = 0
    for bad in (False, True, False):
        gradients(model, scale=amp.scale(torch.ones(())).item())
        other.load_state_dict(model.state_dict())
        gradients(other)
        wanted = expected(held(other), count)
        if bad:
            model[0].bias.grad[0] = float("nan")
        amp.step(optimizer)
        amp.update()
        if not bad:
            assert same(held(model), wanted)
            count += 1
        assert all_equal(weights(model), weights(other)) == bad
        assert noise.count == count


@pytest.mark.parametrize("placement", ["gradient", "weight"])
def test_a_compiled_step_on_sharded_parameters(placement: str, tmp_path: Path) -> None:
    """No operator of ours takes a DTensor: its noise is added between two graphs."""
    dist = torch.distributed
    if not dist.is_available() or not dist.is_gloo_available():
        pytest.skip("this torch has no gloo")
    from torch.distributed.fsdp import fully_shard

    store = dist.FileStore(str(tmp_path / "store"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        model, other = network(), network()
        fully_shard(model, mesh=dist.device_mesh.init_device_mesh("cpu", (1,)))
        optimizer, eager = (OPTIMIZERS["momentum"](m.parameters()) for m in (model, other))
        noise = add_gradient_noise(optimizer, model, ETA, seed=SEED, placement=placement)
        add_gradient_noise(eager, other, ETA, seed=SEED, placement=placement)
        run(torch.compile(optimizer.step, backend=Compiler()), model, 0, 3)
        run(eager.step, other, 0, 3)
        assert all_equal([p.full_tensor() for p in model.parameters()], weights(other))
        assert noise.count == 3
    finally:
        dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_through_inductor(name: str) -> None:
    """Its Adam may differ from eager Adam in a last bit; the noisy gradients do not."""
    model, other = network(), network()
    optimizer, eager = (OPTIMIZERS[name](m.parameters()) for m in (model, other))
    noise = add_gradient_noise(optimizer, model, ETA, seed=SEED)
    add_gradient_noise(eager, other, ETA, seed=SEED)
    step = torch.compile(optimizer.step)
    for t in range(4):
        gradients(model, t)
        gradients(other, t)
        wanted = expected(held(model), t)
        step()
        eager.step()
        assert same(held(model), wanted)
        assert furthest(model, other) <= (0.0 if name == "sgd" else 1e-5)
    assert noise.count == 4
