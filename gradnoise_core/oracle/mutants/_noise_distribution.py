"""Noise of another distribution, or of few values."""

import functools
import math
from typing import Any

import numpy as np

from gradnoise_core.oracle._scipy import special
from gradnoise_core.oracle.mutants._catalogue import Mutant
from gradnoise_core.oracle.mutants._parts import Noise, adding, noise_mutant, normal

__all__ = ["DISTRIBUTION_MUTANTS"]


def _truncated(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    """Redraw beyond two deviations, as tf.truncated_normal does."""
    low = special().ndtr(-2.0)
    return special().ndtri(low + (1 - 2 * low) * rng.random(shape)).astype(np.float32)


#: The deviation of a standard normal that is cut at two.
_TRUNCATED = 0.879626


def _uniform(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return (math.sqrt(12.0) * (rng.random(shape) - 0.5)).astype(np.float32)


def _laplace(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return rng.laplace(scale=math.sqrt(0.5), size=shape).astype(np.float32)


def _twelve_uniforms(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return (rng.random((12, *shape)).sum(axis=0) - 6.0).astype(np.float32)


def _student(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return (rng.standard_t(10, shape) * math.sqrt(0.8)).astype(np.float32)


def _signs(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return rng.choice(np.asarray([-1.0, 1.0], np.float32), shape)


def _magnitudes(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return np.abs(normal(rng, shape, t, leaf))


def _clamped(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return np.clip(normal(rng, shape, t, leaf), -3.0, 3.0)


def _float16(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return normal(rng, shape, t, leaf).astype(np.float16).astype(np.float32)


def _bfloat16(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    """Of a bfloat16 uniform, as jax.random.normal draws it."""
    u = (np.floor(rng.random(shape) * 128.0) + 0.5) / 128.0
    z = special().ndtri(u).astype(np.float32)
    return (z.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def _bits(n: int, rng: Any, shape: Any, t: int, leaf: int) -> Any:
    u = (rng.integers(0, 1 << n, shape) + 0.5) / float(1 << n)
    return special().ndtri(u).astype(np.float32)


def _one_uniform(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    """Box-Muller with one uniform for both radius and angle."""
    u = 1.0 - rng.random(shape)
    return (np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * u)).astype(np.float32)


def _without_two(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    """Box-Muller with log(u) for 2 log(u)."""
    u, v = 1.0 - rng.random(shape), rng.random(shape)
    return (np.sqrt(-np.log(u)) * np.cos(2.0 * np.pi * v)).astype(np.float32)


def _half_a_turn(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    """Box-Muller with angles in half a turn: its sine is never negative."""
    u, v = 1.0 - rng.random(shape), rng.random(shape)
    return (np.sqrt(-2.0 * np.log(u)) * np.sin(np.pi * v)).astype(np.float32)


def _overflowing(seed: int) -> Noise:
    """Box-Muller with a uniform that may be 0, whose logarithm is not finite."""

    def draw(rng: Any, shape: tuple[int, ...], t: int, leaf: int) -> Any:
        u = rng.integers(0, 1 << 16, shape) / 65536.0
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * rng.random(shape))
        return z.astype(np.float32)

    return adding(draw)(seed)


DISTRIBUTION_MUTANTS: tuple[Mutant, ...] = (
    noise_mutant(
        "truncated",
        "the normal is truncated at two deviations: its deviation is 0.88",
        adding(_truncated),
        "TensorFlow's contrib optimize_loss, tensor2tensor",
        "truncated",
    ),
    noise_mutant(
        "truncated-and-rescaled",
        "the normal is truncated at two deviations, its variance is 1",
        adding(lambda *a: _truncated(*a) / np.float32(_TRUNCATED)),
        "truncated initializers that are rescaled, used for noise",
        "truncated",
    ),
    noise_mutant(
        "clamped",
        "the normal is clamped to three deviations",
        adding(_clamped),
        diagnosis="truncated",
    ),
    noise_mutant(
        "uniform",
        "it is uniform, of the right variance",
        adding(_uniform),
        "optax's own test passes it",
        "uniform",
    ),
    noise_mutant(
        "laplace",
        "it is Laplace's, of the right variance",
        adding(_laplace),
        "the Laplace mechanism of differential privacy",
        "tails are too long",
    ),
    noise_mutant(
        "student",
        "it is Student's with 10 degrees of freedom, of the right variance",
        adding(_student),
        diagnosis="tails are too long",
    ),
    noise_mutant("signs", "it is a random sign times the standard deviation", adding(_signs)),
    noise_mutant(
        "twelve-uniforms",
        "it is the sum of twelve uniforms less six",
        adding(_twelve_uniforms),
        "a textbook's way to make normals",
        "tails are too short",
    ),
    noise_mutant(
        "positive",
        "it is the magnitude of a normal: of one sign",
        adding(_magnitudes),
        diagnosis="one sign only",
    ),
    noise_mutant(
        "bfloat16",
        "it is drawn in bfloat16: 128 values, none beyond 2.9",
        adding(_bfloat16),
        "optax add_noise on bfloat16",
        "16 bits",
    ),
    noise_mutant(
        "float16",
        "it is drawn in float16 and widened",
        adding(_float16),
        "mixed precision",
        "16 bits",
    ),
    noise_mutant(
        "sixteen-bit-uniforms",
        "it is the quantile of uniforms of 16 bits",
        adding(functools.partial(_bits, 16)),
        "likely slip",
        "few bits",
    ),
    noise_mutant(
        "one-uniform", "Box-Muller takes one uniform for radius and angle", adding(_one_uniform)
    ),
    noise_mutant(
        "box-muller-without-two",
        "Box-Muller takes the root of -log(u), not of -2 log(u)",
        adding(_without_two),
        diagnosis="0.71 times",
    ),
    noise_mutant(
        "box-muller-half-turn",
        "Box-Muller's angles fill half a turn",
        adding(_half_a_turn),
        diagnosis="one sign only",
    ),
    noise_mutant(
        "box-muller-of-zero",
        "Box-Muller takes the logarithm of uniforms that may be 0",
        _overflowing,
        diagnosis="is finite",
    ),
)
