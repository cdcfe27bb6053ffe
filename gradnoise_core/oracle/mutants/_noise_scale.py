"""Noise of the wrong size, on the wrong elements, or added to something else."""

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradnoise_core.oracle._laws import LAWS, Law
from gradnoise_core.oracle.mutants._catalogue import Mutant
from gradnoise_core.oracle.mutants._parts import (
    ETA,
    GAMMA,
    Noise,
    adding,
    noise_mutant,
    normal,
    sigma,
)
from gradnoise_core.tree import flatten, map_leaves

_MICRO_BATCHES, _RATE, _LOSS_SCALE = 4, 0.05, 65536.0

_IN_ORDER = {"in_order": True}

__all__ = ["SCALE_MUTANTS"]


def _with_law(law: Law) -> Callable[[int], Noise]:
    return adding(scale=lambda t: math.sqrt(law.variance(ETA, GAMMA, t)))


def _rebinding(seed: int) -> Noise:
    rng = np.random.default_rng(seed)

    def noisy(gradient: Any, t: int) -> Any:
        for g in flatten(gradient, "gradient").leaves:
            g = g + np.float32(sigma(t)) * normal(rng, g.shape, t, 0)  # the bug
        return gradient

    return noisy


def _in_place(seed: int) -> Noise:
    rng = np.random.default_rng(seed)

    def noisy(gradient: Any, t: int) -> Any:
        for g in flatten(gradient, "gradient").leaves:
            g += np.float32(sigma(t)) * normal(rng, g.shape, t, 0)
        return gradient

    return noisy


