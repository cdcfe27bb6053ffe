"""How far a subject is from a formula: the size of a deviation, not whether it is one."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gradnoise_core.backend import backend_of
from gradnoise_core.optimizers import keywords as keywords_of
from gradnoise_core.oracle._compare import relative_tolerance, units
from gradnoise_core.oracle._form import standard_form
from gradnoise_core.oracle._probes import DROP, STEPS, Probes, probes
from gradnoise_core.oracle._subject import subject_of
from gradnoise_core.oracle._trajectory import Path, claimed, reference, watch
from gradnoise_core.typing import Rate

__all__ = ["Walk", "differing", "distance", "noise_ratios", "sgld_scales", "walk"]

#: At which t the scale of noise is measured.
AT = (0, 99)


class Walk:
    """The steps that a subject made, and what is needed to compare them.

    Parameters
    ----------
    given : Probes
        What it was given.
    path : list
        Its parameters after each step.
    rates : list of float
        Of each step.
    dtype : str
        "float64" or "float32".
    """

    def __init__(self, given: Probes, path: Path, rates: Sequence[float], dtype: str) -> None:
        self.given, self.path, self.rates, self.dtype = given, path, list(rates), dtype


def walk(step: Any, rate: Rate, params: Any = None) -> Walk:
    """Return 100 steps of a subject under the oracle's gradients; at step 50 the rate falls.

    Raises
    ------
    RuntimeError
        If it does not make them.
    """
    subject = subject_of(step, params)

    def rates(settable: bool) -> list[float]:
        if callable(rate):
            return [float(rate(t)) for t in range(STEPS)]
        h = float(rate)
        return [h / 10 if settable and t >= DROP else h for t in range(STEPS)]

    while True:
        form = subject.form
        given = probes(form.shapes, form.dtype)
        seen = watch(subject, given, rates)
        if not seen.error:
            return Walk(given, seen.path, rates(seen.settable), form.dtype)
        if form.narrower is None:
            raise RuntimeError(seen.error)
        subject = subject.with_form(form.narrower()[0])


def distance(
    steps: Walk, optimizer: str, dialect: str, keywords: Mapping[str, Any]
) -> dict[str, float]:
    """Return the largest difference from a formula, where it is more than rounding.

    Returns
    -------
    dict
        ``share``, of the way that an element has gone by the formula, over all steps and elements
        that have a gradient from the first step on; and ``absolute``. Both are 0 where rounding
        explains them.
    """
    claim = claimed(optimizer, dialect, keywords, steps.rates)
    due = reference(claim, steps.given)
    relative = relative_tolerance(steps.dtype, claim.keywords)
    share = absolute = 0.0
    for i, idle in enumerate(steps.given.idle):
        start = np.asarray(steps.given.start[i], np.float64)
        a, b = (np.stack([leaves[i] for leaves in path]) for path in (steps.path, due))
        off, allowed = units(a, b, start, steps.dtype, relative)
        off = np.where(idle | (off <= allowed), 0.0, off)
        way = np.maximum.accumulate(np.abs(b - start), axis=0)
        absolute = max(absolute, float(off.max(initial=0.0)))
        with np.errstate(divide="ignore", invalid="ignore"):
            share = max(share, float(np.where(off > 0, off / way, 0.0).max(initial=0.0)))
    return {"share": _written(share), "absolute": _written(absolute)}


def differing(
    steps: Walk, optimizer: str, dialect: str, keywords: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the keywords of a dialect that part its steps from the paper's: those that matter.

    A keyword matters if the steps are others with the paper's value in its place.
    """
    paper = keywords_of(optimizer)
    out = {}
    for name, value in keywords_of(optimizer, dialect).items():
        if name in keywords or value == paper[name]:
            continue
        changed = distance(_of(steps, optimizer, dialect, keywords), optimizer, dialect,
                           {**keywords, name: paper[name]})  # fmt: skip
        if changed["share"]:
            out[name] = value
    return out


def _of(steps: Walk, optimizer: str, dialect: str, keywords: Mapping[str, Any]) -> Walk:
    """Return the formula's own steps."""
    path = reference(claimed(optimizer, dialect, keywords, steps.rates), steps.given)
    return Walk(steps.given, path, steps.rates, steps.dtype)


def sgld_scales(step: Any, rate: float, float32: bool) -> dict[str, float]:
    """Return drift and noise of an SGLD, in units of h g and of sqrt(h), at one rate.

    Measured on half a million steps of elements, with gradients that drown the noise and without
    any; so the first is known to 1e-4 of itself and the second to 1e-3.
    """
    subject = subject_of(step, None)
    as_list = isinstance(subject.form.build(list(subject.form.shapes)), list)
    shapes = {"loud": (5000,), "quiet": (5000,)}
    form = standard_form(subject.form.backend, shapes, as_list=as_list)
    form = form.in_float32() if float32 else form
    subject = subject.with_form(form)
    before = [np.zeros(shape, form.dtype) for shape in shapes.values()]
    run = subject.begin(before)
    size = 30.0 / math.sqrt(rate)
    sign = np.resize([1.0, -1.0], 5000)
    drift, squares, count = 0.0, 0.0, 50
    for _ in range(count):
        grads = [form.array(x.astype(form.dtype)) for x in (size * sign, 0 * sign)]
        after = _on_host(run.step(grads, rate, changed=False))
        loud, quiet = (np.float64(a) - np.float64(b) for a, b in zip(after, before, strict=True))
        drift -= float(np.mean(sign * loud)) / (rate * size)
        squares += float(np.mean(quiet**2)) / rate
        before = after
    return {"drift": _written(drift / count), "noise": _written(math.sqrt(squares / count))}


def noise_ratios(fn: Any, zeros: Any, eta: float, gamma: float) -> dict[str, float]:
    """Return the standard deviation of noise over what the paper's law has, at t = 0 and 99."""
    out = {}
    for t in range(AT[-1] + 1):
        noise = fn(dict(zeros), t)
        if t in AT:
            flat = [np.asarray(x, np.float64).ravel() for x in _on_host(noise.values())]
            deviation = float(np.sqrt(np.mean(np.concatenate(flat) ** 2)))
            # Of 15,000 normals: to one part in a hundred.
            out[str(t)] = float(f"{deviation / math.sqrt(eta / (1 + t) ** gamma):.2g}")
    return out


def _on_host(leaves: Iterable[Any]) -> list[Any]:
    return [np.array(backend_of(x).to_numpy(x)) for x in leaves]


def _written(value: float) -> float:
    """Return three digits of a finite number, which are those that are recorded."""
    if not math.isfinite(value):
        message = f"a deviation must be finite to be recorded, got {value}"
        raise ValueError(message)
    return float(f"{value:.3g}")
