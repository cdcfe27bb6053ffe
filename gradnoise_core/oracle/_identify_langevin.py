"""Which sampler is it? Drift and noise by maximum likelihood; conventions by the known rate."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradnoise_core.optimizers import DIALECTS, keywords
from gradnoise_core.oracle._evidence import chi_square, kolmogorov, massart
from gradnoise_core.oracle._form import standard_form
from gradnoise_core.oracle._langevin import SHAPES, WIDE
from gradnoise_core.oracle._langevin_cause import CONVENTIONS, LangevinStep, step_of
from gradnoise_core.oracle._probes import Probes, probes
from gradnoise_core.oracle._reading import Identification, Reading
from gradnoise_core.oracle._run import Subject
from gradnoise_core.oracle._santa import (
    SantaRunsAwayError,
    santa_distances,
    santa_probes,
)
from gradnoise_core.oracle._scipy import _load
from gradnoise_core.oracle._trajectory import Claimed, Path, watch
from gradnoise_core.oracle.vectors._outside import uniform

__all__ = ["identify_langevin"]

#: A law is taken for the subject's unless it is refuted at this level.
LEVEL = 1e-6

#: By how much the drift and the variance of the noise may be off a round number.
SLACK = 0.02

#: The powers of ten of the elements' gradients: small ones tell eps, large ones the drift.
_POWERS = range(-8, 7)


def identify_langevin(
    subject: Subject, optimizer: str | None, rate: float | None
) -> Identification:
    """Return the conventions that a subject which draws noise speaks."""
    if not subject.renewable:
        return Identification((), "it draws noise, and can be asked only if a function makes it")
    tried: list[_Tried] = []
    if optimizer in (None, "sgld", "psgld"):
        given, path = _run(subject, SHAPES, rate)
        for name in ("sgld", "psgld"):
            if optimizer in (None, name):
                tried.append(_langevin(name, given, path, rate))
                if tried[-1].readings:
                    return Identification(tried[-1].readings)
    if optimizer in (None, "santa"):
        tried.append(_santa(subject, rate))
    return Identification(tried[-1].readings, "" if tried[-1].readings else _nearest(tried))


@dataclass(frozen=True)
class _Tried:
    """What came of a comparison with one optimizer.

    Parameters
    ----------
    readings : tuple of Reading
        None if it is not that.
    distance : float
        Kolmogorov's, of the law; infinity where there is none.
    said : str
        What is nearest of that optimizer, or why there is nothing.
    """

    readings: tuple[Reading, ...] = ()
    distance: float = math.inf
    said: str = ""


def _nearest(tried: Sequence[_Tried]) -> str:
    """Return what comes nearest, and what could not be compared."""
    best = min(tried, key=lambda t: t.distance)
    said = ["it draws noise, of no law that is known"]
    if best.distance < math.inf:
        far = f"Kolmogorov's distance {best.distance:.2g} from its law"
        said.append(f"nearest is {best.said}, {far}")
    return "; ".join([*said, *(t.said for t in tried if t.distance == math.inf)])


def _run(subject: Subject, shapes: Mapping[str, Any], rate: float | None) -> tuple[Probes, Path]:
    as_list = isinstance(subject.form.build(list(subject.form.shapes)), list)
    form = standard_form(subject.form.backend, shapes, as_list=as_list)
    subject = subject.with_form(replace(form, dtype=subject.form.dtype))
    given = probes(form.shapes, subject.form.dtype)
    given = santa_probes(given) if shapes is WIDE else _spread(given)
    seen = watch(subject, given, lambda _: [rate or 1e-3] * len(given.gradients))
    if seen.error:
        message = f"`step` must make {len(given.gradients)} steps. It raised {seen.error}."
        raise ValueError(message)
    return given, seen.path


def _spread(given: Probes) -> Probes:
    """Return gradients of which each element has its own size."""
    sizes = [
        10.0 ** (np.arange(x.size).reshape(x.shape) % len(_POWERS) + _POWERS[0])
        for x in given.start
    ]
    gradients = [
        [
            (uniform(f"identify/{path}/{t}", g.shape) * size).astype(g.dtype)
            for path, g, size in zip(given.paths, step, sizes, strict=True)
        ]
        for t, step in enumerate(given.gradients)
    ]
    return replace(given, gradients=gradients)


def _steps(optimizer: str, k: Mapping[str, Any], given: Probes, path: Path) -> list[LangevinStep]:
    """Return the steps in units of the rate times the drift."""
    claim = Claimed(optimizer, "paper", {**k, "drift": 1.0, "temperature": 1.0}, [1.0] * len(path))
    return [step_of(claim, given, path, i) for i in range(len(given.paths))]


def _fit(steps: Sequence[LangevinStep]) -> tuple[float, float, float]:
    """Return the drift d, the variance v of ``-d G g + sqrt(v G) z``, and its mean -2 log p."""
    due, moved, weight = (
        np.concatenate([np.ravel(x) for x in each])
        for each in zip(*((s.drift, s.moved, s.metric) for s in steps), strict=True)
    )
    d = float((moved * due / weight).sum() / (due * due / weight).sum())
    v = float((((moved - d * due) ** 2) / weight).mean())
    return d, v, float(np.log(v * weight + 1e-300).mean() + 1)


def _langevin(optimizer: str, given: Probes, path: Path, rate: float | None) -> _Tried:
    """Compare with SGLD or pSGLD of the likeliest drift, temperature, decay and eps."""
    if not all(np.isfinite(x).all() for x in path[-1]):
        return _Tried(said=f"its steps under {optimizer}'s gradients are not finite")
    best: tuple[float, dict[str, Any]] | None = None
    for k in _forms(optimizer):
        fitted = _fitted(optimizer, k, given, path) if optimizer == "psgld" else dict(k)
        loss = _fit(_steps(optimizer, fitted, given, path))[2]
        if best is None or loss < best[0]:
            best = loss, fitted
    assert best is not None
    steps = _steps(optimizer, best[1], given, path)
    d, v, _ = _fit(steps)
    z = np.concatenate([np.ravel((s.moved - d * s.drift) / np.sqrt(v * s.metric)) for s in steps])
    if d <= 0:
        return _Tried(said=f"it does not descend, as {optimizer} does")
    distance, p = kolmogorov(z)
    made = list(_readings(optimizer, best[1], d, v, rate))
    if min(p, float(chi_square(float(z @ z), z.size))) >= LEVEL:
        return _Tried(tuple(made), distance)
    hyper = made[0].hyperparameters.items()
    said = ", ".join(f"{n} {x if isinstance(x, bool) else format(x, '.3g')}" for n, x in hyper)
    return _Tried((), distance, f"{optimizer} ({said})")


def _readings(
    optimizer: str, fitted: Mapping[str, Any], d: float, v: float, rate: float | None
) -> Iterator[Reading]:
    """Yield the ways to say what was fitted; one where the rate is known."""
    for drift in (_near(d / rate, CONVENTIONS),) if rate else CONVENTIONS:
        hyper = {
            "learning_rate": rate or _round(d / drift),
            **{n: x for n, x in fitted.items() if n not in ("drift", "temperature") and x},
            "drift": drift,
            "temperature": _near(v / (2 * d), (1.0,)),
        }
        dialects = tuple(
            name
            for name in DIALECTS[optimizer]
            if all(
                hyper.get(n, x) == x
                for n, x in keywords(optimizer, name).items()
                if isinstance(x, bool) or n == "drift"
            )
        )
        by = f"as {CONVENTIONS[drift]}, " if drift in CONVENTIONS else ""
        note = f"{by}known to {100 * SLACK:.0f} %"
        yield Reading(optimizer, dialects, hyper, float("nan"), (), note)


def _forms(optimizer: str) -> Iterator[dict[str, Any]]:
    k = keywords(optimizer)
    if optimizer == "sgld":
        yield k
        return
    for inside, start in ((False, 0.0), (True, 0.0), (True, 1.0)):
        yield {**k, "eps_in_sqrt": inside, "initial_accumulator": start}


def _fitted(optimizer: str, k: Mapping[str, Any], given: Probes, path: Path) -> dict[str, Any]:
    """Return pSGLD's decay and eps, by maximum likelihood."""

    def setting(x: Any) -> dict[str, Any]:
        decay, eps = -np.expm1(np.clip(x[0], -15, -1e-3)), np.exp(np.clip(x[1], -46, 3))
        return {**k, "decay": float(decay), "eps": float(eps)}

    def loss(x: Any) -> float:
        return _fit(_steps(optimizer, setting(x), given, path))[2]

    start = np.log([1 - k["decay"], k["eps"]])
    solved = _load("scipy.optimize").minimize(
        loss, start, method="Nelder-Mead", options={"maxfev": 120, "xatol": 1e-3, "fatol": 1e-7}
    )
    found = setting(solved.x)
    found["decay"] = float(f"{1 - _round(1 - found['decay']):.6g}")
    found["eps"] = _round(found["eps"])
    return found


