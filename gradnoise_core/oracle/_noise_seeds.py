"""Do seeds mean what they should: the same one the same noise, others other noise?"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradnoise_core.oracle._evidence import FALSE_ALARM, Evidence, claims_of, normal
from gradnoise_core.oracle._noise_plan import Plan, leaves_of, plan_calls
from gradnoise_core.oracle._noise_sample import collect
from gradnoise_core.oracle._report import Claim, Report
from gradnoise_core.schedules import constant
from gradnoise_core.typing import Namespace, Seed, Tree

__all__ = ["check_noise_seeds"]

_CALLS = 8


def check_noise_seeds(
    make: Callable[[int], Callable[[Tree, int], Tree]],
    *,
    seeds: Sequence[int] = (0, 1, 2, 3),
    like: Tree | None = None,
    xp: Namespace | None = None,
) -> Report:
    """Judge whether one seed repeats its noise, and others make independent noise.

    No two of (seed, leaf, step) may share their numbers. Seeds that are neighbours are the test:
    ``seed + leaf``, ``seed + step`` and the like collide there.

    Parameters
    ----------
    make : callable
        ``seed -> fn``, with ``fn(gradient, t) -> noisy gradient`` as `check_noise` takes it. The
        scale of the noise does not matter here.
    seeds : sequence of int
        Two or more.
    like, xp
        As in `check_noise`.

    Returns
    -------
    Report
        Wrong about a right implementation with probability at most 1e-9.

    Raises
    ------
    ValueError
        If there are fewer than two seeds, or one twice; or as `check_noise`.

    Examples
    --------
    >>> import numpy as np
    >>> def make(seed):
    ...     def noisy(gradient, t):
    ...         out = {}
    ...         for leaf, (name, g) in enumerate(gradient.items()):
    ...             rng = np.random.default_rng((seed, leaf, t))
    ...             out[name] = g + rng.standard_normal(g.shape, np.float32)
    ...         return out
    ...     return noisy
    >>> check_noise_seeds(make).passed
    True
    """
    chosen = list(seeds)
    if len(chosen) < 2 or len(set(chosen)) < len(chosen):
        message = f"`seeds` must be two or more, none twice, got {chosen}. Pass others."
        raise ValueError(message)
    plan = plan_calls(leaves_of(like, xp), constant(1.0), steps=tuple(range(2 * _CALLS)))
    subject = f"gradient noise of seeds {', '.join(map(str, chosen))}"
    noises = []
    for seed in (*chosen, chosen[0]):
        sample, claims = collect(make(seed), plan)
        if sample is None:
            return Report(subject, tuple(claims))
        noises.append(sample.z[::2])  # the calls on gradients that are zero
    first, again = noises[0], noises.pop()
    same = bool(np.array_equal(first, again))
    repeats = Claim(
        "a seed repeats its noise",
        same,
        "" if same else f"{np.count_nonzero(first != again)} of {first.size} numbers differ",
        "the same bits",
        "the generator is not made from the seed alone",
    )
    shared = claims_of([_independent(noises, chosen, plan)], FALSE_ALARM)
    return Report(subject, (*claims, repeats, *shared))


def _independent(noises: list[Any], seeds: Sequence[Seed], plan: Plan) -> Evidence:
    """Claim that every two of (seed, leaf, step) are independent, element by element."""
    rows, names = [], []
    for seed, noise in zip(seeds, noises, strict=True):
        for call, row in enumerate(noise):
            for path, s in zip(plan.like.paths, plan.slices, strict=True):
                rows.append(row[s])
                names.append(f"(seed {seed}, leaf {path!r}, t = {plan.steps[2 * call]})")
    scale = [math.sqrt(float(np.mean(row**2))) or 1.0 for row in rows]
    # Leaves are of several lengths: a shorter one is compared with the start of a longer one.
    n = max(map(len, rows))
    padded, present = np.zeros((2, len(rows), n))
    for i, row in enumerate(rows):
        padded[i, : row.size] = row / scale[i]
        present[i, : row.size] = 1.0
    first, second = np.triu_indices(len(rows), 1)
    common = (present @ present.T)[first, second]
    values = (padded @ padded.T)[first, second] / np.sqrt(common)

    def describe(i: int) -> tuple[str, str]:
        pair = f"{names[first[i]]} and {names[second[i]]}"
        return f"{pair} correlate: {values[i]:+.3g} standard errors", "0"

    def cause() -> str:
        equal = np.flatnonzero(values > 0.99 * np.sqrt(common))
        if not equal.size:
            return ""
        i = equal[0]
        return f"{names[first[i]]} and {names[second[i]]} get the same noise: their keys collide"

    return Evidence("seeds, leaves and steps are independent", normal(values), describe, cause)
