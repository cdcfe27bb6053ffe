"""Gradient noise is weight noise under plain SGD, and under no other optimizer."""

from typing import Any

import numpy as np
import pytest
from libraries import Library

import gradnoise_core as gn

ETA, GAMMA, RATE, SEED = 0.3, 0.55, 0.1, 21


def many(library: Library) -> int:
    """Return a number of steps: JAX, eager, takes some 50 ms for one."""
    return 40 if library.name.startswith("jax") else 200


def descend(library: Library, transformation: Any, steps: int = 20, dtype: str = "float64") -> Any:
    """Return the parameters after descending a quadratic of condition 10."""
    curvature = library.array(np.linspace(0.5, 5.0, 24).reshape(4, 6), dtype)
    params = {"w": library.array(np.ones((4, 6)), dtype), "b": library.array(np.ones(3), dtype)}
    state = transformation.init(params)
    for _ in range(steps):
        grads = {"w": curvature * params["w"], "b": params["b"]}
        updates, state = transformation.update(grads, state, params)
        params = gn.apply_updates(params, updates)
    return np.concatenate([library.numpy(params[k]).reshape(-1) for k in ("w", "b")])


def gradient_noise(optimizer: Any) -> Any:
    return gn.chain(gn.add_gradient_noise(ETA, GAMMA, seed=SEED), optimizer)


def weight_noise(optimizer: Any, scale: float = RATE**2, domain: str = "gradient-noise") -> Any:
    """Weight noise of the variance of gradient noise times `scale`, from the same numbers."""
    variance = gn.schedules.annealed(ETA, GAMMA)
    noise = gn.add_weight_noise(schedule=lambda t: scale * variance(t), seed=SEED, domain=domain)
    return gn.chain(optimizer, noise)


def test_under_sgd_they_are_the_same_up_to_rounding(library: Library) -> None:
    a = descend(library, gradient_noise(gn.sgd(RATE)), many(library))
    b = descend(library, weight_noise(gn.sgd(RATE)), many(library))
    assert np.abs(a - b).max() <= 1e-13
    assert np.abs(a - descend(library, gn.sgd(RATE), many(library))).max() > 1e-3


def test_under_sgd_they_are_the_same_in_float32_up_to_its_rounding(library: Library) -> None:
    a = descend(library, gradient_noise(gn.sgd(RATE)), dtype="float32")
    b = descend(library, weight_noise(gn.sgd(RATE)), dtype="float32")
    assert np.abs(a - b).max() <= 1e-5


def test_they_are_the_same_while_the_rate_changes(library: Library) -> None:
    rate = gn.schedules.exponential_decay(RATE, 0.5, steps=5)
    variance = gn.schedules.annealed(ETA, GAMMA)
    noise = gn.add_weight_noise(
        schedule=lambda t: rate(t) ** 2 * variance(t), seed=SEED, domain="gradient-noise"
    )
    a = descend(library, gradient_noise(gn.sgd(rate)))
    b = descend(library, gn.chain(gn.sgd(rate), noise))
    assert np.abs(a - b).max() <= 1e-13


@pytest.mark.parametrize(
    ("scale", "domain"), [(RATE, "gradient-noise"), (RATE**2, "weight-noise")], ids=str
)
def test_the_comparison_sees_a_wrong_scale_and_other_numbers(
    library: Library, scale: float, domain: str
) -> None:
    a = descend(library, gradient_noise(gn.sgd(RATE)))
    b = descend(library, weight_noise(gn.sgd(RATE), scale, domain))
    assert np.abs(a - b).max() > 1e-3


@pytest.mark.parametrize(
    "optimizer",
    [
        gn.momentum(RATE, dialect="torch"),
        gn.momentum(RATE, nesterov=True),
        gn.adagrad(RATE),
        gn.rmsprop(RATE),
        gn.adam(RATE),
        gn.adamw(RATE),
    ],
    ids=["momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"],
)
def test_under_other_optimizers_they_differ(library: Library, optimizer: Any) -> None:
    a = descend(library, gradient_noise(optimizer))
    b = descend(library, weight_noise(optimizer))
    assert np.abs(a - b).max() > 1e-3
