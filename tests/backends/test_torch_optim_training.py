"""A real training run with a noisy torch optimizer is NumPy's, resumed from a checkpoint or not."""

import functools
import io
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doc_examples import page
from torch_optim_cases import clipped, naive
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

torch = pytest.importorskip("torch")

from gradnoise_backends.torch_optim import add_gradient_noise

PATHS = ("0.weight", "0.bias", "2.weight", "2.bias")
NOISE = gn.add_gradient_noise(ETA, seed=SEED)

#: An optimizer of torch's, and ours in its dialect.
OPTIMIZERS: dict[str, tuple[Callable[[Any], Any], gn.GradientTransformation]] = {
    "adam": (lambda p: torch.optim.Adam(p, lr=RATE), gn.adam(RATE, dialect="torch")),
    "fused": (lambda p: torch.optim.Adam(p, lr=RATE, fused=True), gn.adam(RATE, dialect="torch")),
    "adamw": (
        lambda p: torch.optim.AdamW(p, lr=RATE, weight_decay=0.1),
        gn.adamw(RATE, dialect="torch", weight_decay=0.1),
    ),
    "momentum": (
        lambda p: torch.optim.SGD(p, lr=RATE, momentum=0.9),
        gn.momentum(RATE, dialect="torch"),
    ),
    "rmsprop": (lambda p: torch.optim.RMSprop(p, lr=RATE), gn.rmsprop(RATE, dialect="torch")),
}


def network() -> Any:
    layers = [torch.nn.Linear(*SIZES[:2]), torch.nn.ReLU(), torch.nn.Linear(*SIZES[1:])]
    model = torch.nn.Sequential(*layers).double()
    with torch.no_grad():
        for p, w in zip(model.parameters(), first_weights(transposed=True), strict=True):
            p.copy_(torch.from_numpy(w))
    return model


def noisy(optimizer: Any, model: Any, eta: float = ETA, **kind: Any) -> Any:
    return add_gradient_noise(optimizer, model, eta, seed=SEED, **kind)


def fit(
    model: Any,
    optimizer: Any,
    first: int = 0,
    last: int = UPDATES,
    *,
    micro: int = 1,
    amp: Any = None,
    by_closure: bool = False,
) -> Any:
    """Train for some updates, clipped by the global norm as one does it in torch."""
    x, y = (torch.from_numpy(a) for a in minibatches((last - first) * micro, first * micro))
    amp = amp or torch.amp.GradScaler("cpu", enabled=False)
    batches = iter(zip(x.split(BATCH), y.split(BATCH), strict=True))

    def closure() -> Any:
        optimizer.zero_grad()
        for _ in range(micro):
            pixels, labels = next(batches)
            loss = torch.nn.functional.cross_entropy(model(pixels), labels) / micro
            amp.scale(loss).backward()
        amp.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        return loss

    for _ in range(first, last):
        if by_closure:
            optimizer.step(closure)
        else:
            closure()
            amp.step(optimizer)
            amp.update()
    return model


def to_reference(model: Any, *links: Any, micro: int = 1) -> float:
    found = [p.detach().numpy() for p in model.parameters()]
    optimizer = gn.chain(clipped(CLIP), *links)
    return distance(found, trained(optimizer, PATHS, micro=micro, transposed=True)[-1])


@functools.cache
def reference_run() -> Any:
    model = network()
    optimizer = OPTIMIZERS["adam"][0](model.parameters())
    noisy(optimizer, model)
    return fit(model, optimizer)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_is_numpys(name: str) -> None:
    make, ours = OPTIMIZERS[name]
    model = network()
    optimizer = make(model.parameters())
    noisy(optimizer, model)
    assert to_reference(fit(model, optimizer), NOISE, ours) <= TOLERANCE


WAYS: dict[str, dict[str, Any]] = {
    "closure": {"by_closure": True},
    "accumulated": {"micro": 3},
    "scaled": {"amp": 2.0**10},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["adam", "fused"])
def test_a_run_by_other_ways_of_stepping_is_numpys(way: str, name: str) -> None:
    make, ours = OPTIMIZERS[name]
    kind, model = dict(WAYS[way]), network()
    if "amp" in kind:
        kind["amp"] = torch.amp.GradScaler("cpu", init_scale=kind["amp"])
    optimizer = make(model.parameters())
    noise = noisy(optimizer, model)
    run = fit(model, optimizer, **kind)
    assert to_reference(run, NOISE, ours, micro=kind.get("micro", 1)) <= TOLERANCE
    assert noise.count == UPDATES


def test_a_run_with_weight_noise_and_a_schedule_is_numpys() -> None:
    model = network()
    optimizer = OPTIMIZERS["adam"][0](model.parameters())
    noisy(optimizer, model, 1e-4, placement="weight")
    noisy(optimizer, model, schedule=schedule)
    links = (
        gn.add_gradient_noise(schedule=schedule, seed=SEED),
        OPTIMIZERS["adam"][1],
        gn.add_weight_noise(1e-4, seed=SEED),
    )
    assert to_reference(fit(model, optimizer), *links) <= TOLERANCE


@pytest.mark.parametrize("name", ["adam", "momentum"])
def test_a_run_resumed_from_a_file_is_numpys(name: str) -> None:
    make, ours = OPTIMIZERS[name]
    model, file = network(), io.BytesIO()
    optimizer = make(model.parameters())
    noisy(optimizer, model)
    fit(model, optimizer, 0, HALF)
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file)

    model = network()
    model.load_state_dict(saved["model"])
    optimizer = make(model.parameters())
    noisy(optimizer, model)
    optimizer.load_state_dict(saved["optimizer"])
    assert to_reference(fit(model, optimizer, HALF), NOISE, ours) <= TOLERANCE


def test_a_run_whose_noise_starts_again_is_another() -> None:
    make, ours = OPTIMIZERS["adam"]
    model = network()
    optimizer = make(model.parameters())
    noise = noisy(optimizer, model)
    fit(model, optimizer, 0, HALF)
    noise.count = 0
    assert to_reference(fit(model, optimizer, HALF), NOISE, ours) > APART


@pytest.mark.parametrize("wrong", ["no noise", "other seed", "noise before clipping", "naive"])
def test_a_wrong_run_is_far_from_it(wrong: str) -> None:
    make, ours = OPTIMIZERS["adam"]
    if wrong == "noise before clipping":
        found = [p.detach().numpy() for p in reference_run().parameters()]
        optimizer = gn.chain(NOISE, clipped(CLIP), ours)
        far = distance(found, trained(optimizer, PATHS, transposed=True)[-1])
        assert far > APART
        return
    model = network()
    optimizer = make(model.parameters())
    if wrong == "other seed":
        add_gradient_noise(optimizer, model, ETA, seed=SEED + 1)
    elif wrong == "naive":
        naive(optimizer, model)
    assert to_reference(fit(model, optimizer), NOISE, ours) > APART


def test_the_page_of_the_documentation_runs(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "page.py"
    script.write_text(page("torch.rst"), encoding="utf-8")
    names = runpy.run_path(str(script))
    assert names["noise"].count == names["resumed"].count == 10 * 15
    pairs = zip(names["model"].parameters(), names["again"].parameters(), strict=True)
    assert all(np.array_equal(a.detach(), b.detach()) for a, b in pairs)
    right = names["model"](names["x"]).argmax(1) == names["y"]
    assert right.double().mean() > 0.9
