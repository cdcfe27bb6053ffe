"""Independence of the noise: across leaves, steps and elements."""

import itertools
import math
from typing import Any

import numpy as np

from gradnoise_core.oracle._evidence import Evidence, normal
from gradnoise_core.oracle._noise_sample import Sample
from gradnoise_core.oracle._scipy import fft

#: A correlation of so many standard errors is one.
_CERTAIN = 7.5

__all__ = ["correlations", "elements", "leaves", "mirrored", "steps"]


def correlations(a: Any, b: Any) -> tuple[float, float]:
    """Return two scores of independence of equally many normals: of values, and of squares.

    The first is N(0, 1): given a, ``sum(a * b)`` is a normal of variance ``sum(a * a)``.
    """
    value = float(np.sum(a * b)) / (math.sqrt(float(np.sum(a * a))) or 1.0)
    square = float(np.sum((a * a - 1.0) * (b * b - 1.0))) / (2.0 * math.sqrt(a.size))
    return value, square


def leaves(sample: Sample, z: Any) -> Evidence | None:
    """Claim that leaves are independent in each call: None for one leaf."""
    paths, slices = sample.plan.like.paths, sample.plan.slices
    pairs = list(itertools.combinations(range(len(paths)), 2))
    if not pairs:
        return None
    scores, same = [], []
    for i, j in pairs:
        n = min(slices[i].stop - slices[i].start, slices[j].stop - slices[j].start)
        a, b = (z[:, slices[k].start : slices[k].start + n] for k in (i, j))
        scores.append(correlations(a, b))
        same.append(float(np.mean(a == b)))
    p = [[normal(v), normal(s, longer_tails=True)] for v, s in scores]

    def describe(index: int) -> tuple[str, str]:
        pair, what = divmod(index, 2)
        i, j = pairs[pair]
        what_of = ("values", "magnitudes")[what]
        seen = f"{what_of} of {paths[i]!r} and {paths[j]!r} correlate: {scores[pair][what]:+.3g}"
        return f"{seen} standard errors", "0"

    def cause() -> str:
        equal = [pairs[k] for k in range(len(pairs)) if same[k] > 0.5]
        if not equal:
            return ""
        i, j = equal[0]
        which = "all leaves" if len(equal) == len(pairs) else f"{paths[i]!r} and {paths[j]!r}"
        return f"{which} get the same noise: fold the leaf's path or position into its key"

    return Evidence("leaves are independent", np.asarray(p), describe, cause)


def steps(sample: Sample, z: Any) -> Evidence:
    """Claim that any two steps are independent."""
    at, n = sample.plan.steps, z.shape[1]
    gram, lengths = z @ z.T, np.sum(z * z, axis=1)
    squares = z * z - 1.0
    first, second = np.triu_indices(len(at), 1)
    values = gram[first, second] / np.sqrt(np.maximum(lengths[first], 1e-300))
    sizes = (squares @ squares.T)[first, second] / (2.0 * math.sqrt(n))
    p = np.concatenate([normal(values), normal(sizes, longer_tails=True)])

    def describe(i: int) -> tuple[str, str]:
        score, what = (
            (values[i], "values") if i < first.size else (sizes[i - first.size], "magnitudes")
        )
        k, m = first[i % first.size], second[i % first.size]
        return f"{what} at t = {at[k]} and {at[m]} correlate: {score:+.3g} standard errors", "0"

    def cause() -> str:
        root = np.sqrt(np.maximum(lengths, 1e-300))
        r = gram[first, second] / (root[first] * root[second])
        equal = np.flatnonzero(r > 0.999)
        if equal.size == first.size:
            return "all steps get the same noise: fold t into the key, or carry the generator on"
        if equal.size:
            apart = {int(second[i] - first[i]) for i in equal}
            k, m = first[equal[0]], second[equal[0]]
            often = f", every {min(apart)} calls" if len(equal) > len(at) // 2 else ""
            return f"the noise of t = {at[k]} comes back at t = {at[m]}{often}"
        if np.any(r < -0.999):
            return "the noise of one step is another's with the sign changed (antithetic)"
        return ""

    return Evidence("steps are independent", p, describe, cause)


