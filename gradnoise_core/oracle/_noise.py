"""Is this annealed gradient noise? Exact tests of any implementation, with its own generator."""

import math
from collections.abc import Callable

import numpy as np

from gradnoise_core import _check
from gradnoise_core.oracle import _noise_distribution as of_distribution
from gradnoise_core.oracle import _noise_gradient as of_gradient
from gradnoise_core.oracle import _noise_independence as of_independence
from gradnoise_core.oracle import _noise_moments as of_moments
from gradnoise_core.oracle._evidence import FALSE_ALARM, Evidence, claims_of
from gradnoise_core.oracle._noise_plan import CLIPS, ClipBy, Plan, leaves_of, plan_calls
from gradnoise_core.oracle._noise_sample import Sample, collect
from gradnoise_core.oracle._report import Report
from gradnoise_core.oracle._scipy import special
from gradnoise_core.schedules import annealed
from gradnoise_core.typing import Namespace, Schedule, Tree

__all__ = ["check_noise"]

#: Noise of less than this share of the deviation due is none; of fewer calls nothing can be said.
_LOUD, _FEWEST = 1e-4, 8


def check_noise(
    fn: Callable[[Tree, int], Tree],
    *,
    eta: float = 0.01,
    gamma: float = 0.55,
    schedule: Schedule | None = None,
    clip: float | None = None,
    clip_by: ClipBy = "global norm",
    like: Tree | None = None,
    xp: Namespace | None = None,
    in_order: bool = False,
) -> Report:
    """Judge whether ``fn(gradient, t)`` is the gradient plus N(0, eta / (1 + t)**gamma).

    Parameters
    ----------
    fn : callable
        ``(gradient, t) -> noisy gradient``: a tree of arrays, and t a Python int counted from 0.
        Where its random numbers come from is its own affair: a generator that it keeps, a global
        one, or a key made of a seed and t.
    eta : float
        The variance at t = 0, > 0, in squared units of the gradient.
    gamma : float
        The exponent of the variance's decay.
    schedule : callable, optional
        Of t, returning a variance; instead of `eta` and `gamma`.
    clip : float, optional
        What `fn` claims to clip the gradient to, before it adds the noise. Without it `fn` must
        not clip.
    clip_by : {"global norm", "norm", "value"}
        By which measure: the norm of all leaves together, that of each leaf, or each element.
    like : tree of arrays, optional
        Gradients have its structure, shapes, dtypes and library; its values do not matter. It
        has 4,096 to 262,144 elements. By default a dict of four float32 leaves.
    xp : module, optional
        The namespace of the default gradients: ``torch``, ``jax.numpy``... NumPy by default.
    in_order : bool
        Whether to call `fn` at t = 0, 1, 2, ... without a gap, each once: for implementations
        that count their own calls. By default t also takes large values, in rising order.

    Returns
    -------
    Report
        On mean, variance at each step and on each leaf, higher moments, distribution, tails and
        resolution, independence of leaves, steps and elements, and of the gradient; on clipping;
        and on the form of what `fn` returns. `cause` names the mistake where the figures tell it.

    Raises
    ------
    ValueError
        If an argument is out of range, or `like` too small or too large.
    ImportError
        Without scipy: ``pip install "gradnoise-core[oracle]"``.

    Notes
    -----
    `fn` is called 64 to 256 times, on gradients that are zero, mixed, large, and (with `clip`)
    below and far above the threshold, for about a million normals in all. What it returns less
    what is due, divided by the standard deviation due, must be independent standard normals; each
    test has an exact law or a bound (chi-square, binomial, Massart's for Kolmogorov's distance);
    where the law is normal only in the limit (fourth moments, sums of products) the sums have many
    terms, and those with longer tails a threshold half as high again. The p-values are corrected
    for their number, so that a right implementation fails a report with probability at most 1e-9.

    16-bit leaves get gradients of the size of the noise, which rounding does not drown.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> def noisy(gradient, t):
    ...     sigma = (0.01 / (1 + t) ** 0.55) ** 0.5
    ...     draw = lambda g: g + np.float32(sigma) * rng.standard_normal(g.shape, np.float32)
    ...     return {name: draw(g) for name, g in gradient.items()}
    >>> check_noise(noisy).passed
    True
    >>> report = check_noise(noisy, eta=0.0001)
    >>> report.passed
    False
    """
    special()  # before anything is called
    _check_arguments(eta, gamma, schedule, clip, clip_by)
    tree = leaves_of(like, xp)
    law = annealed(eta, gamma) if schedule is None else schedule
    plan = plan_calls(tree, law, clip=clip, clip_by=clip_by, in_order=in_order)
    _check_variances(plan)
    subject = _subject(plan, eta, gamma, schedule)
    sample, claims = collect(fn, plan)
    if sample is None:
        return Report(subject, tuple(claims))
    known = (None, None) if schedule is not None else (eta, gamma)
    claims += claims_of(_evidence(sample, *known), FALSE_ALARM)
    return Report(subject, tuple(claims))