def _first_leaf(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return normal(rng, shape, t, leaf) * np.float32(leaf == 0)


def _matrices(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return normal(rng, shape, t, leaf) * np.float32(len(shape) > 1)


def _micro_batches(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return sum(normal(rng, shape, t, leaf) for _ in range(_MICRO_BATCHES))


def _averaged(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return _micro_batches(rng, shape, t, leaf) / np.float32(_MICRO_BATCHES)


def _times_factor(rng: Any, shape: Any, t: int, leaf: int, *, factor: float) -> Any:
    return np.float32(factor) * normal(rng, shape, t, leaf)


def _by_fan_in(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return normal(rng, shape, t, leaf) / np.float32(math.sqrt(shape[0]) / 10.0)


def _elementwise(change: Callable[[Any, Any, Any], Any]) -> Callable[[int], Noise]:
    """Return how to make ``change(g, z, sigma_t)`` of each leaf."""

    def make(seed: int) -> Noise:
        rng = np.random.default_rng(seed)

        def leaf(g: Any, t: int) -> Any:
            return np.asarray(change(g, normal(rng, g.shape, t, 0), np.float32(sigma(t))), g.dtype)

        return lambda gradient, t: map_leaves(lambda g: leaf(g, t), gradient)

    return make


def _to_float64(seed: int) -> Noise:
    rng = np.random.default_rng(seed)
    return lambda gradient, t: map_leaves(
        lambda g: g + sigma(t) * rng.standard_normal(g.shape), gradient
    )


def _counted(seed: int, *, count: Callable[[int], int]) -> Noise:
    """Count the calls, as an optimizer does, and mistake the count for t."""
    calls = itertools.count()
    noise = adding()(seed)
    return lambda gradient, t: noise(gradient, count(next(calls)))


def _forgets(seed: int) -> Noise:
    """Start again at a checkpoint after 40 steps: the count, and the generator with it."""
    calls = itertools.count()
    current = [adding()(seed)]

    def noisy(gradient: Any, t: int) -> Any:
        n = next(calls)
        if n == 40:
            current[0] = adding()(seed)
        return current[0](gradient, n % 40 if n < 80 else n - 40)

    return noisy


SCALE_MUTANTS: tuple[Mutant, ...] = (
    *(
        noise_mutant(law.name, law.mistake, _with_law(law), law.source, law.mistake)
        for law in LAWS
        if law.name != "gamma-hard-coded"  # right, where gamma is 0.55
    ),
    noise_mutant(
        "rebinding",
        "the noise only rebinds a loop's name and reaches nothing",
        _rebinding,
        "the Neural GPU released by a co-author of the paper",
        "no noise reaches the result",
    ),
    noise_mutant(
        "in-place",
        "the caller's gradient is changed in place",
        _in_place,
        "MXNet 2.0's SGLD, torch-sgld",
        "alone",
    ),
    noise_mutant(
        "first-leaf-only",
        "only the first leaf gets noise",
        adding(_first_leaf),
        "a return inside the loop",
        "no noise reaches",
    ),
    noise_mutant(
        "matrices-only",
        "only leaves of several axes get noise",
        adding(_matrices),
        "likely slip",
        "no noise reaches",
    ),
    noise_mutant(
        "ten-times",
        "the standard deviation is ten times as large",
        adding(functools.partial(_times_factor, factor=10.0)),
        "optax's own test passes it",
        "10 times",
    ),
    noise_mutant(
        "micro-batches",
        "each of 4 micro-batches adds noise: the variance is 4 times as large",
        adding(_micro_batches),
        "hooks with gradient accumulation",
        "2 times",
    ),
    noise_mutant(
        "averaged",
        "each of 4 replicas adds noise before the mean: the variance is a quarter",
        adding(_averaged),
        "hooks with data parallelism",
        "0.5 times",
    ),
    noise_mutant(
        "loss-scale",
        "it is added to the gradient while that is scaled by 65536",
        adding(functools.partial(_times_factor, factor=1.0 / _LOSS_SCALE)),
        "torch GradScaler with fused=True; RETURNN PR#1595",
        "diluted",
    ),
    noise_mutant(
        "after-the-rate",
        "it is added after the learning rate, as 20 times as much",
        adding(functools.partial(_times_factor, factor=1.0 / _RATE)),
        "optax#337 (noisy_sgd until 2022)",
        "20 times",
    ),
    noise_mutant(
        "times-the-rate",
        "it is multiplied by the learning rate twice",
        adding(functools.partial(_times_factor, factor=_RATE)),
        diagnosis="0.05 times",
    ),
    noise_mutant(
        "root-of-the-rate",
        "its standard deviation is the root of the learning rate",
        adding(scale=lambda t: math.sqrt(_RATE)),
        "SGLD of MXNet and torch-sgld",
        "does not decay",
    ),
    noise_mutant(
        "by-fan-in",
        "it is divided by the root of the fan-in",
        adding(_by_fan_in),
        "likely slip",
        "variance",
    ),
    noise_mutant(
        "multiplicative",
        "it is multiplied by the gradient",
        _elementwise(lambda g, z, s: g * (1 + s * z)),
        "likely slip",
        "no noise reaches the result",
    ),
    noise_mutant(
        "grows-with-the-gradient",
        "it is the larger, the larger the gradient",
        _elementwise(lambda g, z, s: g + z * np.sqrt(s * s + (0.1 * g) ** 2)),
        diagnosis="gradient",
    ),
    noise_mutant(
        "only-where-non-zero",
        "elements whose gradient is 0 get no noise",
        _elementwise(lambda g, z, s: g + s * z * (g != 0)),
        "likely slip",
        "no noise reaches the result",
    ),
    noise_mutant(
        "only-where-zero",
        "elements with a gradient get no noise",
        _elementwise(lambda g, z, s: g + s * z * (g == 0)),
        "likely slip",
        "gradient",
    ),
    noise_mutant(
        "in-place-of-the-gradient",
        "the noise is returned without the gradient",
        _elementwise(lambda g, z, s: s * z),
        diagnosis="takes its place",
    ),
    noise_mutant(
        "gradient-normalized",
        "the gradient is scaled to length 1 before noise is added",
        _elementwise(lambda g, z, s: g / np.float32(max(float(np.linalg.norm(g)), 1e-12)) + s * z),
        "normalized gradient descent",
        "gradient",
    ),
    noise_mutant(
        "subtracts-the-gradient",
        "the sign of the gradient is wrong",
        _elementwise(lambda g, z, s: s * z - g),
        diagnosis="other sign",
    ),
    noise_mutant(
        "gradient-in-bfloat16",
        "the gradient passes through bfloat16",
        _elementwise(
            lambda g, z, s: (g.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32) + s * z
        ),
        "mixed precision",
        "gradient",
    ),
    noise_mutant(
        "float64",
        "float32 gradients come back in float64",
        _to_float64,
        "NumPy's promotion",
        "float64",
    ),
    noise_mutant(
        "count-not-resumed",
        "the count starts again at 0 after a checkpoint",
        _forgets,
        "PulseOpt has no state_dict; torch's hooks are not in it",
        "no longer",
        arguments=_IN_ORDER,
    ),
    noise_mutant(
        "count-twice",
        "the count advances twice a step",
        functools.partial(_counted, count=lambda n: 2 * n),
        "likely slip",
        "variance",
        arguments=_IN_ORDER,
    ),
    noise_mutant(
        "count-late",
        "the count is advanced before it is used: t starts at 1",
        functools.partial(_counted, count=lambda n: n + 1),
        "Chainer's hook on a rule",
        "from 1",
        arguments=_IN_ORDER,
    ),
    noise_mutant(
        "count-stuck",
        "the count does not advance",
        functools.partial(_counted, count=lambda n: 0),
        "a count that is not stored back",
        "does not decay",
        arguments=_IN_ORDER,
    ),
)