def elements(sample: Sample, z: Any) -> Evidence:
    """Claim that elements are independent at every distance, within calls and across them.

    All calls stand behind one another, so that a leaf that repeats another one's noise, a step
    that repeats a part of an earlier one's, and serial correlation all show at some distance.
    """
    run = z.reshape(-1)
    n = run.size
    most = n // 2
    lags = np.arange(1, most + 1)
    values = _sums_of_products(run, most) / np.sqrt(n - lags)
    squares = _sums_of_products(run * run - 1.0, most) / (2.0 * np.sqrt(n - lags))
    p = np.concatenate([normal(values), normal(squares, longer_tails=True)])

    def describe(i: int) -> tuple[str, str]:
        score, what = (values[i], "values") if i < most else (squares[i - most], "magnitudes")
        seen = f"{what} {lags[i % most]} elements apart correlate: {score:+.3g} standard errors"
        return seen, "0"

    def cause() -> str:
        best = int(np.argmax(np.abs(values)))
        lag, r = int(lags[best]), float(values[best]) / math.sqrt(n - lags[best])
        return _which(sample, lag, r) if abs(values[best]) > _CERTAIN else ""

    return Evidence("elements are independent at every distance", p, describe, cause)


def mirrored(sample: Sample, z: Any) -> Evidence:
    """Claim that no part of a call mirrors another: z[i] and z[s - i] are independent."""
    n = z.shape[1]
    size = fft().next_fast_len(2 * n, real=True)
    spectra = fft().rfft(z.astype(np.float32), size, axis=1)
    totals = fft().irfft(np.sum(spectra * spectra, axis=0, dtype=np.complex128), size)
    totals = totals[: 2 * n - 1]
    # Each product stands in the sum twice, and with it the squares where i = s - i.
    sums = np.arange(2 * n - 1)
    pairs = np.minimum(sums, 2 * n - 2 - sums) // 2 + 1
    own = np.zeros_like(totals)
    own[::2] = np.sum(z * z, axis=0)
    long = pairs > n // 8
    scores = (totals - own)[long] / (2.0 * np.sqrt(len(z) * pairs[long]))
    at = sums[long]

    def describe(i: int) -> tuple[str, str]:
        seen = f"elements i and {at[i]} - i correlate: {scores[i]:+.3g} standard errors"
        return seen, "0"

    return Evidence("no part mirrors another", normal(scores), describe)


def _sums_of_products(x: Any, most: int) -> Any:
    """Return ``sum(x[i] * x[i + lag])`` for each lag from 1 on."""
    size = fft().next_fast_len(x.size + most, real=True)
    spectrum = fft().rfft(x.astype(np.float32), size)
    power = spectrum.real**2 + spectrum.imag**2
    return fft().irfft(power, size)[1 : most + 1].astype(np.float64)


def _which(sample: Sample, lag: int, r: float) -> str:
    """Say what a correlation at a distance may come from."""
    for path, leaf in zip(sample.plan.like.paths, sample.plan.like.leaves, strict=True):
        shape = tuple(leaf.shape)
        if len(shape) > 1 and lag in {math.prod(shape[a:]) for a in range(1, len(shape))}:
            return f"rows of {path!r} share their noise: it is drawn once and broadcast"
    if lag == 1:
        kind = (
            "one number is broadcast over many elements"
            if r > 0.5
            else ("neighbours are drawn as pairs (z, -z)" if r < -0.3 else "neighbours correlate")
        )
        return f"{kind}: draw one number for each element"
    total = sum(sample.plan.sizes)
    if lag >= total:
        return f"the numbers of one step come again {lag / total:.3g} steps later"
    return ""