def _evidence(sample: Sample, eta: float | None, gamma: float | None) -> list[Evidence]:
    """Return what there is to say; what failed before does not fail what comes after.

    Where the scale is wrong the rest is judged in units of the scale that the noise has; where the
    gradient's part is wrong, on gradients that are 0; where the mean is, around the mean it has.
    """
    scale = of_moments.scale(sample, eta, gamma)
    if _wrong(scale):
        own = np.sqrt(np.mean(sample.z**2, axis=1, keepdims=True))
        loud = np.flatnonzero(own[:, 0] > _LOUD)
        if loud.size < _FEWEST:
            return [scale]  # without noise there is no more to say of it
        sample, z = sample.of(loud), sample.z[loud] / own[loud]
    else:
        z = sample.z
    both = (of_gradient.mean_gradient(sample, z), of_gradient.additive(sample, z))
    gradient = [e for e in both if e is not None]
    if any(map(_wrong, gradient)):
        zero = np.flatnonzero(sample.kinds == "zero")
        if zero.size < _FEWEST:
            return [scale, *gradient]
        sample, z = sample.of(zero), z[zero]
    mean = of_moments.mean(sample, z)
    centred = z - np.mean(z) if _wrong(mean) else z
    rest = [
        of_moments.spread(sample, z),
        *gradient,
        of_moments.higher_moments(sample, z),
        of_distribution.distribution(sample, z),
        of_distribution.tails(sample, z),
        of_distribution.resolution(sample),
        of_independence.leaves(sample, centred),
        of_independence.steps(sample, centred),
        of_independence.elements(sample, centred),
        of_independence.mirrored(sample, centred),
    ]
    return [mean, scale, *(e for e in rest if e is not None)]


def _wrong(evidence: Evidence) -> bool:
    """Return whether a claim fails beyond doubt."""
    return float(np.min(evidence.p)) < 1e-14


def _check_arguments(
    eta: float, gamma: float, schedule: Schedule | None, clip: float | None, clip_by: str
) -> None:
    if schedule is None:
        _check.positive("eta", eta, "Without noise there is nothing to judge.")
        _check.finite_at_least("gamma", gamma, 0.0, several=False)
    else:
        _check.schedule("schedule", schedule, "a variance")
    if clip is not None:
        _check.positive("clip", clip, "Leave it out where nothing is clipped.")
    if clip_by not in CLIPS:
        message = f"`clip_by` must be one of {', '.join(map(repr, CLIPS))}, got {clip_by!r}."
        raise ValueError(message)


def _check_variances(plan: Plan) -> None:
    for t in plan.steps:
        value = float(plan.variance(t))
        if not 0.0 < value < math.inf:
            message = (
                f"`schedule` must return a finite variance > 0 at every t, got {value} at t = {t}. "
                "Where there is no noise there is nothing to judge."
            )
            raise ValueError(message)


def _subject(plan: Plan, eta: float, gamma: float, schedule: Schedule | None) -> str:
    law = f"eta = {eta:g}, gamma = {gamma:g}" if schedule is None else "a schedule of its own"
    return f"gradient noise with {law} ({len(plan.steps)} steps of {sum(plan.sizes):,} elements)"
