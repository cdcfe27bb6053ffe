"""Optimizers that draw noise: is its law, and the drift beside it, what is claimed?

For SGLD and pSGLD the noise is what is left of a step when the drift due is taken off. Divided by
its standard deviation it must be N(0, 1), whatever generator drew it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradnoise_core.oracle._evidence import (
    FALSE_ALARM,
    Evidence,
    chi_square,
    claims_of,
    kolmogorov,
    normal,
)
from gradnoise_core.oracle._form import standard_form
from gradnoise_core.oracle._langevin_cause import LangevinStep, drift_ratio, explain, step_of
from gradnoise_core.oracle._probes import DROP, STEPS, Probes, probes
from gradnoise_core.oracle._report import Claim, Report
from gradnoise_core.oracle._run import Subject
from gradnoise_core.oracle._santa import santa_evidence, santa_probes
from gradnoise_core.oracle._trajectory import Claimed, Trajectory, watch
from gradnoise_core.typing import Shape

__all__ = ["check_langevin"]

#: Leaves with noise enough to be judged; two have one shape.
SHAPES: Mapping[str, Shape] = {"bias": (100,), "twin": (40, 10), "weight": (40, 10)}

#: Of Santa only the law is judged, of each step apart.
WIDE: Mapping[str, Shape] = {"bias": (100,), "twin": (200, 10), "weight": (200, 10)}

#: How many standard deviations of the noise the largest gradients' drift is.
DRIFT = 30.0


def check_langevin(
    subject: Subject, claim: Claimed, rates: Callable[[bool], Sequence[float]], name: str
) -> Report:
    """Judge an optimizer that draws noise."""
    if subject.form.narrower is not None:  # the standard form, which has few elements
        as_list = isinstance(subject.form.build(list(subject.form.shapes)), list)
        shapes = WIDE if claim.optimizer == "santa" else SHAPES
        form = standard_form(subject.form.backend, shapes, as_list=as_list)
        subject = subject.with_form(form)
    given = _probes(subject, claim)
    seen = watch(subject, given, rates)
    notes = "resumption"
    if not seen.settable and rates(True) != rates(False):
        notes += "; a fall of the learning rate (nothing sets it: give a schedule to both)"
        claim = replace(claim, rates=rates(False))
    subject_name = f"{name} (not checked: {notes})"
    if seen.error:
        return Report(subject_name, (Claim("it runs", False, seen.error, f"{STEPS} steps"),))
    frame = [
        Claim("dtypes and shapes of the parameters are kept", not seen.changed, seen.changed),
        Claim("the caller's gradients are not written to", not seen.written, seen.written),
    ]
    if seen.changed:
        return Report(subject_name, tuple(frame))
    if claim.optimizer == "santa":
        evidence = santa_evidence(claim, given, seen.path)
    else:
        evidence = _evidence(claim, given, seen)
    return Report(subject_name, (*claims_of(evidence, FALSE_ALARM), *frame))


def _probes(subject: Subject, claim: Claimed) -> Probes:
    """Return probes whose largest gradients drift much farther than the noise carries."""
    form = subject.form
    given = probes(form.shapes, form.dtype)
    h, k = claim.rates[0], claim.keywords
    if claim.optimizer == "santa":
        return santa_probes(given)
    heat = 2 * max(k["temperature"], 1e-3) / (k["drift"] * h)
    size = DRIFT * heat**0.5 if claim.optimizer == "sgld" else DRIFT**2 * heat
    gradients = [[(size / 10 * g).astype(g.dtype) for g in step] for step in given.gradients]
    return replace(given, gradients=gradients)


def _evidence(claim: Claimed, given: Probes, seen: Trajectory) -> list[Evidence]:
    steps = [step_of(claim, given, seen.path, i) for i in range(len(given.paths))]
    ratio = drift_ratio(steps)
    with_drift = [(s.moved - s.drift) / s.deviation for s in steps]
    # A wrong drift has its claim, and the noise is then what is beside it.
    z = [s.beside(ratio) / s.deviation for s in steps]
    halves = {"before the rate falls": slice(0, DROP), "after": slice(DROP, STEPS)}

    def why() -> str:
        return explain(claim, steps)

    return [
        _drift(with_drift, steps, halves, why),
        _mean(z, halves, why),
        _variance(z, halves, why),
        _normality(z, why),
        *_independence(z, given.paths),
    ]


def _all(z: Sequence[Any], part: slice) -> Any:
    return np.concatenate([x[part].reshape(-1) for x in z])


def _drift(
    z: Sequence[Any], steps: Sequence[LangevinStep], halves: Mapping[str, slice], why: Any
) -> Evidence:
    found = []
    for part in halves.values():
        x = np.concatenate([(s.drift / s.deviation)[part].reshape(-1) for s in steps])
        found.append(float(_all(z, part) @ x / np.sqrt(x @ x)))
    names = list(halves)
    return Evidence(
        "the drift",
        normal(found),
        lambda i: (f"off by {found[i]:.3g} standard errors {names[i]}", "0"),
        why,
    )


def _mean(z: Sequence[Any], halves: Mapping[str, slice], why: Any) -> Evidence:
    parts = [_all(z, part) for part in halves.values()]
    return Evidence(
        "the noise has mean 0",
        normal([x.sum() / np.sqrt(x.size) for x in parts]),
        lambda i: (
            f"{parts[i].mean():.3g} standard deviations",
            f"0 +- {parts[i].size ** -0.5:.1g}",
        ),
        why,
    )


def _variance(z: Sequence[Any], halves: Mapping[str, slice], why: Any) -> Evidence:
    parts = [_all(z, part) for part in halves.values()]
    names = list(halves)
    return Evidence(
        "the noise has the variance claimed",
        chi_square([float(x @ x) for x in parts], [x.size for x in parts]),
        lambda i: (f"{float(parts[i] @ parts[i]) / parts[i].size:.4g} times it {names[i]}", "1"),
        why,
    )


def _normality(z: Sequence[Any], why: Any) -> Evidence:
    distance, p = kolmogorov(_all(z, slice(None)))
    return Evidence(
        "the noise is normal",
        [p],
        lambda _: (f"Kolmogorov's distance {distance:.3g}", "that of N(0, 1)"),
        why,
    )


def _independence(z: Sequence[Any], paths: Sequence[str]) -> list[Evidence]:
    """Return what products say of steps, of neighbours, and of leaves of one size."""
    clipped = [np.clip(x.reshape(len(x), -1), -8.0, 8.0) for x in z]  # a wrong scale has its claim
    pairs = {
        "steps": [(x[1:], x[:-1]) for x in clipped],
        "elements": [(x[:, 1:], x[:, :-1]) for x in clipped if x.shape[1] > 1],
        "leaves": [
            (a, b)
            for i, a in enumerate(clipped)
            for b in clipped[:i]
            if a.shape == b.shape and a.size
        ],
    }
    causes = {
        "steps": "the same noise is drawn at several steps: the key or the seed is used again",
        "elements": "neighbours share their noise: it is drawn once and broadcast",
        "leaves": "leaves share their noise: they are drawn with one key or seed",
    }
    out = []
    for what, both in pairs.items():
        if both:
            a = np.concatenate([x.reshape(-1) for x, _ in both])
            b = np.concatenate([y.reshape(-1) for _, y in both])
            out.append(_product(what, a, b, causes[what]))
    return out


def _product(what: str, a: Any, b: Any, cause: str) -> Evidence:
    scale = float(np.sqrt((a @ a) * (b @ b) / a.size))
    value = float(a @ b) / scale if scale > 0 else np.inf
    return Evidence(
        f"the noise of {what} is independent",
        normal([value], longer_tails=True),
        lambda _: (f"correlation {value / np.sqrt(a.size):.3g}", f"0 +- {a.size**-0.5:.1g}"),
        lambda: cause,
    )
