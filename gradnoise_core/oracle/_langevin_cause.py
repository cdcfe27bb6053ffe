"""What is left of a Langevin step without its drift, and which convention or slip it obeys."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradnoise_core.oracle._evidence import chi_square, kolmogorov
from gradnoise_core.oracle._probes import Probes
from gradnoise_core.oracle._trajectory import Claimed, Path

__all__ = ["LangevinStep", "drift_ratio", "explain", "step_of"]

#: A law that explains the noise is not refuted at this level.
LEVEL = 1e-4

#: Who drifts so.
CONVENTIONS: Mapping[float, str] = {
    0.5: "Welling & Teh, MXNet",
    1.0: "torch-sgld, blackjax",
}


@dataclass(frozen=True)
class LangevinStep:
    """The steps of one leaf, along axis 0, taken apart.

    Parameters
    ----------
    moved : array
        The change of the parameters.
    drift : array
        ``-k h G g``, what is due.
    metric : array
        G; 1 for SGLD.
    rates : array
        h, which broadcasts.
    deviation : array
        The standard deviation due, ``sqrt(2 k h T G)``.
    """

    moved: Any
    drift: Any
    metric: Any
    rates: Any
    deviation: Any

    def after(self, t: int) -> "LangevinStep":
        """Return the steps from t on."""
        parts = (self.moved, self.drift, self.metric, self.rates, self.deviation)
        return LangevinStep(*(x[t:] for x in parts))

    def beside(self, ratio: float) -> Any:
        """Return what moved beside a multiple of the drift due."""
        return self.moved - ratio * self.drift


def drift_ratio(steps: Sequence[LangevinStep]) -> float:
    """Return how many times the drift due the steps drift: exactly 1 where nothing speaks against.

    Nothing does within a hundredth, nor within ten standard errors.
    """
    due = np.concatenate([(s.drift / s.deviation).reshape(-1) for s in steps])
    moved = np.concatenate([(s.moved / s.deviation).reshape(-1) for s in steps])
    ratio = float(moved @ due / (due @ due))
    rest = moved - ratio * due
    error = float(np.sqrt((rest @ rest) / rest.size / (due @ due)))
    return 1.0 if abs(ratio - 1) < max(0.01, 10 * error) else ratio


def step_of(claim: Claimed, given: Probes, path: Path, leaf: int) -> LangevinStep:
    """Return the steps of a leaf, taken apart by the claimed drift."""
    k = claim.keywords
    g = np.stack([np.asarray(x[leaf], np.float64) for x in given.gradients])
    at = np.stack([np.asarray(given.start[leaf], np.float64), *(p[leaf] for p in path)])
    h = np.reshape(np.asarray(claim.rates), (-1, *(1,) * (g.ndim - 1)))
    metric = np.ones_like(g)
    if claim.optimizer == "psgld":
        v = np.full(g.shape[1:], float(k["initial_accumulator"]))
        for t, x in enumerate(g):
            v = k["decay"] * v + (1 - k["decay"]) * x * x
            metric[t] = 1 / (np.sqrt(v + k["eps"]) if k["eps_in_sqrt"] else np.sqrt(v) + k["eps"])
    moved = np.diff(at, axis=0)
    drift = -k["drift"] * h * metric * g
    deviation = np.sqrt(2 * k["drift"] * h * k["temperature"] * metric) + 1e-300
    return LangevinStep(moved, drift, metric, h, deviation)


def explain(claim: Claimed, steps: Sequence[LangevinStep]) -> str:
    """Return what drift and noise are, where they are not what is claimed."""
    ratio = drift_ratio(steps)
    words = []
    if ratio != 1.0:
        k = float(f"{ratio * claim.keywords['drift']:.2g}")
        by = f" ({CONVENTIONS[k]})" if k in CONVENTIONS else ""
        words.append(f"the drift is {k:g} h g{by}, not {claim.keywords['drift']:g} h g")
    noise = [s.beside(ratio) for s in steps]
    quiet = _quiet(noise, steps)
    if 0 < quiet < len(noise[0]):
        words.append(f"no noise is drawn in the first {quiet} steps")
        noise = [x[quiet:] for x in noise]
        steps = [s.after(quiet) for s in steps]
    for said, law in _laws(claim.keywords):
        if _obeys(noise, [law(s) for s in steps]):
            words += [said] if said else []
            break
    return "; ".join(words)


def _quiet(noise: Sequence[Any], steps: Sequence[LangevinStep]) -> int:
    """Return how many steps pass before any noise is drawn; rounding of float32 is none."""
    silent = [
        (np.abs(x) < 1e-3 * s.deviation).reshape(len(x), -1).all(axis=1)
        for x, s in zip(noise, steps, strict=True)
    ]
    return int(np.argmin(np.append(np.all(silent, axis=0), False)))


def _obeys(noise: Sequence[Any], deviations: Sequence[Any]) -> bool:
    """Return whether the noise is normal with these deviations."""
    if all(not np.any(d) for d in deviations):
        return all(np.abs(x).max() < 1e-9 for x in noise)
    z = np.concatenate(
        [
            (x / np.broadcast_to(d, x.shape)).reshape(-1)
            for x, d in zip(noise, deviations, strict=True)
        ]
    )
    # Half of the steps have the lower rate, where a law with another power of it is apart.
    return bool(kolmogorov(z)[1] > LEVEL and chi_square(float(z @ z), z.size) > LEVEL)


def _laws(k: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[LangevinStep], Any]]]:
    """Yield words and a standard deviation; the one due first, without words."""
    heat = k["temperature"]
    half, whole = (f"({CONVENTIONS[drift]})" for drift in (0.5, 1.0))
    factors = {
        "": 2 * k["drift"],
        f"the variance of the noise is h T, as beside a drift of h g / 2 {half}": 1.0,
        f"the variance of the noise is 2 h T, as beside a drift of h g {whole}": 2.0,
        "the variance of the noise is h T / 2": 0.5,
        "the variance of the noise is 4 h T": 4.0,
    }
    powers = {
        "": 0.5,
        "the noise is multiplied by the whole preconditioner, not by its root": 1.0,
        "the noise is not preconditioned": 0.0,
    }
    for said, c in factors.items():
        for also, power in powers.items():
            yield "; ".join(x for x in (said, also) if x), _law(c * heat, 0.5, power)
    for said, c in factors.items():
        more = f"; {said}" if said else ""
        yield (
            "the variance of the noise is used as its standard deviation",
            _law((c * heat) ** 2, 1),
        )
        first = "the noise does not follow the rate: it keeps that of the first step"
        yield first + more, _at_first(c * heat)
        again = "the noise is added to the gradient, and so multiplied by the rate once more"
        yield again + more, _law(c * heat, 1.5, 1.5)
        yield (
            f"the variance of the noise is used as its standard deviation; {again}",
            _law((c * heat) ** 2, 2, 2),
        )
        root = "the standard deviation of the noise is multiplied by T, not by its root"
        yield root, _law(c * heat**2, 0.5)
    yield "the noise is not multiplied by the rate", _law(1.0, 0.0)
    yield "no noise is drawn", _law(0.0, 0.0)


def _law(variance: float, rate: float, metric: float = 0.5) -> Callable[[LangevinStep], Any]:
    """Return ``step -> sqrt(variance) h**rate G**metric``."""
    return lambda s: variance**0.5 * s.rates**rate * s.metric**metric


def _at_first(variance: float) -> Callable[[LangevinStep], Any]:
    """Return the law of the first rate."""
    return lambda s: (variance * s.rates[:1] * s.metric) ** 0.5
