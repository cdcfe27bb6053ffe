"""Noise that is not independent: over elements, leaves, steps or seeds."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradnoise_core.oracle.mutants._catalogue import Mutant
from gradnoise_core.oracle.mutants._parts import Noise, adding, keyed, noise_mutant, normal

__all__ = ["INDEPENDENCE_MUTANTS"]


def _pairs(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    n = math.prod(shape)
    half = rng.standard_normal((n + 1) // 2, np.float32)
    return np.stack([half, -half], axis=1).reshape(-1)[:n].reshape(shape)


def _halves(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    n = math.prod(shape)
    half = rng.standard_normal((n + 1) // 2, np.float32)
    return np.concatenate([half, -half[::-1]])[:n].reshape(shape)


def _shards(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    """Two ranks with one seed: each draws the same numbers for its half."""
    n = math.prod(shape)
    return np.tile(rng.standard_normal((n + 1) // 2, np.float32), 2)[:n].reshape(shape)


def _last_left_out(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    """Box-Muller in pairs: the last of an odd number of elements gets none."""
    z = rng.standard_normal(math.prod(shape), np.float32)
    if z.size % 2:
        z[-1] = 0.0
    return z.reshape(shape)


def _scalar(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return rng.standard_normal((), np.float64).astype(np.float32)


def _rows(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return rng.standard_normal((*shape[:-1], 1) if len(shape) > 1 else shape, np.float32)


def _columns(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return rng.standard_normal(shape[1:] if len(shape) > 1 else shape, np.float32)


def _smooth(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    """Neighbours that correlate by a twentieth."""
    n = math.prod(shape)
    z = rng.standard_normal(n + 1)
    return ((z[1:] + 0.05 * z[:-1]) / math.sqrt(1 + 0.05**2)).astype(np.float32).reshape(shape)


def _recycled(seed: int) -> Noise:
    """Draw 100,000 normals once, and go round in them."""
    pool = np.random.default_rng(seed).standard_normal(100_000, np.float32)
    position = [0]

    def draw(rng: Any, shape: tuple[int, ...], t: int, leaf: int) -> Any:
        n = math.prod(shape)
        index = (position[0] + np.arange(n)) % pool.size
        position[0] += n
        return pool[index].reshape(shape)

    return adding(draw)(seed)


def _autoregressive(seed: int) -> Noise:
    """Carry a tenth of the last step's noise on, as an Ornstein-Uhlenbeck process does."""
    last: dict[int, Any] = {}

    def draw(rng: Any, shape: tuple[int, ...], t: int, leaf: int) -> Any:
        z = rng.standard_normal(shape)
        if leaf in last:
            z = 0.1 * last[leaf] + math.sqrt(0.99) * z
        last[leaf] = z
        return z.astype(np.float32)

    return adding(draw)(seed)


def _antithetic(seed: int) -> Noise:
    """Give every other step the last one's noise with the other sign."""
    last: dict[int, Any] = {}

    def draw(rng: Any, shape: tuple[int, ...], t: int, leaf: int) -> Any:
        if leaf in last:
            return -last.pop(leaf)
        last[leaf] = normal(rng, shape, t, leaf)
        return last[leaf]

    return adding(draw)(seed)


def _same_magnitudes(seed: int) -> Noise:
    """Draw fresh signs at each step, and magnitudes once."""
    first: dict[int, Any] = {}

    def draw(rng: Any, shape: tuple[int, ...], t: int, leaf: int) -> Any:
        if leaf not in first:
            first[leaf] = np.abs(normal(rng, shape, t, leaf))
        return first[leaf] * _signs(rng, shape, t, leaf)

    return adding(draw)(seed)


def _signs(rng: Any, shape: Any, t: int, leaf: int) -> Any:
    return rng.choice(np.asarray([-1.0, 1.0], np.float32), shape)


def _generator_forgets(seed: int) -> Noise:
    """Keep the count over a checkpoint after 40 steps, but seed the generator anew."""
    current = [adding()(seed)]

    def noisy(gradient: Any, t: int) -> Any:
        if t == 40:
            current[0] = adding()(seed)
        return current[0](gradient, t)

    return noisy


def _family(key: Callable[[int, int, int], Any]) -> Callable[[int], Callable[[int], Noise]]:
    """Return how to make implementations by their seed, with a key of (seed, leaf, t)."""
    make = keyed(lambda seed, leaf, t, shape: key(seed, leaf, t))
    return lambda offset: lambda seed: make(seed + 4 * offset)


def _unseeded(offset: int) -> Callable[[int], Noise]:
    """Seed from the computer's entropy, whatever the seed."""
    return lambda seed: adding()(np.random.SeedSequence().entropy)  # type: ignore[arg-type]


_SEEDS = "check_noise_seeds"

