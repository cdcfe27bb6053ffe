"""Hyperparameters by least squares: of each form that first steps allow, from the best starts."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradnoise_core.oracle._fit_model import distance, misfit, simulate
from gradnoise_core.oracle._fit_start import Family, families
from gradnoise_core.oracle._responses import FALL, Responses
from gradnoise_core.oracle._scipy import _load

__all__ = ["ENOUGH", "Fit", "fits", "rounded"]

#: Steps that the starts are judged by, and that the fit is made to.
_LOOK, _STEPS = 12, 20

#: How many starts are fitted: in all, and of one optimizer at least.
_BEST, _EACH = 8, 4

#: A fit that is nearer, of the way gone, is one.
ENOUGH: Mapping[str, float] = {"float64": 1e-9, "float32": 2e-3}

#: A fit that is as near as this is not to be bettered.
EXACT: Mapping[str, float] = {"float64": 1e-12, "float32": 2e-5}

#: A fit that is farther off settles nothing.
NEAR = 1e-3

#: How far a number may be from a round one that stands for it, of its size.
SLACK: Mapping[str, float] = {"float64": 1e-5, "float32": 1e-2}

#: Parameters that stand nearer to 1 the longer they remember.
_MEMORY = frozenset({"b1", "b2", "decay", "momentum", "dampening"})

#: What leaves more than this share of the steps unexplained is not fitted.
HOPELESS = 0.15

#: How many settings are tried around a start, at each distance.
_TRIED = 60


@dataclass(frozen=True)
class Fit:
    """A formula with its keywords, and how far it is from what was observed before the rate fell.

    Parameters
    ----------
    optimizer : str
    keywords : mapping
        With "learning_rate".
    distance : float
        The largest difference, of the way gone.
    """

    optimizer: str
    keywords: Mapping[str, Any]
    distance: float


def fits(seen: Responses, optimizer: str | None, settles: Callable[[Fit], bool]) -> list[Fit]:
    """Return fits, the nearest first; those that are near enough are rounded where that fits.

    `settles` says of a fit that is near whether there is no need of another.
    """
    starts: list[tuple[float, int, Family, dict[str, Any]]] = []
    for family in families(seen, optimizer):
        loss = _loss(family, seen)
        i = int(np.argmin(loss))
        starts.append((float(loss[i]), len(starts), family, family.settings[i]))
    found: list[Fit] = []
    tried: Counter[str] = Counter()
    for rank, (_, _, family, setting) in enumerate(sorted(starts)):
        if rank >= _BEST and tried[family.optimizer] >= _EACH:
            continue
        tried[family.optimizer] += 1
        fit = _polish(family, setting, seen)
        if fit.distance <= EXACT[seen.dtype] or (fit.distance <= NEAR and settles(fit)):
            return [fit, *sorted(found, key=_distance)]
        found += [fit, Fit(family.optimizer, setting, np.inf)]
    found += _siblings(min(found, key=_distance, default=None), seen, starts)
    return sorted(found, key=_distance)


def _distance(fit: Fit) -> float:
    return fit.distance


def _siblings(
    best: Fit | None, seen: Responses, starts: Sequence[tuple[float, int, Family, dict[str, Any]]]
) -> Iterator[Fit]:
    """Yield fits of the other forms of the same optimizer, from the best one's numbers."""
    if best is None or not np.isfinite(best.distance):
        return
    for _, _, family, setting in sorted(starts):
        if family.optimizer == best.optimizer:
            numbers = {n: best.keywords[n] for n in family.free if best.keywords[n] > 0}
            yield _polish(family, {**setting, **numbers}, seen)


def _loss(family: Family, seen: Responses) -> Any:
    """Return how much of the observed each start leaves unexplained."""
    off = misfit(simulate(family.optimizer, family.settings, seen, _LOOK), seen)
    return np.minimum(np.abs(off), 1.0).mean(axis=(0, 2))


