"""Wrong samplers: Langevin dynamics with a slip in the drift or in the noise."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import gradnoise_core as gn
from gradnoise_core.optimizers import keywords
from gradnoise_core.oracle.mutants._catalogue import Mutant

__all__ = ["LANGEVIN_MUTANTS", "Langevin"]

#: ``(generator, shape, step) -> numbers`` that stand for standard normals.
Draw = Callable[[np.random.Generator, tuple[int, ...], int], Any]

_RATE, _SMALL_RATE = 0.05, 1e-4


def _normals(generator: np.random.Generator, shape: tuple[int, ...], t: int) -> Any:
    return generator.standard_normal(shape)


class Langevin:
    """``p - drift h G g + deviation(h, k, G) z``, with a generator of its own.

    Parameters
    ----------
    seed : int
    k : mapping
        The keywords of `sgld` or `psgld`.
    drift : float, optional
        In place of the one of `k`.
    deviation : callable, optional
        ``(h, k, G) -> standard deviation``.
    metric : callable, optional
        ``(v, k) -> G``.
    draw : callable, optional
        Of the normals.
    silent : int
        How many steps have no noise.
    """

    def __init__(
        self,
        seed: int,
        k: Mapping[str, Any],
        *,
        drift: float | None = None,
        deviation: Callable[[Any, Mapping[str, Any], Any], Any] | None = None,
        metric: Callable[[Any, Mapping[str, Any]], Any] | None = None,
        draw: Draw = _normals,
        silent: int = 0,
    ) -> None:
        self.k, self.draw, self.silent, self.t = k, draw, silent, -1
        self.drift = k["drift"] if drift is None else drift
        self.deviation = deviation or _due
        self.metric = metric or _metric
        self.generator = np.random.default_rng(seed)
        self.v: dict[str, Any] = {}
        self.first: float | None = None

    def __call__(
        self, params: Mapping[str, Any], grads: Mapping[str, Any], rate: float
    ) -> dict[str, Any]:
        """Return the new parameters."""
        self.t += 1
        return {name: self.leaf(name, p, grads[name], rate) for name, p in params.items()}

    def leaf(self, name: str, p: Any, g: Any, h: float) -> Any:
        """Return one leaf after the step."""
        z = self.draw(self.generator, p.shape, self.t)
        metric = np.ones_like(p)
        if "decay" in self.k:
            rho = self.k["decay"]
            v = rho * self.v.get(name, self.k["initial_accumulator"]) + (1 - rho) * g * g
            self.v[name] = v
            metric = self.metric(v, self.k)
        noise = self.deviation(h, self.k, metric) * z * (self.t >= self.silent)
        return p - self.drift * h * metric * g + noise


def _due(h: Any, k: Mapping[str, Any], metric: Any) -> Any:
    return np.sqrt(2 * k["drift"] * h * k["temperature"] * metric)


def _metric(v: Any, k: Mapping[str, Any]) -> Any:
    return 1 / (np.sqrt(v) + k["eps"])


def _every_leaf_alike(generator: np.random.Generator, shape: tuple[int, ...], t: int) -> Any:
    return np.random.default_rng(t).standard_normal(shape)


def _every_step_alike(generator: np.random.Generator, shape: tuple[int, ...], t: int) -> Any:
    return np.random.default_rng(int(np.prod(shape))).standard_normal(shape)


def _one_a_row(generator: np.random.Generator, shape: tuple[int, ...], t: int) -> Any:
    return np.broadcast_to(generator.standard_normal((*shape[:-1], 1)), shape)


def _uniform(generator: np.random.Generator, shape: tuple[int, ...], t: int) -> Any:
    return np.sqrt(12) * (generator.random(shape) - 0.5)


def _truncated(generator: np.random.Generator, shape: tuple[int, ...], t: int) -> Any:
    z = generator.standard_normal(shape)
    while np.any(far := np.abs(z) > 2):
        z = np.where(far, generator.standard_normal(shape), z)
    return z


def _absolute(generator: np.random.Generator, shape: tuple[int, ...], t: int) -> Any:
    return np.abs(generator.standard_normal(shape))


def _law(factor: float, power: float = 0.5) -> Callable[[Any, Mapping[str, Any], Any], Any]:
    return lambda h, k, metric: np.sqrt(factor * h * k["temperature"]) * metric**power


def _as_deviation(h: Any, k: Mapping[str, Any], metric: Any) -> Any:
    return 2 * k["drift"] * h * k["temperature"] * np.sqrt(metric)


def _in_gradient(h: Any, k: Mapping[str, Any], metric: Any) -> Any:
    return h * metric * _due(h, k, metric)


def _as_deviation_in_gradient(h: Any, k: Mapping[str, Any], metric: Any) -> Any:
    return h * metric * 2 * k["drift"] * h * k["temperature"] * metric


def _first_rate(h: Any, k: Mapping[str, Any], metric: Any) -> Any:
    return np.sqrt(2 * k["drift"] * _RATE * k["temperature"] * metric)


def _temperature_as_deviation(h: Any, k: Mapping[str, Any], metric: Any) -> Any:
    return np.sqrt(2 * k["drift"] * h * metric) * k["temperature"]


def _without_rate(h: Any, k: Mapping[str, Any], metric: Any) -> Any:
    return np.sqrt(metric)


def _mutant(
    name: str,
    wrong: str,
    source: str,
    diagnosis: str,
    *,
    optimizer: str = "sgld",
    claims: Mapping[str, Any] | None = None,
    **slip: Any,
) -> Mutant:
    claims = claims or {}
    k = {**keywords(optimizer), **claims}

    def make(seed: int) -> Callable[[], Any]:
        return functools.partial(Langevin, seed, k, **slip)

    return Mutant(
        name=name,
        kind="optimizer",
        make=make,
        check="check_optimizer",
        arguments={"optimizer": optimizer, "learning_rate": _RATE, **claims},
        wrong=wrong,
        source=source,
        diagnosis=diagnosis,
    )


def _santa(name: str, wrong: str, source: str, **slip: Any) -> Mutant:
    def rate(t: Any) -> Any:
        return _SMALL_RATE / (1 + t // 50)

    return Mutant(
        name=name,
        kind="optimizer",
        make=lambda seed: gn.santa(rate, seed=seed, **{"friction": 20.0, **slip}),
        check="check_optimizer",
        arguments={"optimizer": "santa", "learning_rate": rate, "friction": 20.0},
        wrong=wrong,
        source=source,
        diagnosis="the law of the",
    )


_TORCH_SGLD = {"drift": 1.0}

#: Every wrong sampler.
LANGEVIN_MUTANTS: tuple[Mutant, ...] = (
    _mutant(
        "sgld-variance-as-deviation",
        "the variance of the noise is used as its standard deviation",
        "henripal/sgld#1, csgmcmc#1, blei-lab/edward#722",
        "the variance of the noise is used as its standard deviation",
        deviation=_as_deviation,
    ),
    _mutant(
        "sgld-noise-of-twice-the-rate",
        "the noise is that of a drift of h g, beside a drift of h g / 2",
        "MXNet's and torch-sgld's conventions mixed (understandingbdl#24, devinterp#90)",
        "the variance of the noise is 2 h T",
        deviation=_law(2.0),
    ),
    _mutant(
        "sgld-noise-of-half-the-rate",
        "the noise is that of a drift of h g / 2, beside a drift of h g",
        "torch-sgld's and MXNet's conventions mixed",
        "the variance of the noise is h T",
        claims=_TORCH_SGLD,
        deviation=_law(1.0),
    ),
    _mutant(
        "sgld-drift-of-twice-the-rate",
        "the drift is h g, beside the noise of h g / 2",
        "torch-sgld's and MXNet's conventions mixed",
        "the drift is 1 h g (torch-sgld, blackjax), not 0.5 h g",
        drift=1.0,
    ),
    _mutant(
        "sgld-drift-halved",
        "the drift is h g / 2, beside the noise of h g",
        "MXNet's and torch-sgld's conventions mixed",
        "the drift is 0.5 h g (Welling & Teh, MXNet), not 1 h g",
        claims=_TORCH_SGLD,
        drift=0.5,
    ),
    _mutant(
        "sgld-ascent",
        "the drift has the wrong sign, as for the log posterior itself",
        "blackjax takes the gradient of the log density, MXNet of its negative",
        "the drift is -0.5 h g",
        drift=-0.5,
    ),
    _mutant(
        "sgld-noise-at-first-rate",
        "the noise does not follow the rate",
        "likely slip: the standard deviation computed once",
        "it keeps that of the first step",
        deviation=_first_rate,
    ),
    _mutant(
        "sgld-noise-without-rate",
        "the noise is not multiplied by the rate's root",
        "likely slip: noise added after the step",
        "the noise is not multiplied by the rate",
        deviation=_without_rate,
    ),
    _mutant(
        "sgld-noise-in-gradient",
        "the noise is added to the gradient, which the step multiplies by the rate",
        "likely slip: SGLD by way of an optimizer's gradients",
        "added to the gradient, and so multiplied by the rate once more",
        deviation=_in_gradient,
    ),
    _mutant(
        "sgld-variance-as-deviation-in-gradient",
        "the variance of the noise is used as the standard deviation of noise on the gradient",
        "csgmcmc#1",
        "is used as its standard deviation; the noise is added to the gradient",
        claims=_TORCH_SGLD,
        deviation=_as_deviation_in_gradient,
    ),
    _mutant(
        "psgld-noise-in-gradient",
        "the noise is added to the gradient, which the step multiplies by rate and preconditioner",
        "likely slip: SGLD by way of an optimizer's gradients",
        "added to the gradient, and so multiplied by the rate once more",
        optimizer="psgld",
        deviation=_in_gradient,
    ),
    _mutant(
        "psgld-silent-at-first",
        "no noise is drawn in the first steps",
        "tfp.optimizer.StochasticGradientLangevinDynamics(burnin=25)",
        "no noise is drawn in the first 26 steps",
        optimizer="psgld",
        silent=26,
    ),
    _mutant(
        "sgld-temperature-as-deviation",
        "the standard deviation is multiplied by T, not by its root",
        "likely slip",
        "multiplied by T, not by its root",
        claims={"temperature": 0.25},
        deviation=_temperature_as_deviation,
    ),
    _mutant(
        "sgld-no-noise",
        "no noise reaches the parameters",
        "tensorflow/models neural_gpu.py rebinds the loop's name",
        "no noise is drawn",
        deviation=lambda h, k, metric: 0.0,
    ),
    _mutant(
        "sgld-same-noise-on-leaves",
        "every leaf gets the same noise",
        "jax PR#3646: a key used for every leaf",
        "they are drawn with one key or seed",
        draw=_every_leaf_alike,
    ),
    _mutant(
        "sgld-same-noise-every-step",
        "every step gets the same noise",
        "likely slip: a key that is never split",
        "the same noise is drawn at several steps",
        draw=_every_step_alike,
    ),
    _mutant(
        "sgld-noise-broadcast",
        "one number serves a whole row",
        "likely slip: noise of the wrong shape, broadcast",
        "it is drawn once and broadcast",
        draw=_one_a_row,
    ),
    _mutant(
        "sgld-uniform",
        "the noise is uniform, of the right variance",
        "passes optax's test of its noise",
        "the noise is normal",
        draw=_uniform,
    ),
    _mutant(
        "sgld-truncated",
        "the noise is truncated at two standard deviations",
        "tensor2tensor, TF contrib optimize_loss",
        "the noise has the variance claimed",
        draw=_truncated,
    ),
    _mutant(
        "sgld-one-sided",
        "the noise is positive",
        "likely slip: the absolute value of a Box-Muller pair",
        "the noise has mean 0",
        draw=_absolute,
    ),
    _mutant(
        "psgld-noise-by-whole-preconditioner",
        "the noise is multiplied by G, not by its root",
        "likely slip; Li et al. write N(0, h G)",
        "the whole preconditioner, not by its root",
        optimizer="psgld",
        deviation=_law(1.0, 1.0),
    ),
    _mutant(
        "psgld-noise-not-preconditioned",
        "the noise is that of SGLD",
        "likely slip: SGLD's noise behind RMSProp",
        "the noise is not preconditioned",
        optimizer="psgld",
        deviation=_law(1.0, 0.0),
    ),
    _mutant(
        "psgld-no-root",
        "the root of the mean of squares is forgotten",
        "likely slip",
        "the noise",
        optimizer="psgld",
        metric=lambda v, k: 1 / (v + k["eps"]),
    ),
    _mutant(
        "psgld-eps-inside",
        "eps stands inside the root",
        "TensorFlow Probability where Li et al. are claimed",
        "the noise",
        optimizer="psgld",
        metric=lambda v, k: 1 / np.sqrt(v + k["eps"]),
    ),
    _santa(
        "santa-not-annealed",
        "the temperature stays where it was",
        "likely slip: b_t never reaches the noise",
        inverse_temperature=lambda t: 1.0,
    ),
    _santa(
        "santa-no-friction",
        "the thermostat starts at 0",
        "likely slip: the paper's C left out",
        friction=0.0,
    ),
    _santa(
        "santa-never-explores",
        "it refines from the first step on: no noise is added",
        "likely slip: burn_in compared the wrong way round",
        burn_in=0,
    ),
)
