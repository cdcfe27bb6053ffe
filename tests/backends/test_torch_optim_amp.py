"""GradScaler: noise meets unscaled gradients, and a step that is skipped draws none."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from torch_optim_cases import ETA, SEED, expected, gradients, held, naive, network, same

import gradnoise_core as gn
from gradnoise_core.noise import NoiseState

torch = pytest.importorskip("torch")

from gradnoise_backends.torch_optim import add_gradient_noise

#: What `torch.amp.GradScaler` passes scaled gradients to, and what it unscales them for.
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "adam single": lambda p: torch.optim.Adam(p, foreach=False),
    "adam foreach": lambda p: torch.optim.Adam(p, foreach=True),
    "adam fused": lambda p: torch.optim.Adam(p, fused=True),
    "adamw fused": lambda p: torch.optim.AdamW(p, fused=True),
    "sgd fused": lambda p: torch.optim.SGD(p, lr=0.125, momentum=0.9, fused=True),
    "adagrad fused": lambda p: torch.optim.Adagrad(p, fused=True),
}
each = pytest.mark.parametrize("name", OPTIMIZERS)


def scaler(scale: float) -> Any:
    return torch.amp.GradScaler("cpu", init_scale=scale)


def parameters(model: Any) -> list[Any]:
    return [p.detach().clone() for p in model.parameters()]


def all_equal(a: list[Any], b: list[Any]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@each
@pytest.mark.parametrize("unscales", [False, True])
def test_a_scaled_run_is_the_run_without_a_scaler(name: str, unscales: bool) -> None:
    """To the bit, for scales are powers of two; clipped where the user unscales."""
    model, other = network(), network()
    optimizer, plain = OPTIMIZERS[name](model.parameters()), OPTIMIZERS[name](other.parameters())
    noise = add_gradient_noise(optimizer, model, ETA, seed=SEED)
    add_gradient_noise(plain, other, ETA, seed=SEED)
    amp = scaler(2.0**12)
    for t in range(3):
        gradients(model, t, scale=amp.scale(torch.ones(())).item())
        gradients(other, t)
        if unscales:
            amp.unscale_(optimizer)
            for m in (model, other):
                torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0)
        wanted = expected(held(other), t)
        amp.step(optimizer)
        amp.update()
        plain.step()
        assert same(held(model), wanted)
        assert all_equal(parameters(model), parameters(other))
    assert noise.count == 3
    assert not hasattr(optimizer, "grad_scale")


@each
@pytest.mark.parametrize("placement", ["gradient", "weight"])
def test_a_skipped_step_draws_nothing_and_is_not_counted(name: str, placement: str) -> None:
    model, other = network(), network()
    optimizer, plain = OPTIMIZERS[name](model.parameters()), OPTIMIZERS[name](other.parameters())
    noise = add_gradient_noise(optimizer, model, ETA, seed=SEED, placement=placement)
    add_gradient_noise(plain, other, ETA, seed=SEED, placement=placement)
    amp = scaler(2.0**12)
    for t, bad in enumerate([False, True, True, False]):
        gradients(model, t, scale=amp.scale(torch.ones(())).item())
        if bad:
            model[0].weight.grad[1, 2] = math.inf
        before = parameters(model)
        amp.step(optimizer)
        amp.update()
        if bad:
            assert all_equal(parameters(model), before)
        else:
            gradients(other, t)
            plain.step()
        assert all_equal(parameters(model), parameters(other))
    assert noise.count == 2
    assert amp.get_scale() == 2.0**10


def test_any_scale_is_unscaled_as_the_scaler_does_it() -> None:
    model, other = network(), network()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    plain = torch.optim.Adam(other.parameters(), fused=True)
    add_gradient_noise(optimizer, model, ETA, seed=SEED)
    add_gradient_noise(plain, other, ETA, seed=SEED)
    amp, second = scaler(1000.3), scaler(1000.3)
    for m, a in ((model, amp), (other, second)):
        gradients(m, scale=a.scale(torch.ones(())).item())
    second.unscale_(plain)
    amp.step(optimizer)
    second.step(plain)
    assert all_equal(parameters(model), parameters(other))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_gradients_are_unscaled_in_float32_and_rounded_once(dtype: Any) -> None:
    w = torch.zeros(500, dtype=dtype, requires_grad=True)
    optimizer = torch.optim.Adam([w], fused=True)
    add_gradient_noise(optimizer, {"w": w}, 1e-8, seed=SEED)
    amp = scaler(2.0**14)
    amp.scale(torch.ones(()))
    w.grad = torch.linspace(-1, 1, 500).to(dtype)  # divided by the scale: below float16's normals
    wide = (w.grad.float() / 2.0**14).numpy()
    noisy, _ = gn.add_gradient_noise(1e-8, seed=SEED).update({"w": wide}, NoiseState(0))
    amp.step(optimizer)
    assert torch.equal(w.grad, torch.from_numpy(noisy["w"]).to(dtype))
    assert w.any()


def test_a_scale_of_the_users_own_is_left_as_it_is() -> None:
    """torch multiplies its own by what the user has set."""
    model, other = network(), network()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    add_gradient_noise(optimizer, model, ETA, seed=SEED)
    amp, own = scaler(2.0**6), torch.tensor(4.0)
    optimizer.grad_scale = own
    gradients(model, scale=amp.scale(torch.ones(())).item() * 4.0)
    gradients(other)
    amp.step(optimizer)
    assert same(held(model), expected(held(other), 0))
    assert own.item() == 4.0


def test_a_scaler_that_is_off_changes_nothing() -> None:
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    noise = add_gradient_noise(optimizer, model, ETA, seed=SEED)
    amp = torch.amp.GradScaler("cpu", enabled=False)
    gradients(model)
    wanted = expected(held(model), 0)
    amp.step(optimizer)
    assert same(held(model), wanted)
    assert noise.count == 1


def test_under_autocast() -> None:
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    add_gradient_noise(optimizer, model, ETA, seed=SEED)
    amp = scaler(2.0**10)
    with torch.autocast("cpu", dtype=torch.float16):
        value = model(torch.ones(4, 6)).square().mean()
    amp.scale(value).backward()
    raw = {k: g / 2.0**10 for k, g in held(model).items()}
    amp.step(optimizer)
    assert same(held(model), expected(raw, 0))


def test_the_hook_that_one_would_write_is_divided_by_the_scale() -> None:
    spread = {}
    for fused in (False, True):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0, fused=fused)
        naive(optimizer, model)
        amp = scaler(2.0**16)
        amp.scale(torch.ones(()))
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        before = parameters(model)
        amp.step(optimizer)
        after = torch.cat(
            [(a - b).flatten() for a, b in zip(parameters(model), before, strict=True)]
        )
        spread[fused] = float(after.std())
    assert spread[False] == pytest.approx(ETA**0.5, rel=0.1)
    assert spread[True] == pytest.approx(ETA**0.5 / 2.0**16, rel=0.1)
