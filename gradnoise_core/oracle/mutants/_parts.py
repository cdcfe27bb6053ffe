"""What wrong noise is made of: NumPy's generator, and one thing that is wrong."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from gradnoise_core.oracle.mutants._catalogue import Mutant
from gradnoise_core.tree import flatten

__all__ = ["ETA", "GAMMA", "Draw", "Noise", "adding", "keyed", "noise_mutant", "normal", "sigma"]

#: The settings of every implementation here; `check_noise` judges by the same ones.
ETA, GAMMA = 0.01, 0.55

#: An implementation of noise.
Noise = Callable[[Any, int], Any]


class Draw(Protocol):
    """What is drawn for a leaf, in standard deviations."""

    def __call__(self, rng: Any, shape: tuple[int, ...], t: int, leaf: int) -> Any:
        """Return an array that broadcasts to `shape`."""


def sigma(t: int) -> float:
    """Return the right standard deviation."""
    return math.sqrt(ETA / (1 + t) ** GAMMA)


def normal(rng: Any, shape: tuple[int, ...], t: int, leaf: int) -> Any:
    """Draw right noise."""
    return rng.standard_normal(shape, np.float32)


def adding(draw: Draw = normal, scale: Callable[[int], float] = sigma) -> Callable[[int], Noise]:
    """Return how to make an implementation that adds ``scale(t) * draw(...)`` to each leaf."""

    def make(seed: int) -> Noise:
        rng = np.random.default_rng(seed)

        def noisy(gradient: Any, t: int) -> Any:
            tree = flatten(gradient, "gradient")
            noise = [
                np.float32(scale(t)) * draw(rng, tuple(g.shape), t, i)
                for i, g in enumerate(tree.leaves)
            ]
            return tree.rebuild(
                [np.asarray(g + n, g.dtype) for g, n in zip(tree.leaves, noise, strict=True)]
            )

        return noisy

    return make


def keyed(key: Callable[[int, int, int, tuple[int, ...]], Any]) -> Callable[[int], Noise]:
    """Return how to make noise whose generator is made anew from a key: (seed, leaf, t, shape)."""

    def make(seed: int) -> Noise:
        def draw(rng: Any, shape: tuple[int, ...], t: int, leaf: int) -> Any:
            return normal(np.random.default_rng(key(seed, leaf, t, shape)), shape, t, leaf)

        return adding(draw)(seed)

    return make


def noise_mutant(
    name: str,
    wrong: str,
    make: Callable[[int], Any],
    source: str = "likely slip",
    diagnosis: str = "",
    *,
    check: str = "check_noise",
    arguments: Mapping[str, Any] | None = None,
) -> Mutant:
    """Return a mutant of kind noise."""
    return Mutant(
        name=f"noise-{name}",
        kind="noise",
        make=make,
        check=check,
        arguments=arguments or {},
        wrong=wrong,
        source=source,
        diagnosis=diagnosis,
    )
