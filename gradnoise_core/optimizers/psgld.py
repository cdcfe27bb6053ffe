"""Preconditioned stochastic gradient Langevin dynamics."""

from typing import Any

from gradnoise_core import _check
from gradnoise_core._base import GradientTransformation
from gradnoise_core._elementwise import Noise, Operands, elementwise
from gradnoise_core._scalars import rate_at
from gradnoise_core.optimizers._dialects import resolve
from gradnoise_core.optimizers.rmsprop import RmsState
from gradnoise_core.typing import Array, Namespace, Rate, Seed

__all__ = ["psgld"]


def psgld(
    learning_rate: Rate,
    *,
    dialect: str = "paper",
    decay: float | None = None,
    eps: float | None = None,
    eps_in_sqrt: bool | None = None,
    initial_accumulator: float | None = None,
    drift: float | None = None,
    temperature: float | None = None,
    seed: Seed = 0,
) -> GradientTransformation:
    """Langevin dynamics preconditioned by RMSProp.

    ``v <- alpha v + (1 - alpha) g**2``, ``G = 1 / (eps + sqrt(v))``,
    ``p <- p - k h_t G g + N(0, 2 k h_t T G)``. The paper's curvature term Gamma is left out, as
    the paper does in its experiments (section 4.2).

    Parameters
    ----------
    learning_rate : float, sequence of R floats, or schedule
        h >= 0, the paper's epsilon_t.
    dialect : str
        "paper".
    decay : float, optional
        alpha in [0, 1); 0.99 by default.
    eps : float, optional
        The paper's lambda > 0; 1e-5 by default.
    eps_in_sqrt : bool, optional
        Whether ``G = 1 / sqrt(v + eps)`` (TensorFlow Probability).
    initial_accumulator : float, optional
        The first v: 0, or 1 (TensorFlow Probability).
    drift : float, optional
        k > 0; 1/2 by default.
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
    Li, Chen, Carlson & Carin, Preconditioned stochastic gradient Langevin dynamics for deep
    neural networks (2016), algorithm 1.
    """
    k = resolve(
        "psgld",
        dialect,
        {
            "decay": decay,
            "eps": eps,
            "eps_in_sqrt": eps_in_sqrt,
            "initial_accumulator": initial_accumulator,
            "drift": drift,
            "temperature": temperature,
        },
    )
    _check.rate("learning_rate", learning_rate)
    _check.fraction("decay", k["decay"])
    _check.positive("eps", k["eps"])
    _check.positive("drift", k["drift"])
    _check.finite_at_least("temperature", k["temperature"], 0.0, several=False)
    _check.finite_at_least("initial_accumulator", k["initial_accumulator"], 0.0, several=False)

    def coefficients(t: Any) -> tuple[Any, ...]:
        step = k["drift"] * rate_at(learning_rate, t, "learning_rate")
        return step, (2 * k["temperature"] * step) ** 0.5

    def kernel(
        xp: Namespace, x: Operands, step: Any, sigma: Any
    ) -> tuple[Array, tuple[Array, ...]]:
        v = k["decay"] * x.slots[0] + (1 - k["decay"]) * (x.g * x.g)
        root = xp.sqrt(v + k["eps"]) if k["eps_in_sqrt"] else k["eps"] + xp.sqrt(v)
        return sigma * x.z / xp.sqrt(root) - step * x.g / root, (v,)

    return elementwise(
        RmsState,
        kernel,
        slots=(k["initial_accumulator"],),
        coefficients=coefficients,
        noise=Noise(seed, "psgld"),
        scale=1,
    )