def _round(value: float) -> float:
    for digits in (0, 1, 2):
        y = float(f"{value:.{digits}e}")
        if abs(y - value) <= SLACK * abs(value):
            return y
    return value


def _near(value: float, known: Any) -> float:
    """Return a known number nearby, or a round one."""
    return next((x for x in known if abs(value - x) <= SLACK * x), _round(value))


def _santa(subject: Subject, rate: float | None) -> _Tried:
    """Compare with Santa of its own constants."""
    if rate is None:
        return _Tried(said="Santa needs `learning_rate`")
    given, path = _run(subject, WIDE, rate)
    tried: list[_Tried] = []
    for scheme in ("euler", "sss"):
        k = {**keywords("santa"), "scheme": scheme}
        claim = Claimed("santa", "paper", k, [rate] * len(path))
        try:
            distances, n = santa_distances(claim, given, path)
        except SantaRunsAwayError:
            return _Tried(said=f"Santa itself runs away at the rate {rate:g}")
        distance = max(distances)
        if massart(distance, n) > LEVEL:
            note = "its law is that of these constants"
            hyper = {"learning_rate": rate, **k}
            return _Tried((Reading("santa", ("paper",), hyper, float("nan"), (), note),))
        tried.append(_Tried((), distance, f"santa (scheme {scheme}, its own constants)"))
    return min(tried, key=lambda t: t.distance)
