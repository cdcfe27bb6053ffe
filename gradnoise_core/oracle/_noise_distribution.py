"""The distribution of the noise: Kolmogorov's distance, tails, and how many values it takes."""

from typing import Any

import numpy as np

from gradnoise_core.oracle._evidence import Evidence, binomial, kolmogorov, poisson_above
from gradnoise_core.oracle._noise_sample import Sample
from gradnoise_core.oracle._scipy import special

__all__ = ["distribution", "resolution", "tails"]

_BEYOND = (3.0, 3.5, 4.0, 4.5)

#: Equally likely values that right noise in float32 has at least. 23-bit uniforms, as jax.random
#: has them, make 2**23; those of 16 bits, and noise drawn in float16 or bfloat16, far fewer.
_VALUES = 1 << 20


def distribution(sample: Sample, z: Any) -> Evidence:
    """Claim that it is normal: on gradients that are 0, and on others."""
    zero = sample.kinds == "zero"
    parts = [("zero gradients", z[zero]), ("other gradients", z[~zero])]
    found = [(name, *kolmogorov(part), part.size) for name, part in parts if part.size]

    def describe(i: int) -> tuple[str, str]:
        name, distance, _, n = found[i]
        return f"Kolmogorov distance {distance:.3g} on {name}", f"below {3.8 / np.sqrt(n):.2g}"

    return Evidence("it is normal", [p for _, _, p, _ in found], describe)


def tails(sample: Sample, z: Any) -> Evidence:
    """Claim that as many lie beyond 3, 3.5, 4 and 4.5 deviations as there should."""
    bounds = [(side, x) for x in _BEYOND for side in (1.0, -1.0)]
    counts = [int(np.count_nonzero(side * z > x)) for side, x in bounds]
    due = special().ndtr(-np.asarray([x for _, x in bounds]))

    def describe(i: int) -> tuple[str, str]:
        side, x = bounds[i]
        where = f"above {x:g}" if side > 0 else f"below {-x:g}"
        return f"{counts[i]} of {z.size} {where} standard deviations", f"{due[i] * z.size:.1f}"

    def cause() -> str:
        largest = float(np.max(np.abs(z)))
        return f"none lies beyond {largest:.4g}: is it truncated?" if largest < 4.5 else ""

    return Evidence("its tails are a normal's", binomial(counts, z.size, due), describe, cause)


def resolution(sample: Sample) -> Evidence | None:
    """Claim that values do not repeat more than float32 makes them; None where none is wider."""
    found = sample.found[sample.kinds == "zero"]
    wide = _wide(sample)
    if not wide.any():
        return None
    pairs, total, most = 0.0, 0.0, 0.0
    for row in found[:, wide]:
        counts = np.unique(row, return_counts=True)[1].astype(np.float64)
        most = max(most, float(np.max(counts)) / row.size)
        pairs += float(np.sum(counts * (counts - 1.0))) / 2.0
        total += row.size * (row.size - 1.0) / 2.0
    values = total / pairs if pairs else np.inf

    def describe(_: int) -> tuple[str, str]:
        return f"it repeats itself as {values:.3g} equally likely values would", f">= {_VALUES:,}"

    def cause() -> str:
        if most**2 > 0.3 / values:
            return f"one value makes up {most:.2%} of a call: is it clamped, masked or broadcast?"
        return (
            "it is drawn in 16 bits, or from uniforms of few bits, and widened: draw it in float32"
        )

    p = [poisson_above(pairs, total / _VALUES)]
    return Evidence("it has the resolution of float32", p, describe, cause)


def _wide(sample: Sample) -> Any:
    """Return which elements have 32 bits or more."""
    wide = np.zeros(sample.found.shape[1], dtype=bool)
    for leaf, s in zip(sample.plan.like.leaves, sample.plan.slices, strict=True):
        wide[s] = "16" not in str(leaf.dtype)
    return wide
