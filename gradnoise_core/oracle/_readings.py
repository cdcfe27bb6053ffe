"""From a fit to the dialects that mean the same."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gradnoise_core.optimizers import DIALECTS, keywords
from gradnoise_core.oracle._compare import relative_tolerance
from gradnoise_core.oracle._fit import ENOUGH, Fit, rounded
from gradnoise_core.oracle._fit_model import distance, misfit, simulate
from gradnoise_core.oracle._reading import Reading
from gradnoise_core.oracle._responses import LENGTH, Responses

__all__ = ["nearest", "readings"]

#: How many times as far as the fit a dialect's form may be.
SLACK = 30.0


def forms(optimizer: str) -> frozenset[str]:
    """Return the keywords that are no numbers and differ between dialects."""
    paper, *others = (keywords(optimizer, dialect) for dialect in DIALECTS[optimizer])
    return frozenset(
        name
        for name, value in paper.items()
        if isinstance(value, bool | str) and any(k[name] != value for k in others)
    )


def readings(fit: Fit, seen: Responses, optimizer: str | None) -> list[Reading]:
    """Return the ways to say what a fit found, that hold at every step."""
    out: list[Reading] = []
    fit = _dampened(fit, seen.rate)
    for name in _names(fit, optimizer):
        groups: dict[tuple[Any, ...], list[tuple[str, float, dict[str, Any]]]] = {}
        for dialect in DIALECTS[name]:
            held = _held(fit, name, dialect, seen)
            if held is not None:
                k, size = held
                groups.setdefault(tuple(_shown(name, k).items()), []).append((dialect, size, k))
        out += [_reading(name, dict(shown), some) for shown, some in groups.items()]
    out.sort(key=lambda reading: (not reading.own, -len(reading.dialects)))
    return out or list(_without_dialect(fit, seen))


def _held(
    fit: Fit, optimizer: str, dialect: str, seen: Responses
) -> tuple[dict[str, Any], float] | None:
    """Return the keywords with which a dialect explains all that was observed, if any do.

    Its own constants are preferred to fitted ones: a small eps beside a large sum of squares is
    fitted badly, or not to be told from it.
    """
    fitted = _in_dialect(fit, optimizer, dialect)
    theirs = keywords(optimizer, dialect)
    numbers = {n: v for n, v in fitted.items() if type(v) is float}
    own = {**fitted, **rounded(numbers, seen.dtype)}
    own |= {n: theirs[n] for n in ("eps", "initial_accumulator") if n in theirs}
    exact = relative_tolerance(seen.dtype, {"bias_correction": False, **theirs, **fitted})
    for k, allowed in ((own, exact), (fitted, max(exact, SLACK * fit.distance))):
        off, size = _far(optimizer, k, seen)
        if off <= min(allowed, ENOUGH[seen.dtype]):
            return k, size
    return None


def _dampened(fit: Fit, rate: float | None) -> Fit:
    """Return momentum at a lower rate than is known as dampened momentum."""
    h = fit.keywords["learning_rate"]
    plain = fit.optimizer == "momentum" and not (
        fit.keywords["nesterov"] or fit.keywords["dampening"]
    )
    if rate is None or not plain or not 0 < h < rate * (1 - 1e-6):
        return fit
    k = {**fit.keywords, "learning_rate": rate, "dampening": float(f"{1 - h / rate:.9g}")}
    k["weight_decay"] *= h / rate if k.get("decoupled_weight_decay") else 1.0
    return Fit(fit.optimizer, {**k, "dampen_first": True}, fit.distance)


def _names(fit: Fit, optimizer: str | None) -> Iterator[str]:
    """Yield the names that a fit's formula can go by."""
    decoupled = fit.keywords.get("decoupled_weight_decay") and fit.keywords["weight_decay"]
    names = [fit.optimizer]
    if fit.optimizer == "adam" and (decoupled or optimizer == "adamw"):
        names.append("adamw")
    yield from (name for name in names if optimizer in (None, name))


def _in_dialect(fit: Fit, optimizer: str, dialect: str) -> dict[str, Any]:
    """Return the fit's numbers and features in a dialect's form."""
    k = keywords(optimizer, dialect)
    fixed = forms(optimizer)
    out = {n: v if n in fixed else fit.keywords.get(n, v) for n, v in k.items()}
    out["learning_rate"] = fit.keywords["learning_rate"]
    if optimizer == "adamw" and k["decay_by"] != "rate":
        out["weight_decay"] = float(f"{out['weight_decay'] * out['learning_rate']:.12g}")
    return out


def _far(optimizer: str, k: Mapping[str, Any], seen: Responses) -> tuple[float, float]:
    off, size = distance(simulate(optimizer, [k], seen, LENGTH), seen)
    return float(off[0]), float(size[0])


def _shown(optimizer: str, k: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rate, and the numbers and features that are not 0."""
    fixed = forms(optimizer)
    rest = {n: v for n, v in k.items() if n != "learning_rate" and n not in fixed and v}
    return {"learning_rate": k["learning_rate"], **rest}


def _reading(
    optimizer: str, shown: Mapping[str, Any], some: list[tuple[str, float, dict[str, Any]]]
) -> Reading:
    own = []
    for dialect, _, k in some:
        theirs = keywords(optimizer, dialect)
        if all(k[n] == v for n, v in theirs.items() if n != "weight_decay"):
            own.append(dialect)
    dialects = [*own, *(d for d, _, _ in some if d not in own)]
    difference = max(size for _, size, _ in some)
    return Reading(optimizer, tuple(dialects), shown, difference, tuple(own))


def _without_dialect(fit: Fit, seen: Responses) -> Iterator[Reading]:
    """Yield the fit itself, if it holds, in a form that no dialect has."""
    insides = (False, True) if "rate_inside" in fit.keywords else (None,)
    for inside in insides:
        k = dict(fit.keywords) if inside is None else {**fit.keywords, "rate_inside": inside}
        off, size = _far(fit.optimizer, k, seen)
        if off <= ENOUGH[seen.dtype]:
            shown = {"learning_rate": k["learning_rate"], **{n: v for n, v in k.items() if v}}
            yield Reading(fit.optimizer, (), shown, size)
            return


def nearest(found: list[Fit], seen: Responses) -> str:
    """Return what comes nearest to an implementation that is nothing known, and how far it is."""
    best: tuple[float, str] = (np.inf, "")
    for fit in found:
        for dialect in DIALECTS[fit.optimizer]:
            k = _in_dialect(fit, fit.optimizer, dialect)
            off = misfit(simulate(fit.optimizer, [k], seen, LENGTH), seen)
            share = float(np.minimum(np.abs(off), 1.0).mean())
            said = ", ".join(f"{n} {v:.4g}" for n, v in _shown(fit.optimizer, k).items())
            if share < best[0]:
                best = share, f"{fit.optimizer}, dialect {dialect} ({said})"
    if not best[1]:
        return "its first steps do not descend, or fall as the gradient grows"
    return f"nearest is {best[1]}, whose steps differ by {100 * best[0]:.2g} % of their size"
