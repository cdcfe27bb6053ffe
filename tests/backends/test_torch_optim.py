"""Any torch optimizer made noisy: the noise is NumPy's to the bit, whatever is done with a step."""

import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch_optim_cases import (
    ETA,
    SEED,
    expected,
    gradients,
    held,
    loss,
    naive,
    network,
    noise_of,
    same,
)

import gradnoise_core as gn
from gradnoise_core.noise import NoiseState

torch = pytest.importorskip("torch")

from gradnoise_backends.torch_optim import OptimizerNoise, add_gradient_noise

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.125),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.125, momentum=0.9, nesterov=True),
    "sgd fused": lambda p: torch.optim.SGD(p, lr=0.125, fused=True),
    "adam single": lambda p: torch.optim.Adam(p, foreach=False),
    "adam foreach": lambda p: torch.optim.Adam(p, foreach=True),
    "adam fused": lambda p: torch.optim.Adam(p, fused=True),
    "adamw": lambda p: torch.optim.AdamW(p, amsgrad=True),
    "adagrad": lambda p: torch.optim.Adagrad(p),
    "rmsprop": lambda p: torch.optim.RMSprop(p, momentum=0.9),
    "adadelta": lambda p: torch.optim.Adadelta(p),
    "rprop": lambda p: torch.optim.Rprop(p),
    "tensor rate": lambda p: torch.optim.Adam(p, lr=torch.tensor(1e-3)),
}


def noisy(optimizer: Any, model: Any, **kind: Any) -> OptimizerNoise:
    return add_gradient_noise(optimizer, model, ETA, seed=SEED, **kind)


def weights(model: Any) -> dict[str, Any]:
    return {k: p.detach().clone() for k, p in model.named_parameters()}


def equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return set(a) == set(b) and all(torch.equal(x, b[k]) for k, x in a.items())


def moved(model: Any, before: dict[str, Any]) -> set[str]:
    return {k for k, p in model.named_parameters() if not torch.equal(p, before[k])}


