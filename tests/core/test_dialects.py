"""Every dialect against the framework that speaks it: torch.optim and optax, in float64.

The peers keep their own defaults, so that a wrong row in the table of dialects fails.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import optax
import pytest
import torch
from optimizer_cases import (
    DECAY,
    DROP,
    GRADIENTS,
    RATES,
    START,
    TOLERANCE,
    features,
    path_of,
)

import gradnoise_core as gn
from gradnoise_core.optimizers import DIALECTS


def of_torch(make: Callable[..., torch.optim.Optimizer], **options: Any) -> Any:
    p = torch.tensor(START, requires_grad=True)
    optimizer = make([p], lr=RATES[0], **options)
    path = []
    for t, g in enumerate(GRADIENTS):
        for group in optimizer.param_groups:
            group["lr"] = RATES[t >= DROP]
        p.grad = torch.tensor(g)
        optimizer.step()
        path.append(p.detach().numpy().copy())
    return np.stack(path)


def of_optax(make: Callable[..., Any]) -> Any:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    optimizer = make(lambda count: jnp.where(count < DROP, *RATES))

    def step(p: Any, state: Any, g: Any) -> Any:
        updates, state = optimizer.update(g, state, p)
        return optax.apply_updates(p, updates), state

    compiled = jax.jit(step)
    p = jnp.asarray(START)
    state, path = optimizer.init(p), []
    for g in jnp.asarray(GRADIENTS):
        p, state = compiled(p, state, g)
        path.append(np.asarray(p))
    return np.stack(path)


#: ours, our features, torch's class, its features.
TORCH: list[tuple[str, dict[str, Any], Any, dict[str, Any]]] = [
    ("sgd", {}, torch.optim.SGD, {}),
    ("sgd", DECAY, torch.optim.SGD, DECAY),
    ("momentum", {}, torch.optim.SGD, {"momentum": 0.9}),
    ("momentum", DECAY, torch.optim.SGD, {"momentum": 0.9, **DECAY}),
    ("momentum", {"dampening": 0.5}, torch.optim.SGD, {"momentum": 0.9, "dampening": 0.5}),
    ("momentum", {"nesterov": True}, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    ("adagrad", {}, torch.optim.Adagrad, {}),
    ("adagrad", DECAY, torch.optim.Adagrad, DECAY),
    (
        "adagrad",
        {"initial_accumulator": 0.1, "eps": 1e-3},
        torch.optim.Adagrad,
        {"initial_accumulator_value": 0.1, "eps": 1e-3},
    ),
    ("rmsprop", {}, torch.optim.RMSprop, {}),
    ("rmsprop", DECAY, torch.optim.RMSprop, DECAY),
    ("rmsprop", {"eps": 1e-3}, torch.optim.RMSprop, {"eps": 1e-3}),
    ("rmsprop", {"centered": True}, torch.optim.RMSprop, {"centered": True}),
    ("rmsprop", {"momentum": 0.9}, torch.optim.RMSprop, {"momentum": 0.9}),
    (
        "rmsprop",
        {"momentum": 0.9, "centered": True, **DECAY},
        torch.optim.RMSprop,
        {"momentum": 0.9, "centered": True, **DECAY},
    ),
    ("adadelta", {}, torch.optim.Adadelta, {}),
    ("adadelta", DECAY, torch.optim.Adadelta, DECAY),
    ("adam", {}, torch.optim.Adam, {}),
    ("adam", DECAY, torch.optim.Adam, DECAY),
    ("adam", {"eps": 1e-3}, torch.optim.Adam, {"eps": 1e-3}),
    ("adam", {"b1": 0.8, "b2": 0.95}, torch.optim.Adam, {"betas": (0.8, 0.95)}),
    ("adam", {"amsgrad": True}, torch.optim.Adam, {"amsgrad": True}),
    ("adamw", {}, torch.optim.AdamW, {}),
    ("adamw", {"amsgrad": True, **DECAY}, torch.optim.AdamW, {"amsgrad": True, **DECAY}),
]

#: ours, our features, optax's optimizer at a rate.
OPTAX: list[tuple[str, dict[str, Any], Callable[..., Any]]] = [
    ("sgd", {}, optax.sgd),
    ("sgd", DECAY, lambda h: optax.chain(optax.add_decayed_weights(0.01), optax.sgd(h))),
    ("momentum", {}, lambda h: optax.sgd(h, momentum=0.9)),
    ("momentum", {"nesterov": True}, lambda h: optax.sgd(h, momentum=0.9, nesterov=True)),
    (
        "momentum",
        DECAY,
        lambda h: optax.chain(optax.add_decayed_weights(0.01), optax.sgd(h, momentum=0.9)),
    ),
    ("adagrad", {}, optax.adagrad),
    ("rmsprop", {}, optax.rmsprop),
    ("rmsprop", {"eps_in_sqrt": False}, lambda h: optax.rmsprop(h, eps_in_sqrt=False)),
    ("rmsprop", {"centered": True}, lambda h: optax.rmsprop(h, centered=True)),
    ("rmsprop", {"momentum": 0.9}, lambda h: optax.rmsprop(h, momentum=0.9)),
    (
        "rmsprop",
        {"momentum": 0.9, "nesterov": True, "centered": True},
        lambda h: optax.rmsprop(h, momentum=0.9, nesterov=True, centered=True),
    ),
    ("adadelta", {}, optax.adadelta),
    ("adadelta", DECAY, lambda h: optax.adadelta(h, weight_decay=0.01)),
    ("adam", {}, optax.adam),
    ("adam", DECAY, lambda h: optax.chain(optax.add_decayed_weights(0.01), optax.adam(h))),
    ("adam", {"amsgrad": True}, optax.amsgrad),
    (
        "adam",
        {"amsgrad": True, "bias_correction": False},
        lambda h: optax.amsgrad(h, bias_correction_mu=False, bias_correction_nu=False),
    ),
    ("adamw", {}, optax.adamw),
    ("adamw", DECAY, lambda h: optax.adamw(h, weight_decay=0.01)),
]


def _id(value: Any) -> str | None:
    if isinstance(value, dict):
        return ",".join(f"{k}={v}" for k, v in value.items()) or "plain"
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize(("name", "ours", "make", "theirs"), TORCH, ids=_id)
def test_torch_dialect_is_torch_optim(
    name: str, ours: dict[str, Any], make: Any, theirs: dict[str, Any]
) -> None:
    distance = np.abs(path_of(name, "torch", **ours) - of_torch(make, **theirs)).max()
    assert distance <= TOLERANCE


@pytest.mark.parametrize(("name", "ours", "make"), OPTAX, ids=_id)
def test_optax_dialect_is_optax(name: str, ours: dict[str, Any], make: Any) -> None:
    distance = np.abs(path_of(name, "optax", **ours) - of_optax(make)).max()
    assert distance <= TOLERANCE


def test_torch_lr_decay_of_adagrad_is_inverse_time_decay() -> None:
    p = torch.tensor(START, requires_grad=True)
    peer = torch.optim.Adagrad([p], lr=RATES[0], lr_decay=0.1)
    mine = gn.adagrad(gn.schedules.inverse_time_decay(RATES[0], 0.1), dialect="torch")
    q, state = START, mine.init(START)
    for g in GRADIENTS:
        p.grad = torch.tensor(g)
        peer.step()
        updates, state = mine.update(g, state, q)
        q = gn.apply_updates(q, updates)
    assert np.abs(q - p.detach().numpy()).max() <= TOLERANCE


#: What the frameworks were measured to differ by at step 100, as an order of magnitude: the
#: comparison above must see each. (ours, dialect, features), a neighbour, at least this far apart.
APART: list[tuple[str, tuple[str, dict[str, Any]], tuple[str, dict[str, Any]], float]] = [
    ("momentum", ("torch", {}), ("keras", {}), 1.0),
    ("momentum", ("torch", {"nesterov": True}), ("chainer", {"nesterov": True}), 0.1),
    ("momentum", ("torch", {"dampening": 0.5}), ("mlx", {"dampening": 0.5}), 0.1),
    ("momentum", ("torch", DECAY), ("keras", DECAY), 1.0),
    ("adagrad", ("torch", {}), ("optax", {}), 0.1),
    ("adagrad", ("torch", {}), ("chainer", {}), 1e-4),
    ("rmsprop", ("torch", {}), ("optax", {}), 0.1),
    ("rmsprop", ("torch", {"momentum": 0.9}), ("optax", {"momentum": 0.9}), 0.1),
    (
        "rmsprop",
        ("torch", {"momentum": 0.9}),
        ("torch", {"momentum": 0.9, "rate_inside": True}),
        0.1,
    ),
    ("adadelta", ("torch", {}), ("keras", {}), 1e-6),
    ("adam", ("torch", {}), ("keras", {}), 1e-3),
    ("adam", ("torch", {}), ("tf1", {}), 1e-3),
    ("adam", ("torch", {}), ("mlx", {}), 0.1),
    ("adam", ("torch", DECAY), ("keras", DECAY), 0.1),
    ("adam", ("torch", {"amsgrad": True}), ("optax", {"amsgrad": True}), 1e-3),
    ("adamw", ("torch", {}), ("keras", {}), 1e-3),
    ("adamw", ("torch", {}), ("paper", {}), 0.1),
    ("adamw", ("torch", DECAY), ("chainer", DECAY), 0.1),
]


@pytest.mark.parametrize(("name", "one", "other", "least"), APART)
def test_the_comparison_tells_neighbouring_dialects_apart(
    name: str, one: tuple[str, dict[str, Any]], other: tuple[str, dict[str, Any]], least: float
) -> None:
    a, b = (path_of(name, dialect, **options) for dialect, options in (one, other))
    assert np.abs(a[-1] - b[-1]).max() >= least


@pytest.mark.parametrize("name", [n for n, rows in DIALECTS.items() if len(rows) > 1])
def test_dialects_differ_exactly_where_the_table_says_so(name: str) -> None:
    on = features(name)
    table = {d: {**gn.optimizers.keywords(name, d), **on} for d in DIALECTS[name]}
    paths = {dialect: path_of(name, dialect, **on) for dialect in table}
    for one, other in itertools.combinations(table, 2):
        distance = np.abs(paths[one] - paths[other]).max()
        if table[one] == table[other]:
            assert distance == 0, (one, other)
        else:
            assert distance > 1e4 * TOLERANCE, (one, other)


@pytest.mark.parametrize(
    ("name", "keyword"), [(n, k) for n, rows in DIALECTS.items() for k in rows["paper"]]
)
def test_every_keyword_of_the_table_matters(name: str, keyword: str) -> None:
    """No keyword may be taken and dropped: another value of it makes another trajectory."""
    on = {**gn.optimizers.keywords(name), **features(name)}
    if keyword == "nesterov_from_new":
        on["nesterov"] = True
    gradients = GRADIENTS
    if name == "santa":  # whose friction feeds on u**2 and runs away above 2
        on["eps"], gradients = 100.0, 0.01 * GRADIENTS
    other = {"scheme": "sss", "decay_by": "nothing", "burn_in": 10, "data_size": 7}.get(keyword)
    if other is None:
        was = on[keyword]
        other = not was if isinstance(was, bool) else 0.5 * was + 1e-3
    as_it_was = path_of(name, "paper", gradients, **on)
    changed = path_of(name, "paper", gradients, **{**on, keyword: other})
    assert np.abs(changed - as_it_was).max() > 1e4 * TOLERANCE