INDEPENDENCE_MUTANTS: tuple[Mutant, ...] = (
    noise_mutant(
        "pairs",
        "neighbours are drawn as pairs (z, -z)",
        adding(_pairs),
        "antithetic sampling",
        "(z, -z)",
    ),
    noise_mutant(
        "mirrored-halves",
        "the second half of a leaf mirrors the first, with the other sign",
        adding(_halves),
        "antithetic sampling",
        "mirrors",
    ),
    noise_mutant(
        "shards-alike",
        "both halves of a leaf get the same noise",
        adding(_shards),
        "torch FSDP2 with one seed on all ranks",
        "elements",
    ),
    noise_mutant(
        "last-left-out",
        "the last of an odd number of elements gets no noise",
        adding(_last_left_out),
        "Box-Muller in pairs",
        "no noise reaches element",
    ),
    noise_mutant(
        "scalar",
        "one number is broadcast over the leaf",
        adding(_scalar),
        diagnosis="one number is broadcast",
    ),
    noise_mutant(
        "rows", "one number is broadcast over each row", adding(_rows), diagnosis="elements"
    ),
    noise_mutant(
        "columns",
        "one row of numbers is broadcast over the rows",
        adding(_columns),
        diagnosis="broadcast",
    ),
    noise_mutant(
        "smooth",
        "neighbours correlate by a twentieth",
        adding(_smooth),
        "a poor generator",
        "elements",
    ),
    noise_mutant(
        "leaves-alike",
        "all leaves get the same noise",
        keyed(lambda seed, leaf, t, shape: (seed, t)),
        "jax PR#3646; optax's own test passes it",
        "all leaves get the same noise",
    ),
    noise_mutant(
        "leaves-of-one-shape-alike",
        "leaves of one shape get the same noise",
        keyed(lambda seed, leaf, t, shape: (seed, t, *shape)),
        "noise that is cached by shape",
        "'a' and 'b' get the same noise",
    ),
    noise_mutant(
        "steps-alike",
        "every step gets the same noise",
        keyed(lambda seed, leaf, t, shape: (seed, leaf)),
        "a key that is not split, jax",
        "all steps get the same noise",
    ),
    noise_mutant(
        "leaf-plus-step",
        "leaf i at step t gets the noise of leaf i + 1 at step t - 1",
        keyed(lambda seed, leaf, t, shape: (seed, leaf + t)),
        "PulseOpt's seed + 1009 * group + index",
        "elements",
    ),
    noise_mutant(
        "step-in-float32",
        "the step is kept in float32, which counts to 2**24",
        keyed(lambda seed, leaf, t, shape: (seed, leaf, int(np.float32(t)))),
        "a float32 counter, as in TensorFlow 1's beta powers",
        "comes back",
    ),
    noise_mutant(
        "step-of-ten",
        "the noise has a period of ten steps",
        keyed(lambda seed, leaf, t, shape: (seed, leaf, t % 10)),
        "noise that is drawn once and cached",
        "comes back",
    ),
    noise_mutant(
        "recycled",
        "100,000 normals are drawn once and used round and round",
        _recycled,
        "a noise table, as evolution strategies use",
        "come again",
    ),
    noise_mutant(
        "autoregressive",
        "a tenth of the last step's noise is carried on",
        _autoregressive,
        "Ornstein-Uhlenbeck noise of reinforcement learning",
        "steps",
    ),
    noise_mutant(
        "antithetic",
        "every other step gets the last one's noise with the other sign",
        _antithetic,
        "antithetic sampling",
        "antithetic",
    ),
    noise_mutant(
        "same-magnitudes",
        "steps have fresh signs and the same magnitudes",
        _same_magnitudes,
        "a sketch by random signs",
        "magnitudes",
    ),
    noise_mutant(
        "generator-not-resumed",
        "the generator is seeded anew after a checkpoint",
        _generator_forgets,
        "Megatron-LM#6858; Opacus's generator is not in its checkpoint",
        "elements",
        arguments={"in_order": True},
    ),
    noise_mutant(
        "seed-plus-leaf",
        "leaf 1 of seed 0 gets the noise of leaf 0 of seed 1",
        _family(lambda seed, leaf, t: (1009 * 0 + seed + leaf, t)),
        "PulseOpt's seed + 1009 * group + index",
        "collide",
        check=_SEEDS,
    ),
    noise_mutant(
        "seed-plus-step",
        "step 1 of seed 0 gets the noise of step 0 of seed 1",
        _family(lambda seed, leaf, t: (seed + t, leaf)),
        "torch.manual_seed(seed + step)",
        "collide",
        check=_SEEDS,
    ),
    noise_mutant(
        "seed-ignored",
        "every seed makes the same noise",
        _family(lambda seed, leaf, t: (leaf, t)),
        diagnosis="collide",
        check=_SEEDS,
    ),
    noise_mutant(
        "unseeded",
        "one seed makes other noise each time",
        _unseeded,
        "a global generator",
        "repeats",
        check=_SEEDS,
    ),
)