# --- the noise ---------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_gets_the_noisy_gradient_of_numpy(name: str) -> None:
    """It is clipped before, and the step is the optimizer's own."""
    model, other = network(), network()
    optimizer, plain = OPTIMIZERS[name](model.parameters()), OPTIMIZERS[name](other.parameters())
    noise = noisy(optimizer, model)
    for t in range(3):
        assert noise.count == t
        gradients(model, t)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        wanted = expected(held(model), t)
        for k, p in other.named_parameters():
            p.grad = torch.from_numpy(wanted[k].copy())
        optimizer.step()
        plain.step()
        assert same(held(model), wanted)
        assert equal(weights(model), weights(other))
    assert noise.count == 3


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_dtypes_are_summed_as_the_core_sums_them(dtype: Any) -> None:
    model = network(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    noisy(optimizer, model)
    gradients(model)
    before = held(model)
    z = noise_of({k: g.shape for k, g in before.items()}, 0)
    optimizer.step()
    for k, p in model.named_parameters():
        if dtype is torch.float64:
            wanted = torch.from_numpy(expected({k: before[k]}, 0)[k])
        else:  # one rounding of a sum in float32
            wanted = (before[k].float() + torch.from_numpy(z[k])).to(dtype)
        assert p.grad.dtype is dtype
        assert torch.equal(p.grad, wanted)


def test_weight_noise_is_the_cores_on_the_weights_after_the_step() -> None:
    model, other = network(), network()
    optimizer, plain = (torch.optim.Adam(m.parameters()) for m in (model, other))
    noise = noisy(optimizer, model, placement="weight")
    link = gn.add_weight_noise(ETA, seed=SEED)
    for t in range(3):
        gradients(model, t)
        raw = held(model)
        for k, p in other.named_parameters():
            p.grad = raw[k].clone()
        optimizer.step()
        plain.step()
        assert equal(held(model), raw)
        noised, _ = link.update({k: w.numpy() for k, w in weights(other).items()}, NoiseState(t))
        assert same(weights(model), noised)
        with torch.no_grad():
            for k, p in other.named_parameters():
                p.copy_(torch.from_numpy(noised[k]))
    assert noise.count == 3


def test_a_schedule_and_a_domain() -> None:
    model, variance = network(), gn.schedules.exponential_decay(0.5, 0.9)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    noise = add_gradient_noise(optimizer, model, seed=SEED, schedule=variance, domain="mine")
    link = gn.add_gradient_noise(seed=SEED, schedule=variance, domain="mine")
    for t in range(2):
        gradients(model, t)
        wanted, _ = link.update({k: g.numpy() for k, g in held(model).items()}, NoiseState(t))
        optimizer.step()
        assert same(held(model), wanted)
    assert (noise.domain, noise.placement) == ("mine", "gradient")


def test_both_placements_at_once() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    one, two = noisy(optimizer, model), noisy(optimizer, model, placement="weight")
    gradients(model)
    wanted, before = expected(held(model), 0), weights(model)
    optimizer.step()
    assert same(held(model), wanted)
    after = {k: (w - 0.125 * torch.from_numpy(wanted[k])).numpy() for k, w in before.items()}
    link = gn.add_weight_noise(ETA, seed=SEED)
    assert same(weights(model), link.update(after, NoiseState(0))[0])
    assert one.count == two.count == 1


def test_gradients_whose_memory_is_in_another_order() -> None:
    model = torch.nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    noisy(optimizer, model)
    model(torch.ones(1, 3, 5, 5)).sum().backward()
    assert not model.weight.grad.is_contiguous()
    g, wanted = model.weight.grad, expected(held(model), 0)
    optimizer.step()
    assert model.weight.grad is g  # in place
    assert same(held(model), wanted)


# --- closures ----------------------------------------------------------------


def closure_of(model: Any, t: int = 0) -> Callable[[], float]:
    return lambda: gradients(model, t)


@pytest.mark.parametrize("by_name", [True, False])
def test_a_closure_makes_a_noisy_gradient(by_name: bool) -> None:
    model, other = network(), network()
    optimizer, plain = (torch.optim.SGD(m.parameters(), lr=0.125) for m in (model, other))
    noise = noisy(optimizer, model)
    for t in range(2):
        closure = closure_of(model, t)
        gradients(other, t)
        wanted = expected(held(other), t)
        found = optimizer.step(closure=closure) if by_name else optimizer.step(closure)
        assert found == closure_of(other, t)()
        for k, p in other.named_parameters():
            p.grad = torch.from_numpy(wanted[k].copy())
        plain.step()
        assert equal(weights(model), weights(other))
    assert noise.count == 2


def test_the_hook_that_one_would_write_loses_its_noise_in_a_closure() -> None:
    model, other = network(), network()
    optimizer, plain = (torch.optim.SGD(m.parameters(), lr=0.125) for m in (model, other))
    naive(optimizer, model)
    optimizer.step(closure_of(model))
    plain.step(closure_of(other))
    assert equal(weights(model), weights(other))


def test_a_closure_that_fails_makes_no_step() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    noise = noisy(optimizer, model)

    def fails() -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        optimizer.step(fails)
    assert noise.count == 0
    gradients(model)
    wanted = expected(held(model), 0)
    optimizer.step()
    assert same(held(model), wanted)


def lbfgs(model: Any, search: str | None) -> Any:
    return torch.optim.LBFGS(
        model.parameters(), lr=0.5, max_iter=6, history_size=4, line_search_fn=search
    )


def tilted(model: Any, t: int) -> Callable[[], float]:
    """Return the closure of ``f(x) + n . (x - x0)``, differentiated by torch."""
    noise = noise_of({k: p.shape for k, p in model.named_parameters()}, t, "float64")
    start = weights(model)

    def closure() -> float:
        model.zero_grad()
        value = loss(model, t)
        for k, p in model.named_parameters():
            value = value + (torch.from_numpy(noise[k]) * (p - start[k])).sum()
        value.backward()
        return float(value.detach())

    return closure


def furthest(model: Any, other: Any) -> float:
    pairs = zip(model.parameters(), other.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


SEARCHES = pytest.mark.parametrize("search", [None, "strong_wolfe"])


def two_steps_of_lbfgs(search: str | None) -> tuple[float, list[float], list[float], int]:
    model, other = network(torch.float64), network(torch.float64)
    optimizer, plain = lbfgs(model, search), lbfgs(other, search)
    noise = noisy(optimizer, model)
    losses = [optimizer.step(closure_of(model, t)) for t in range(2)]
    wanted = [plain.step(tilted(other, t)) for t in range(2)]
    return furthest(model, other), losses, wanted, noise.count


@SEARCHES
def test_lbfgs_minimizes_one_noisy_function_a_step(search: str | None) -> None:
    """Of many evaluations in a step each has the gradient, and the value, of that function."""
    apart, losses, wanted, count = two_steps_of_lbfgs(search)
    assert apart < 1e-9
    assert losses == pytest.approx(wanted, rel=1e-12)
    assert count == 2


def test_a_line_search_on_values_without_noise_goes_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gradnoise_backends._torch_optim_closure._Slope.at_here", lambda _: 0.0)
    apart, *_ = two_steps_of_lbfgs("strong_wolfe")
    assert apart > 1e-3


# --- which parameters --------------------------------------------------------


def test_accumulated_gradients_get_one_noise() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    noise = noisy(optimizer, model)
    gradients(model, 0)
    first = held(model)
    gradients(model, 1)
    for k, p in model.named_parameters():
        p.grad += first[k]
    wanted = expected(held(model), 0)
    optimizer.step()
    assert same(held(model), wanted)
    assert noise.count == 1


@pytest.mark.parametrize("placement", ["gradient", "weight"])
def test_frozen_and_unused_parameters_are_left_alone(placement: str) -> None:
    model = torch.nn.ModuleDict({"used": network(), "spare": torch.nn.Linear(3, 2)})
    model["used"][0].weight.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    noisy(optimizer, model, placement=placement)
    gradients(model["used"])
    before, raw = weights(model), held(model)
    optimizer.step()
    still = {"used.0.weight", "spare.weight", "spare.bias"}
    assert moved(model, before) == set(before) - still == set(held(model))
    if placement == "gradient":
        assert same(held(model), expected(raw, 0))


def test_a_step_without_any_gradient_counts_and_does_nothing() -> None:
    model = network()
    optimizer = torch.optim.Adam(model.parameters())
    noise = noisy(optimizer, model)
    before = weights(model)
    optimizer.step()
    assert moved(model, before) == set()
    assert noise.count == 1


def test_groups_in_any_order_and_added_later() -> None:
    model = network()
    optimizer = torch.optim.SGD(
        [{"params": model[2].parameters(), "lr": 0.5}, {"params": model[0].parameters()}], lr=0.25
    )
    noisy(optimizer, model)
    gradients(model)
    wanted, before = expected(held(model), 0), weights(model)
    optimizer.step()
    assert same(
        {k: g for k, g in held(model).items() if k[0] != "4"},
        {k: w for k, w in wanted.items() if k[0] != "4"},
    )
    assert torch.equal(model[2].bias, before["2.bias"] - 0.5 * model[2].bias.grad)
    model.late = torch.nn.Linear(3, 2)
    optimizer.add_param_group({"params": model[4].parameters(), "lr": 0.5})
    optimizer.add_param_group({"params": model.late.parameters(), "lr": 0.5})
    gradients(model, 1)
    wanted = expected(held(model), 1)
    optimizer.step()
    assert same(held(model), wanted)


def test_a_shared_parameter_has_one_noise_under_its_first_name() -> None:
    parts = {"encoder": torch.nn.Linear(6, 6), "tanh": torch.nn.Tanh()}
    model = torch.nn.Sequential(OrderedDict(parts, decoder=torch.nn.Linear(6, 6)))
    model.decoder.weight = model.encoder.weight
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    noisy(optimizer, model)
    gradients(model)
    assert set(held(model)) == {"encoder.weight", "encoder.bias", "decoder.bias"}
    wanted = expected(held(model), 0)
    optimizer.step()
    assert same(held(model), wanted)


def test_wrappers_are_no_part_of_a_name() -> None:
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

    inner = network()
    inner[2] = checkpoint_wrapper(inner[2])
    model = torch.compile(torch.nn.DataParallel(inner), backend="eager")
    assert next(iter(dict(model.named_parameters()))).startswith("_orig_mod.module.")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    noisy(optimizer, model)
    gradients(inner)
    names = list(dict(network().named_parameters()))
    grads = [p.grad.numpy().copy() for p in inner.parameters()]
    wanted = expected(dict(zip(names, grads, strict=True)), 0)
    optimizer.step()
    found = dict(zip(names, (p.grad for p in inner.parameters()), strict=True))
    assert same(found, wanted)


def test_a_module_that_the_user_calls_module_keeps_its_name() -> None:
    model = torch.nn.ModuleDict({"module": torch.nn.Linear(6, 3)})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    noisy(optimizer, model)
    gradients(model["module"])
    wanted = expected(held(model), 0)
    assert set(wanted) == {"module.weight", "module.bias"}
    optimizer.step()
    assert same(held(model), wanted)


def test_named_tensors_instead_of_a_model() -> None:
    w = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.125)
    noisy(optimizer, {"w": w, "the same": w})
    w.grad = torch.ones(3)
    optimizer.step()
    assert same({"w": w.grad}, expected({"w": np.ones(3, np.float32)}, 0))


def test_replicas_on_a_leading_axis() -> None:
    w = torch.zeros(2, 300, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.125)
    add_gradient_noise(optimizer, {"w": w}, ETA, seed=[3, 4])
    w.grad = torch.ones(2, 300)
    optimizer.step()
    for r, seed in enumerate((3, 4)):
        solo = expected({"w": np.ones(300, np.float32)}, 0, seed=seed)
        assert same({"w": w.grad[r]}, solo)


# --- gradients that are differentiated themselves ----------------------------


def test_a_gradient_with_a_graph_is_replaced_and_not_written_into() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.125)
    noisy(optimizer, {"w": w})
    (g,) = torch.autograd.grad((w**3).sum(), w, create_graph=True)
    w.grad = g
    values = g.detach().clone()
    optimizer.step()
    assert torch.equal(g, values)
    assert same({"w": w.grad}, expected({"w": values}, 0))
    w.grad = None


