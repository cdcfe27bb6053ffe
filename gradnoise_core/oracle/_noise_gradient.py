"""What the noise has to do with the gradient: nothing; and what clipping does to which."""

import math
from typing import Any

import numpy as np

from gradnoise_core.oracle._evidence import Evidence, chi_square, normal
from gradnoise_core.oracle._noise_plan import CLIPS, clipped
from gradnoise_core.oracle._noise_sample import Sample

__all__ = ["additive", "mean_gradient"]


def mean_gradient(sample: Sample, z: Any) -> Evidence | None:
    """Claim that the noise is added to the gradient, or to the clipped one, and to nothing else.

    The part of the result along what is due, and along each leaf of it, is a normal around its
    length: exactly so, whatever the gradient. None where every gradient is 0.
    """
    calls = np.flatnonzero(sample.kinds != "zero")
    if not calls.size:
        return None
    paths, slices = sample.plan.like.paths, sample.plan.slices
    scores, where = [], []
    for k in calls:
        for name, s in [("all leaves", slice(None)), *zip(map(repr, paths), slices, strict=True)]:
            for direction in (sample.due[k, s], sample.given[k, s]):
                length = math.sqrt(float(np.sum(direction**2)))
                scores.append(float(np.sum(z[k, s] * direction)) / (length or 1.0))
                where.append((k, name))

    def describe(i: int) -> tuple[str, str]:
        k, name = where[i]
        at = f"on {name} at t = {sample.plan.steps[k]}"
        return f"{scores[i]:+.3g} standard errors off along it, {at}", "0"

    what = "the gradient as it is"
    if sample.plan.clip is not None:
        what = f"the gradient clipped by {sample.plan.clip_by} to {sample.plan.clip:g}"
    return Evidence(f"it is added to {what}", normal(scores), describe, lambda: _which_clip(sample))


def additive(sample: Sample, z: Any) -> Evidence | None:
    """Claim that the noise is as large on large elements of the gradient as on small ones.

    None where every gradient is 0.
    """
    calls = np.flatnonzero(sample.kinds != "zero")
    if not calls.size:
        return None
    totals, counts = [], []
    for k in calls:
        size = np.abs(sample.given[k])
        order = np.argsort(size, kind="stable")
        for half in np.array_split(order, 2):
            totals.append(float(np.sum(z[k, half] ** 2)))
            counts.append(half.size)
    p = chi_square(totals, counts)

    def describe(i: int) -> tuple[str, str]:
        half = ("smaller", "larger")[i % 2]
        at = f"the {half} half of the elements at t = {sample.plan.steps[calls[i // 2]]}"
        return f"variance {totals[i] / counts[i]:.4g} of what is due on {at}", "1"

    def cause() -> str:
        if sample.plan.clip is not None:
            return _which_clip(sample)
        ratio = np.asarray(totals).reshape(-1, 2) / np.asarray(counts).reshape(-1, 2)
        if np.mean(ratio[:, 1]) > 1.5 and np.max(ratio[:, 1]) > 2 * np.max(ratio[:, 0]):
            return "the noise grows with the gradient: it is multiplied by it, not added"
        return ""

    return Evidence("its variance does not depend on the gradient", p, describe, cause)


def _which_clip(sample: Sample) -> str:
    """Return what was done to the gradient in the place of what is due."""
    plan = sample.plan
    calls = np.flatnonzero(sample.kinds != "zero")
    over = [int(k) for k in calls if plan.kinds[k] == "over"]
    if plan.clip is not None and over:
        norms = [float(np.linalg.norm(sample.found[k])) for k in over]
        if all(abs(norm - plan.clip) <= 1e-3 * plan.clip for norm in norms):
            return "it is added before clipping, or else scaled by the factor of the clipping"
        others: list[tuple[str | None, str]] = [(None, "it is not clipped")]
        others += [(by, f"it is clipped by {by} instead") for by in CLIPS if by != plan.clip_by]
        for by, cause in others:
            if all(_fits(sample, k, by) for k in over):
                return cause
    return _scaled(sample, calls)


def _fits(sample: Sample, k: int, by: str | None) -> bool:
    plan = sample.plan
    leaves = [sample.given[k, s] for s in plan.slices]
    due = np.concatenate(clipped(leaves, plan.clip if by else None, by or ""))
    ratio = float(np.mean((sample.found[k] - due) ** 2)) / plan.sigmas[k] ** 2
    return bool(abs(ratio - 1.0) < 0.2)


def _scaled(sample: Sample, calls: Any) -> str:
    """Say so if the gradient comes back times a number."""
    factors = [
        float(np.sum(sample.found[k] * sample.given[k]) / np.sum(sample.given[k] ** 2))
        for k in calls
    ]
    loud = [f for f, k in zip(factors, calls, strict=True) if sample.plan.kinds[k] != "mixed"]
    if not loud or sample.plan.clip is not None:
        return ""
    low, high = min(loud), max(loud)
    if high < -0.5:
        return "the gradient comes back with the other sign"
    if max(abs(low), abs(high)) < 1e-4:
        return "the gradient does not come back: the noise takes its place"
    if high < 0.9:
        return (
            f"the gradient comes back times {low:.3g} to {high:.3g}: is it clipped or scaled? If "
            "it is meant to be clipped, pass `clip`"
        )
    return f"the gradient comes back times {low:.3g} to {high:.3g}" if low > 1.1 else ""
