"""Implementations that are right: the oracle must pass them, whatever their seed."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import gradnoise_core as gn
from gradnoise_core.noise import NoiseState
from gradnoise_core.oracle._scipy import special
from gradnoise_core.oracle.mutants._catalogue import Implementation
from gradnoise_core.oracle.mutants._parts import Noise, adding, sigma
from gradnoise_core.random import leaf_key, standard_normal
from gradnoise_core.tree import flatten

__all__ = ["RIGHT"]

_CLIP = 5.0


def _schedule(seed: int) -> Callable[[int], float]:
    return gn.schedules.annealed()


def _schedule_in_float32(seed: int) -> Callable[[int], Any]:
    eta, gamma, one = np.float32(0.01), np.float32(0.55), np.float32(1)
    return lambda t: eta * (one + np.float32(t)) ** -gamma


def _ours(seed: int, **options: Any) -> Noise:
    link = gn.add_gradient_noise(seed=seed, **options)
    return lambda gradient, t: link.update(gradient, NoiseState(t))[0]


def _ours_clipped(seed: int) -> Noise:
    clip, noise = gn.clip_by_global_norm(_CLIP), _ours(seed)

    def noisy(gradient: Any, t: int) -> Any:
        return noise(clip.update(gradient, clip.init(gradient))[0], t)

    return noisy


def _ours_chained(seed: int) -> Noise:
    """Count the updates itself, as a training loop does."""
    link = gn.chain(gn.clip_by_global_norm(_CLIP), gn.add_gradient_noise(seed=seed))
    state: list[Any] = []

    def noisy(gradient: Any, t: int) -> Any:
        out, new = link.update(gradient, state[0] if state else link.init(gradient))
        state[:] = [new]
        return out

    return noisy


def _float64(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return rng.standard_normal(shape).astype(np.float32)


def _box_muller(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    """Draw with the sine alone: wasteful, and right."""
    u, v = 1.0 - rng.random(shape), rng.random(shape)
    return (np.sqrt(-2.0 * np.log(u)) * np.sin(2.0 * np.pi * v)).astype(np.float32)


def _quantile_of_23_bits(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    """Draw from uniforms as coarse as those of jax.random in float32."""
    u = (rng.integers(0, 1 << 23, shape) + 0.5) / float(1 << 23)
    return special().ndtri(u).astype(np.float32)


def _keyed(seed: int) -> Noise:
    """Make each leaf's generator anew at each step: Philox under a key of (seed, leaf, t)."""

    def draw(rng: Any, shape: tuple[int, ...], t: int, leaf: int) -> Any:
        philox = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, leaf, t))))
        return philox.standard_normal(shape, np.float32)

    return adding(draw)(seed)


def _global(seed: int) -> Noise:
    """Draw from the global generator of NumPy."""
    np.random.seed(seed % 2**32)  # noqa: NPY002  # the generator that is meant
    return lambda gradient, t: {
        k: g + np.float32(sigma(t)) * np.random.standard_normal(g.shape).astype(np.float32)  # noqa: NPY002
        for k, g in gradient.items()
    }


def _clipped(seed: int) -> Noise:
    """Clip as torch does, with 1e-6 added to the norm."""
    noise = adding()(seed)

    def noisy(gradient: Any, t: int) -> Any:
        norm = math.sqrt(sum(float(np.sum(g.astype(np.float64) ** 2)) for g in gradient.values()))
        factor = np.float32(min(1.0, _CLIP / (norm + 1e-6)))
        return noise({k: g * factor for k, g in gradient.items()}, t)

    return noisy


def _in(dtype: Any, seed: int) -> Noise:
    """Sum in float32 and round once."""
    rng = np.random.default_rng(seed)

    def noisy(gradient: Any, t: int) -> Any:
        tree = flatten(gradient, "gradient")
        wide = np.float64 if dtype is np.float64 else np.float32
        return tree.rebuild(
            [
                (g.astype(wide) + sigma(t) * rng.standard_normal(g.shape)).astype(dtype)
                for g in tree.leaves
            ]
        )

    return noisy


def _family(offset: int) -> Callable[[int], Noise]:
    return lambda seed: _ours(seed + 4 * offset)


def _stream(seed: int) -> Callable[..., Any]:
    def draw(seed: Any, path: str, step: int, shape: Any, *, domain: str, **where: Any) -> Any:
        return standard_normal(leaf_key(seed, path, step, domain=domain), shape, **where)

    return draw


def _noise(name: str, make: Callable[[int], Any], **arguments: Any) -> Implementation:
    check = arguments.pop("check", "check_noise")
    return Implementation(name=name, kind="noise", make=make, check=check, arguments=arguments)


#: Right implementations, on NumPy.
RIGHT: tuple[Implementation, ...] = (
    Implementation(name="ours-schedule", kind="schedule", make=_schedule, check="check_schedule"),
    Implementation(
        name="schedule-in-float32", kind="schedule", make=_schedule_in_float32,
        check="check_schedule",
    ),
    Implementation(name="ours-stream", kind="stream", make=_stream, check="check_stream"),
    _noise("ours", _ours),
    _noise("ours-clipped", _ours_clipped, clip=_CLIP),
    _noise("ours-chained", _ours_chained, clip=_CLIP, in_order=True),
    _noise("ours-on-one-leaf", _ours, like=np.zeros((120, 131), np.float32)),
    _noise("ours-float16", _ours, like=[np.zeros(8001, np.float16), np.zeros((80, 80), np.float16)]),
    _noise("ours-seeds", _family, check="check_noise_seeds"),
    _noise("numpy-float32", adding()),
    _noise("numpy-float64", adding(_float64)),
    _noise("numpy-global", _global),
    _noise("numpy-keyed", _keyed),
    _noise("numpy-in-order", adding(), in_order=True),
    _noise("numpy-clipped", _clipped, clip=_CLIP),
    _noise("numpy-float64-leaves", functools.partial(_in, np.float64), like={"w": np.zeros(9001)}),
    _noise("box-muller-sine", adding(_box_muller)),
    _noise("quantile-of-23-bits", adding(_quantile_of_23_bits)),
)  # fmt: skip
