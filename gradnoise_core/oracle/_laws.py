"""Laws of the noise's variance that are found in the wild in place of the right one."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["LAWS", "RIGHT", "Law", "explain"]

#: A variance, as a function of (eta, gamma, t).
Variance: TypeAlias = Callable[[float, float, float], float]


@dataclass(frozen=True)
class Law:
    """A wrong law: its name, the mistake that makes it, and where it was found."""

    name: str
    variance: Variance
    mistake: str
    source: str = "likely slip"


RIGHT = Law("right", lambda eta, g, t: eta / (1 + t) ** g, "", "")

#: The wrong ones, the likelier first: of two that fit, the first is named.
LAWS: tuple[Law, ...] = (
    Law(
        "variance-as-deviation",
        lambda eta, g, t: (eta / (1 + t) ** g) ** 2,
        "the variance eta / (1 + t)**gamma is used as the standard deviation: take its root",
        "optax#281 (until 0.1.1), blei-lab/edward#722",
    ),
    Law(
        "deviation-as-variance",
        lambda eta, g, t: math.sqrt(eta / (1 + t) ** g),
        "the standard deviation is used as the variance: square it",
    ),
    Law(
        "t-from-one",
        lambda eta, g, t: eta / (2 + t) ** g,
        "t is counted from 1: the first update has t = 0",
        "Chainer's hook on a rule",
    ),
    Law(
        "one-not-added",
        lambda eta, g, t: eta / t**g if t > 0 else eta,
        "1 is not added to t: the law is eta / (1 + t)**gamma",
    ),
    Law(
        "stages-and-variance-as-deviation",
        lambda eta, g, t: (eta / (1 + t // 100) ** g) ** 2,
        "t // 100 stands for t, and the variance is used as the standard deviation",
        "ESPnet2, FunASR, Step-Audio",
    ),
    Law("stages", lambda eta, g, t: eta / (1 + t // 100) ** g, "t // 100 stands for t", "ESPnet2"),
    Law(
        "t-from-one-and-variance-as-deviation",
        lambda eta, g, t: (eta / (2 + t) ** g) ** 2,
        "the variance is used as the standard deviation, and t is counted from 1",
        "a port to Julia",
    ),
    Law(
        "gamma-twice",
        lambda eta, g, t: eta / (1 + t) ** (2 * g),
        "gamma is applied twice: the standard deviation falls as (1 + t)**-(gamma / 2)",
    ),
    Law(
        "gamma-halved",
        lambda eta, g, t: eta / (1 + t) ** (g / 2),
        "gamma is halved: it is the variance's",
    ),
    Law(
        "eta-as-deviation",
        lambda eta, g, t: eta**2 / (1 + t) ** g,
        "eta is used as a standard deviation: it is the variance at t = 0",
    ),
    Law(
        "constant",
        lambda eta, g, t: eta,
        "the noise does not decay: t does not reach the schedule",
        "TensorFlow's contrib optimize_loss",
    ),
    Law(
        "constant-and-eta-as-deviation",
        lambda eta, g, t: eta**2,
        "the noise does not decay, and eta is a standard deviation",
        "domluna/memn2n",
    ),
    Law(
        "gamma-lost",
        lambda eta, g, t: eta / (1 + t),
        "gamma does not reach the schedule: it falls as 1 + t",
    ),
    Law(
        "gamma-one-half",
        lambda eta, g, t: eta / math.sqrt(1 + t),
        "gamma is 1/2, whatever was asked for",
    ),
    Law(
        "gamma-hard-coded",
        lambda eta, g, t: eta / (1 + t) ** 0.55,
        "gamma is 0.55, whatever was asked for",
        "Chainer's GradientNoise",
    ),
    Law(
        "power-of-t-alone",
        lambda eta, g, t: eta / (1 + t**g),
        "1 + t**gamma stands for (1 + t)**gamma",
    ),
    Law(
        "inverse-time",
        lambda eta, g, t: eta / (1 + g * t),
        "1 + gamma * t stands for (1 + t)**gamma",
    ),
    Law(
        "growing",
        lambda eta, g, t: eta * (1 + t) ** g,
        "the noise grows: the sign of gamma is wrong",
    ),
    Law(
        "exponential",
        lambda eta, g, t: eta * math.exp(-g * t),
        "the decay is exponential: exp(-gamma * t)",
        "Opacus's exponential schedule, taken for the paper's",
    ),
    Law(
        "geometric",
        lambda eta, g, t: eta * g**t,
        "the decay is exponential: gamma**t",
    ),
    Law(
        "logarithmic",
        lambda eta, g, t: eta / (1 + math.log1p(t)) ** g,
        "log(1 + t) stands for t",
    ),
    Law(
        "frozen",
        lambda eta, g, t: eta / (1 + min(t, 5000)) ** g,
        "the decay stops at t = 5000",
        "a schedule with a last step, as TensorFlow's polynomial_decay has",
    ),
    Law(
        "wrapping-counter",
        lambda eta, g, t: eta / (1 + t % 2**16) ** g,
        "t wraps around at 2**16",
    ),
)


def explain(
    steps: Sequence[int],
    variances: Sequence[float],
    eta: float,
    gamma: float,
    tolerance: float,
) -> str:
    """Return the mistake whose law the variances follow, or what is known of them; "" if nothing.

    Parameters
    ----------
    steps, variances : sequences
        What was measured at which t.
    eta, gamma : float
        Of the right law.
    tolerance : float
        How far a measured variance may be from a law's, of its size.
    """
    if max(map(abs, variances)) == 0.0:
        return "it is zero: no noise reaches the result"
    for law in (RIGHT, *LAWS):
        due = [law.variance(eta, gamma, t) for t in steps]
        # What float32 cannot hold counts as zero.
        lost = 1e-30 * max(due)
        if all(abs(v - d) <= tolerance * d + lost for v, d in zip(variances, due, strict=True)):
            return law.mistake
    for law in (RIGHT, *LAWS):
        due = [law.variance(eta, gamma, t) for t in steps]
        if min(due) <= 0.0:
            continue
        ratios = [v / d for v, d in zip(variances, due, strict=True)]
        middle = sorted(ratios)[len(ratios) // 2]
        if middle > 0 and all(abs(r - middle) <= tolerance * middle for r in ratios):
            return _times(middle, law)
    return _up_to(steps, variances, eta, gamma, tolerance)


def _times(ratio: float, law: Law) -> str:
    """Say what a law times a constant may come from."""
    size = math.sqrt(ratio)
    also = f"; besides, {law.mistake}" if law.mistake else ""
    if size < 1e-2:
        why = "noise that is added before the gradient is divided (by a loss scale?) is diluted"
    elif size < 1:
        why = "truncated noise, and noise divided by a count or times a learning rate, is smaller"
    else:
        why = "noise that is added several times, or multiplied by a count, is larger"
    return f"the standard deviation is {size:.2g} times what is due at every t: {why}{also}"


def _up_to(
    steps: Sequence[int], variances: Sequence[float], eta: float, gamma: float, tolerance: float
) -> str:
    """Say so if the variances follow the law up to some t only."""
    due = [RIGHT.variance(eta, gamma, t) for t in steps]
    good = [abs(v - d) <= tolerance * d for v, d in zip(variances, due, strict=True)]
    first = good.index(False)
    if first == 0 or any(good[first:]):
        return ""
    return f"the law is followed up to t = {steps[first - 1]} and no longer at t = {steps[first]}"
