"""The likeliest cause: which known mistake makes the very parameters that were seen."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradnoise_core.optimizers import DIALECTS
from gradnoise_core.oracle._compare import difference
from gradnoise_core.oracle._formulas import FORMULAS
from gradnoise_core.oracle._plain import Plain
from gradnoise_core.oracle._probes import Probes
from gradnoise_core.oracle._trajectory import Claimed, Path, path_of_plain
from gradnoise_core.oracle._wrong import MISTAKES
from gradnoise_core.oracle._wrong.adamw import as_adamw

__all__ = ["Explanation", "as_claimed", "explanation"]

#: A mistake is named although it leaves a difference, if it leaves so little of it.
MOSTLY = 0.01

#: After so many steps a suspect is looked at, and left if it is too far off already.
LOOKS = (2, 12, 55)


@dataclass(frozen=True)
class Explanation:
    """What makes the parameters that were seen.

    Parameters
    ----------
    words : str
        The mistake; "" if there is none, or none is known.
    step : Plain or None
        A step, before its first, that makes these very parameters; None if none is known.
    rates : sequence of float
        Which it is told.
    """

    words: str = ""
    step: Plain | None = None
    rates: Sequence[float] = ()


def as_claimed(claim: Claimed) -> Explanation:
    """Return the explanation of an implementation that is what it claims."""
    if any(callable(value) for value in claim.keywords.values()):
        return Explanation()  # the formulas know numbers only
    return Explanation("", Plain(FORMULAS[claim.optimizer], claim.keywords), claim.rates)


def explanation(
    claim: Claimed, probes: Probes, seen: Path, dtype: str, relative: float
) -> Explanation:
    """Return what would explain the parameters, where they are not what is claimed.

    Of the mistakes that explain all of them the first in the order of `suspects` is named; else
    the one that leaves the least, if that is little.
    """
    if any(callable(value) for value in claim.keywords.values()):
        return Explanation()  # the formulas know numbers only

    def distance(step: Plain, rates: Sequence[float], limit: float) -> float:
        """Return how far a step's path is from what was seen; infinity above `limit`."""
        path: Path = []
        off = 0.0
        for leaves in path_of_plain(step, rates, probes):
            path.append(leaves)
            if len(path) in LOOKS or len(path) == len(seen):
                off = _distance(seen[: len(path)], path, probes, dtype, relative)
                if off > limit:
                    return np.inf
        return off

    was = distance(Plain(FORMULAS[claim.optimizer], claim.keywords), claim.rates, np.inf)
    best: tuple[float, str] = (max(1.0, MOSTLY * was), "")
    for words, step, factor in suspects(claim):
        fresh, rates = copy.deepcopy(step), [factor * h for h in claim.rates]
        off = distance(step, rates, best[0])
        if off <= 1.0:
            return Explanation(words, fresh, rates)
        best = min(best, (off, words))
    nearly = "nearly explained by this, which leaves a difference: "
    return Explanation(nearly + best[1] if best[1] else "")


def _distance(seen: Path, path: Path, probes: Probes, dtype: str, relative: float) -> float:
    """Return the largest difference in units of what is allowed; NaN is equal to NaN."""
    if any(np.isnan(x).any() for x in (*seen[-1], *path[-1])):
        nans = [
            [np.isnan(a) & np.isnan(b) for a, b in zip(p, q, strict=True)]
            for p, q in zip(seen, path, strict=True)
        ]
        seen, path = (_without(each, nans) for each in (seen, path))
    found = difference(seen, path, probes.start, probes.paths, dtype, relative)
    return 0.0 if found is None else found.largest


def _without(path: Path, nans: Path) -> Path:
    return [
        [np.where(skip, 0.0, x) for x, skip in zip(*both, strict=True)]
        for both in zip(path, nans, strict=True)
    ]


def suspects(claim: Claimed) -> Iterator[tuple[str, Plain, float]]:
    """Yield words, a plain step and a factor of the rate, the likelier first."""
    formula, k = FORMULAS[claim.optimizer], claim.keywords
    for words, change in _keyword_changes(claim.optimizer, k):
        yield words, Plain(formula, {**k, **change}), 1.0
    for mistake in MISTAKES:
        if mistake.seen_in_path and (mistake.optimizer == claim.optimizer or mistake.any_optimizer):
            yield mistake.wrong, mistake.make(claim.optimizer, k), 1.0
        elif mistake.seen_in_path and (mistake.optimizer, claim.optimizer) == ("adam", "adamw"):
            yield mistake.wrong, as_adamw(mistake, k), 1.0
    for factor in (10.0, 0.1, 2.0, 0.5, 100.0, 0.01):
        words = f"the learning rate is {factor:g} times what was claimed"
        yield words, Plain(formula, k), factor
    for dialect, row in DIALECTS[claim.optimizer].items():
        change = {**DIALECTS[claim.optimizer]["paper"], **row}
        if any(k[name] != value for name, value in change.items()):
            yield f"it is {claim.optimizer} as {dialect} means it", Plain(formula, change), 1.0
    for dialect, row in DIALECTS[claim.optimizer].items():
        forms = {n: v for n, v in row.items() if isinstance(v, bool | str)}
        if forms:
            words = f"it is {claim.optimizer} in the form of {dialect}, with the constants claimed"
            yield words, Plain(formula, {**k, **forms}), 1.0


def _keyword_changes(
    optimizer: str, k: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield other values of one keyword: those of the dialects, and slips."""
    for name, value in k.items():
        others: dict[Any, str] = {}
        for dialect, row in DIALECTS[optimizer].items():
            other = {**DIALECTS[optimizer]["paper"], **row}[name]
            if other != value:
                others[other] = f"{others[other]}, {dialect}" if other in others else dialect
        for other, dialects in others.items():
            yield (
                f"`{name}` is {_plain(other)}, as in {dialects}, not {_plain(value)}",
                {name: other},
            )
        for other in _slips(name, value):
            if other not in others:
                yield f"`{name}` is {_plain(other)}, not {_plain(value)}", {name: other}


def _slips(name: str, value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, str):
        return []
    if name == "eps":
        return [10 * value, value / 10, 0.0, value**2, value**0.5]
    if name in ("b1", "b2", "decay", "momentum"):
        return [x for x in (1 - value, 0.0) if x != value]
    return [0.0] if value else []


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, bool | str) else f"{value:g}"