def test_a_differentiable_step_is_differentiated_through_the_noise() -> None:
    start = torch.tensor([1.0, 2.0], requires_grad=True)
    w = start.clone()
    optimizer = torch.optim.SGD([w], lr=0.125, differentiable=True)
    noisy(optimizer, {"w": w})
    w.grad = start**2
    optimizer.step()
    (slope,) = torch.autograd.grad(w.sum(), start)
    assert torch.equal(slope, 1 - 0.125 * 2 * start.detach())


# --- what is refused ---------------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
def test_a_sparse_gradient_is_refused_by_name_before_anything_moves(compiled: bool) -> None:
    torch.compiler.reset()
    model = torch.nn.Sequential(torch.nn.Embedding(5, 6, sparse=True), torch.nn.Linear(6, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
    noise = noisy(optimizer, model)
    before = weights(model)
    model(torch.tensor([1, 2])).sum().backward()
    step = torch.compile(optimizer.step, backend="eager") if compiled else optimizer.step
    with pytest.raises(TypeError, match=re.escape("layout torch.sparse_coo at '0.weight'. Pass")):
        step()
    assert moved(model, before) == set()
    assert noise.count == 0


def test_a_parameter_that_is_not_the_models_is_refused() -> None:
    model, other = network(), torch.nn.Linear(7, 5)
    params = [{"params": model.parameters()}, {"params": [model[0].weight.clone().detach()]}]
    with pytest.raises(
        ValueError, match=r"of shape \(40, 6\) at param_groups\[1\]\['params'\]\[0\]"
    ):
        noisy(torch.optim.SGD(params, lr=0.1), model)
    named = torch.optim.SGD(other.named_parameters(), lr=0.1)
    with pytest.raises(ValueError, match=r"\(5, 7\) .*\(called 'weight' by the optimizer\) is not"):
        noisy(named, model)
    assert not named._optimizer_step_pre_hooks


def test_a_group_of_strangers_is_refused_in_the_next_step() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    noisy(optimizer, model)
    optimizer.add_param_group({"params": torch.nn.Linear(7, 5).parameters()})
    with pytest.raises(ValueError, match=r"torch\.nn\.ModuleDict"):
        optimizer.step()


@pytest.mark.parametrize("dtype", [torch.complex64, torch.int64])
def test_parameters_that_are_not_real_are_refused_by_name(dtype: Any) -> None:
    model = torch.nn.Module()
    model.odd = torch.nn.Parameter(torch.zeros(2, dtype=dtype), requires_grad=False)
    with pytest.raises(TypeError, match=f"{dtype} at 'odd'"):
        noisy(torch.optim.SGD(model.parameters(), lr=0.1), model)


def test_twice_is_refused_with_a_remedy() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    noise = noisy(optimizer, model)
    with pytest.raises(ValueError, match=r"'gradient-noise' yet. Call `.remove\(\)`"):
        noisy(optimizer, model)
    assert len(optimizer._optimizer_step_pre_hooks) == 1
    other = noisy(optimizer, model, domain="another")
    noise.remove()
    noise.remove()
    again = noisy(optimizer, model)
    gradients(model)
    optimizer.step()
    assert (noise.count, other.count, again.count) == (0, 1, 1)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"placement": "weights"}, ValueError, "`placement` must be 'gradient' or 'weight'"),
        ({"eta": -1.0}, ValueError, "`eta` must be"),
        ({"gamma": -1.0}, ValueError, "`gamma` must be"),
        ({"seed": 2**64}, ValueError, "`seed` must be"),
        ({"schedule": 0.1}, TypeError, "`schedule` must be a function"),
        ({"model": [1]}, TypeError, "`model` must be a torch.nn.Module"),
        ({"optimizer": torch.optim.SGD}, TypeError, "`optimizer` must be a torch.optim.Optimizer"),
    ],
)
def test_bad_arguments_are_refused(change: Any, error: Any, message: str) -> None:
    model = network()
    given = {"optimizer": torch.optim.SGD(model.parameters(), lr=0.1), "model": model, **change}
    with pytest.raises(error, match=message):
        add_gradient_noise(**given)


def test_an_optimizer_that_wraps_another_is_refused() -> None:
    Wrapper = type("Wrapper", (torch.optim.Optimizer,), {"__init__": lambda *_: None})
    model = network()
    with pytest.raises(TypeError, match="of one that wraps another, what it wraps"):
        noisy(Wrapper(torch.optim.SGD(model.parameters(), lr=0.1)), model)


def test_flattened_parameters_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """FSDP1 wants a process group to be made; its class is enough to be known by."""
    from torch.distributed import fsdp

    Flat = type("Flat", (torch.nn.Sequential,), {})
    monkeypatch.setattr(fsdp, "FullyShardedDataParallel", Flat)
    model = Flat(torch.nn.Linear(3, 2))
    with pytest.raises(ValueError, match=r"Shard it with fully_shard \(FSDP2\)"):
        noisy(torch.optim.SGD(model.parameters(), lr=0.1), model)
