"""Santa, whose noise cannot be read off a step: its law against that of this library's."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import gradnoise_core as gn
from gradnoise_core.oracle._evidence import Evidence, massart
from gradnoise_core.oracle._probes import Probes
from gradnoise_core.oracle._trajectory import Claimed, Path
from gradnoise_core.oracle.vectors._outside import uniform

__all__ = ["SantaRunsAwayError", "santa_distances", "santa_evidence", "santa_probes"]

#: How often the reference goes through each element's gradients, and the steps that are looked at.
COPIES, LOOKS = 15, (0, 1, 2, 4, 9, 19, 49, 51, 60, 99)

#: The share of elements that may run away: Santa divides by its momentum, which passes near 0.
RUNAWAY = 0.01


class SantaRunsAwayError(ValueError):
    """The reference itself runs away, so nothing can be compared with it."""


def santa_probes(given: Probes) -> Probes:
    """Return gradients of 0.5 to 1: where they vanish, or are large, Santa's friction runs away."""
    gradients = []
    for t, arrays in enumerate(given.gradients):
        step = []
        for path, g in zip(given.paths, arrays, strict=True):
            u = uniform(f"santa/{path}/{t}", g.shape)
            step.append((np.where(u < 0, -0.5, 0.5) + u / 2).astype(g.dtype))
        gradients.append(step)
    return replace(given, gradients=gradients)


def santa_distances(claim: Claimed, given: Probes, path: Path) -> tuple[list[float], int]:
    """Return how far the steps of each of `LOOKS` are from Santa's law, and of how many elements.

    Each element's step has a rank among those of `COPIES` runs of the reference. If the laws are
    equal the ranks are uniform, whatever the laws are, and those of different elements are
    independent: Kolmogorov's distance of them is returned.

    Raises
    ------
    SantaRunsAwayError
        If the reference does, at this rate.
    """
    ranks = _ranks(given, path, _copies(claim, given))
    return [_distance(r) for r in ranks], ranks[0].size


def santa_evidence(claim: Claimed, given: Probes, path: Path) -> list[Evidence]:
    """Return the claims on Santa's law, by Massart's bound of Kolmogorov's distance."""
    distances, n = santa_distances(claim, given, path)
    out = []
    for name, some in {
        "the law of the first step": range(1),
        "the law of the steps at the first rate": range(1, 7),
        "the law of the steps after the rate falls": range(7, len(LOOKS)),
    }.items():
        chosen = [distances[i] for i in some]
        steps = [LOOKS[i] for i in some]
        out.append(_evidence(name, chosen, steps, n))
    return out


def _evidence(name: str, distances: Sequence[float], steps: Sequence[int], n: int) -> Evidence:
    return Evidence(
        name,
        [massart(d, n) for d in distances],
        lambda i: (
            f"Kolmogorov's distance {distances[i]:.3g} at step {steps[i]}",
            "that of Santa's law",
        ),
    )


def _copies(claim: Claimed, given: Probes) -> list[list[Any]]:
    """Return the parameters of the reference, with a leading axis of `COPIES`, at each step."""
    rates = list(claim.rates)
    optimizer = gn.santa(lambda t: rates[t], **claim.keywords, seed=2016)

    def wide(arrays: Sequence[Any]) -> dict[str, Any]:
        return {
            name: np.broadcast_to(np.asarray(x, np.float64), (COPIES, *x.shape)).copy()
            for name, x in zip(given.paths, arrays, strict=True)
        }

    p = wide(given.start)
    state, path = optimizer.init(p), []
    for grads in given.gradients:
        with np.errstate(all="ignore"):
            p, state = gn.apply_gradients(optimizer, wide(grads), state, p)
        path.append([p[name] for name in given.paths])
    if sum(np.sum(~np.isfinite(x)) for x in path[-1]) > RUNAWAY * sum(x.size for x in path[-1]):
        message = (
            f"`learning_rate` must be small enough for Santa not to run away, got {rates[0]:g} "
            "with these keywords. Judge it at a smaller one, or with a larger eps."
        )
        raise SantaRunsAwayError(message)
    return path


def _ranks(given: Probes, path: Path, copies: list[list[Any]]) -> list[Any]:
    """Return, for each step of `LOOKS`, the rank of each element's change among the copies'."""
    out = []
    for t in LOOKS:
        before = path[t - 1] if t else given.start
        others = copies[t - 1] if t else given.start
        found = []
        for i in range(len(given.paths)):
            with np.errstate(all="ignore"):
                moved = np.asarray(path[t][i] - before[i], np.float64)
                theirs = copies[t][i] - np.asarray(others[i], np.float64)
            moved, theirs = (np.nan_to_num(x, nan=np.inf) for x in (moved, theirs))
            found.append(np.sum(theirs < moved, axis=0).reshape(-1))
        out.append(np.concatenate(found))
    return out


def _distance(ranks: Any) -> float:
    """Return Kolmogorov's distance of ranks from the uniform law over 0, ..., `COPIES`."""
    counts = np.bincount(ranks, minlength=COPIES + 1)
    due = np.arange(1, COPIES + 2) / (COPIES + 1)
    return float(np.max(np.abs(np.cumsum(counts) / ranks.size - due)))
