"""Stochastic gradient Langevin dynamics."""

from typing import Any

from gradnoise_core import _check
from gradnoise_core._base import GradientTransformation
from gradnoise_core._elementwise import Noise, Operands, elementwise
from gradnoise_core._scalars import rate_at
from gradnoise_core.optimizers._dialects import resolve
from gradnoise_core.optimizers._links import CountState
from gradnoise_core.typing import Array, Namespace, Rate, Seed

__all__ = ["sgld"]


def sgld(
    learning_rate: Rate,
    *,
    dialect: str = "paper",
    drift: float | None = None,
    temperature: float | None = None,
    seed: Seed = 0,
) -> GradientTransformation:
    """Stochastic gradient Langevin dynamics.

    ``p <- p - k h_t g + N(0, 2 k h_t T)``, where g is the gradient of the negative log posterior
    of all data and k is `drift`.

    Parameters
    ----------
    learning_rate : float, sequence of R floats, or schedule
        h >= 0, the paper's epsilon_t.
    dialect : str
        "paper" or "mxnet": both k = 1/2.
    drift : float, optional
        k > 0: 1/2 in the paper and in MXNet, 1 in blackjax and torch-sgld; so MXNet's h is twice
        theirs.
    temperature : float, optional
        T >= 0; 1 by default.
    seed : int or sequence of int
        In [0, 2**64); R of them for a leading replica axis.

    Returns
    -------
    GradientTransformation

    Raises
    ------
    ValueError
        If a number is out of range, or the dialect unknown.

    References
    ----------
    Welling & Teh, Bayesian learning via stochastic gradient Langevin dynamics (2011), equation 4.
    """
    k = resolve("sgld", dialect, {"drift": drift, "temperature": temperature})
    _check.rate("learning_rate", learning_rate)
    _check.positive("drift", k["drift"])
    _check.finite_at_least("temperature", k["temperature"], 0.0, several=False)

    def coefficients(t: Any) -> tuple[Any, ...]:
        step = k["drift"] * rate_at(learning_rate, t, "learning_rate")
        return step, (2 * k["temperature"] * step) ** 0.5

    def kernel(
        xp: Namespace, x: Operands, step: Any, sigma: Any
    ) -> tuple[Array, tuple[Array, ...]]:
        return sigma * x.z - step * x.g, ()

    return elementwise(
        CountState, kernel, coefficients=coefficients, noise=Noise(seed, "sgld"), scale=1
    )