def _pack(names: Sequence[str], setting: Mapping[str, Any]) -> Any:
    return np.asarray(
        [np.log(1 - setting[n]) if n in _MEMORY else np.log(setting[n] + 1e-300) for n in names]
    )


def _unpack(names: Sequence[str], x: Any, setting: Mapping[str, Any]) -> dict[str, Any]:
    values = {
        n: float(-np.expm1(np.clip(v, -40, 0)))
        if n in _MEMORY
        else float(np.exp(np.clip(v, -700, 300)))
        for n, v in zip(names, x, strict=True)
    }
    return {**setting, **values}


def _approach(residuals: Callable[[Any], Any], x: Any, memory: Sequence[bool]) -> tuple[Any, float]:
    """Return a nearer start, by trial, and its loss.

    Squares are misled where two steps nearly cancel.
    """
    generator = np.random.default_rng(0)
    for radius in (0.5, 0.2, 0.1, 0.05, 0.02):
        size = radius * np.where(memory, 1.0, 0.2)
        tried = np.concatenate([x[None], x + size * generator.standard_normal((_TRIED, x.size))])
        tried = np.where(memory, np.minimum(tried, 0.0), tried)
        loss = np.minimum(np.abs(residuals(tried)), 1.0).mean(axis=1)
        x = tried[np.argmin(loss)]
    return x, float(loss.min())


def _polish(family: Family, setting: Mapping[str, Any], seen: Responses) -> Fit:
    """Return the least-squares fit from one start."""
    names = [n for n in family.free if n in _MEMORY or setting[n] > 0]

    def residuals(xs: Any) -> Any:
        settings = [_unpack(names, x, setting) for x in xs]
        off = misfit(simulate(family.optimizer, settings, seen, _STEPS), seen)
        return np.moveaxis(off, 1, 0).reshape(len(settings), -1)

    def jacobian(x: Any) -> Any:
        step = 1e-4  # the rounding of parameters is much larger than that of steps
        moved = residuals(np.concatenate([x + step * np.eye(x.size), x - step * np.eye(x.size)]))
        return (moved[: x.size] - moved[x.size :]).T / (2 * step)

    x, loss = _approach(residuals, _pack(names, setting), [n in _MEMORY for n in names])
    if loss > HOPELESS:
        return Fit(family.optimizer, _unpack(names, x, setting), np.inf)
    solved = _load("scipy.optimize").least_squares(
        lambda y: residuals(y[None])[0],
        x,
        jac=jacobian,
        method="lm",
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
        max_nfev=40,
    )
    fitted = _unpack(names, solved.x, setting)
    return _rounded(family.optimizer, names, fitted, seen)


def _rounded(
    optimizer: str, names: Sequence[str], fitted: Mapping[str, Any], seen: Responses
) -> Fit:
    """Return the fit with round numbers, if they are as near."""

    def far(setting: Mapping[str, Any]) -> float:
        path = simulate(optimizer, [setting], seen, FALL)
        return float(distance(path, seen)[0][0])

    best = {**fitted, **rounded({n: fitted[n] for n in names}, seen.dtype)}
    was, now = far(fitted), far(best)
    if now <= max(2 * was, ENOUGH[seen.dtype] / 100):
        return Fit(optimizer, best, now)
    return Fit(optimizer, dict(fitted), was)


def rounded(numbers: Mapping[str, float], dtype: str) -> dict[str, float]:
    """Return the numbers of fewest digits nearby; of 1 less the number where it stands near 1."""
    return {n: _round(v, SLACK[dtype], near_one=n in _MEMORY) for n, v in numbers.items()}


def _round(value: float, slack: float, *, near_one: bool) -> float:
    x = 1 - value if near_one else value
    for digits in range(1, 7):
        y = float(f"{x:.{digits - 1}e}")
        if abs(y - x) <= slack * abs(x):
            return float(f"{1 - y:.12g}") if near_one else y
    return value
