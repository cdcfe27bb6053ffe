"""Trajectories: of a subject, watched, and of the optimizer that it claims to be."""

import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import gradnoise_core as gn
from gradnoise_core.optimizers import keywords
from gradnoise_core.oracle._form import host
from gradnoise_core.oracle._probes import Probes
from gradnoise_core.oracle._run import NotASubjectError, Run, Subject, values
from gradnoise_core.typing import Rate

__all__ = ["Claimed", "Trajectory", "claimed", "path_of_plain", "reference", "watch"]

#: The parameters after each step, one array a leaf.
Path = list[list[Any]]


@dataclass(frozen=True)
class Claimed:
    """What an implementation claims to be.

    Parameters
    ----------
    optimizer, dialect : str
    keywords : mapping
        All of them, the dialect's and those given in their place.
    rates : list of float
        The learning rate of each step.
    """

    optimizer: str
    dialect: str
    keywords: Mapping[str, Any]
    rates: Sequence[float]

    def make(self, rate: Rate, **more: Any) -> Any:
        """Return the optimizer of this library."""
        return getattr(gn, self.optimizer)(rate, **{**self.keywords, **more})


def claimed(
    optimizer: str, dialect: str, given: Mapping[str, Any], rates: Sequence[float]
) -> Claimed:
    """Return what is claimed, checked.

    Raises
    ------
    ValueError
        If optimizer, dialect or a number is none.
    TypeError
        If a keyword is none of the optimizer's.
    """
    known = keywords(optimizer, dialect)
    takes = inspect.signature(getattr(gn, optimizer)).parameters
    odd = sorted(set(given) - (set(takes) - {"learning_rate", "dialect", "seed"}))
    if odd:
        message = f"`{odd[0]}` is no keyword of {optimizer}, whose are: {', '.join(known)}."
        raise TypeError(message)
    out = Claimed(optimizer, dialect, {**known, **given}, rates)
    out.make(rates[0])  # refuses numbers out of range
    return out


def reference(claim: Claimed, probes: Probes) -> Path:
    """Return the trajectory due, in float64.

    The leaves go as one array, for what is judged so acts on each element alone.
    """
    rates = list(claim.rates)
    optimizer = claim.make(lambda t: rates[t])
    p = _flat(probes.start)
    state, path = optimizer.init(p), []
    for grads in probes.gradients:
        updates, state = optimizer.update(_flat(grads), state, p)
        p = gn.apply_updates(p, updates)
        path.append(_apart(p, probes.start))
    return path


def _flat(leaves: Sequence[Any]) -> Any:
    return np.concatenate([np.asarray(x, np.float64).reshape(-1) for x in leaves])


def _apart(flat: Any, like: Sequence[Any]) -> list[Any]:
    stops = itertools.accumulate(x.size for x in like)
    return [flat[n - x.size : n].reshape(x.shape) for n, x in zip(stops, like, strict=True)]


def path_of_plain(
    step: Callable[..., Mapping[str, Any]], rates: Sequence[float], probes: Probes
) -> Iterator[list[Any]]:
    """Yield the parameters after each step of a plain one, in float64."""
    p: Mapping[str, Any] = {
        n: np.asarray(x, np.float64) for n, x in zip(probes.paths, probes.start, strict=True)
    }
    for rate, grads in zip(rates, probes.gradients, strict=True):
        g = {n: np.array(x, np.float64) for n, x in zip(probes.paths, grads, strict=True)}
        p = step(p, g, rate)
        yield [p[name] for name in probes.paths]


@dataclass
class Trajectory:
    """What was seen of a subject at work.

    Parameters
    ----------
    path : list of lists of NumPy arrays
        As far as it came.
    settable : bool
        Whether its rate can be set from outside.
    error : str
        The exception that ended it.
    written : str
        Where a gradient was first changed in place.
    changed : str
        Where a dtype or a shape was first another.
    saved
        What was saved after step `save_after`, if anything.
    """

    path: Path = field(default_factory=list)
    settable: bool = False
    error: str = ""
    written: str = ""
    changed: str = ""
    saved: Any = None


def watch(
    subject: Subject,
    probes: Probes,
    rates: Callable[[bool], Sequence[float]],
    *,
    save_after: int | None = None,
) -> Trajectory:
    """Run a subject over the probes and note what happens.

    Parameters
    ----------
    rates : callable
        ``settable -> the rate of each step``.
    save_after : int, optional
        The step after which its state is saved.
    """
    seen = Trajectory()
    try:
        with np.errstate(all="ignore"):  # its values are judged
            run = subject.begin(probes.start)
            seen.settable = run.settable
            go_on(run, subject, probes, rates(run.settable), seen, save_after=save_after)
    except NotASubjectError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what was found
        at = f"at step {len(seen.path)}: " if seen.path else ""
        seen.error = f"{at}{type(error).__name__}: {error}"
    return seen


def go_on(
    run: Run,
    subject: Subject,
    probes: Probes,
    rates: Sequence[float],
    seen: Trajectory,
    *,
    first: int = 0,
    save_after: int | None = None,
) -> None:
    """Make the steps from `first` on."""
    for t in range(first, len(probes.gradients)):
        grads = [subject.form.array(g) for g in probes.gradients[t]]
        changed = t > 0 and rates[t] != rates[t - 1]
        leaves = run.step(grads, rates[t], changed=changed)
        for name, g, before in zip(probes.paths, grads, probes.gradients[t], strict=True):
            if not seen.written and not np.array_equal(host(g), before, equal_nan=True):
                seen.written = f"at step {t}, leaf {name!r}"
        for name, leaf, before in zip(probes.paths, leaves, probes.start, strict=True):
            now = host(leaf)
            if not seen.changed and (now.shape, now.dtype) != (before.shape, before.dtype):
                seen.changed = (
                    f"{now.dtype} of shape {now.shape} for {before.dtype} of shape "
                    f"{before.shape} at step {t}, leaf {name!r}"
                )
        seen.path.append(values(leaves))
        if t == save_after:
            seen.saved = run.save()
