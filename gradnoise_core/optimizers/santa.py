"""Santa: stochastic annealing thermostats with adaptive momentum."""

from typing import Any, NamedTuple

from gradnoise_core import _check
from gradnoise_core._base import GradientTransformation
from gradnoise_core._dtypes import compute_dtype
from gradnoise_core._elementwise import Noise, Operands, elementwise
from gradnoise_core._scalars import align, rate_at
from gradnoise_core._tree_noise import tree_normals
from gradnoise_core.backend import backend_of
from gradnoise_core.optimizers._dialects import resolve
from gradnoise_core.optimizers._links import at_first
from gradnoise_core.tree import Leaves
from gradnoise_core.typing import Array, Namespace, Rate, Schedule, Seed, Tree

__all__ = ["SantaState", "santa"]


class SantaState(NamedTuple):
    """Second moment v, momentum u and thermostat alpha."""

    count: Any
    second_moment: Tree
    momentum: Tree
    thermostat: Tree


def santa(
    learning_rate: Rate,
    *,
    dialect: str = "paper",
    decay: float | None = None,
    eps: float | None = None,
    friction: float | None = None,
    burn_in: int | None = None,
    data_size: int | None = None,
    scheme: str | None = None,
    inverse_temperature: Schedule = lambda t: (1 + t) ** 0.5,
    seed: Seed = 0,
) -> GradientTransformation:
    r"""Santa, by its Euler or its symmetric splitting scheme.

    ``v <- s v + (1 - s) (g / N)**2`` and ``G = (eps + sqrt(v))**(-1/2)``, with G' the G before.
    Euler: ``a <- a + u**2 - h / b_t``,
    ``u <- (1 - a) u - h G g + h / b_t (1 - G' / G) / u + sqrt(2 h / b_t G') N(0, 1)``,
    ``p <- p + G u``. From step `burn_in` on (refinement) a stays and the last two terms of u are
    left out. At the first step G' is G, since there is none before.

    Parameters
    ----------
    learning_rate : float, sequence of R floats, or schedule
        h > 0, the paper's eta_t.
    dialect : str
        "paper".
    decay : float, optional
        The paper's sigma in [0, 1); 0.99 by default.
    eps : float, optional
        The paper's lambda > 0; 1e-8 by default.
    friction : float, optional
        The paper's C >= 0: the thermostat starts at ``sqrt(h) C``; 1 by default.
    burn_in : int, optional
        Number of steps of exploration; 1,000 by default.
    data_size : int, optional
        The paper's N >= 1; 1 by default, for gradients of a mean.
    scheme : {"euler", "sss"}, optional
        Euler's, or the symmetric splitting, which is more accurate.
    inverse_temperature : callable
        b_t > 0 of t = 0, 1, ...; grows without bound. ``(1 + t)**0.5`` by default.
    seed : int or sequence of int
        In [0, 2**64); R of them for a leading replica axis.

    Returns
    -------
    GradientTransformation

    Raises
    ------
    TypeError
        If `inverse_temperature` is no function.
    ValueError
        If a number is out of range, or the dialect or scheme unknown; at ``update`` if a
        schedule returns a number that is.

    References
    ----------
    Chen, Carlson, Gan, Li & Carin, Bridging the gap between stochastic gradient MCMC and
    stochastic optimization (2016), algorithms 1 and 2.
    """
    k = resolve(
        "santa",
        dialect,
        {
            "decay": decay,
            "eps": eps,
            "friction": friction,
            "burn_in": burn_in,
            "data_size": data_size,
            "scheme": scheme,
        },
    )
    _check_all(learning_rate, k)
    _check.schedule("inverse_temperature", inverse_temperature, "b_t > 0")

    def preconditioner(xp: Namespace, v: Array) -> Array:
        return 1 / xp.sqrt(k["eps"] + xp.sqrt(v))

    def coefficients(t: Any) -> tuple[Any, ...]:
        rate = rate_at(learning_rate, t, "learning_rate")
        exploring = _exploring(t, k["burn_in"])
        b = rate_at(inverse_temperature, t, "inverse_temperature", _positive)
        return rate, rate / b, exploring, at_first(t, 1.0, 0.0)

    def kernel(
        xp: Namespace, x: Operands, rate: Any, heat: Any, exploring: Any, first: Any
    ) -> tuple[Array, tuple[Array, ...]]:
        v, u, a = x.slots
        before = preconditioner(xp, v)
        scaled = x.g / k["data_size"]
        v = k["decay"] * v + (1 - k["decay"]) * (scaled * scaled)
        now = preconditioner(xp, v)
        before = before + first * (now - before)
        # Where u is exactly 0 (a leaf of no thermal motion) its reciprocal has no meaning.
        still = u == 0
        safe = xp.where(still, xp.ones_like(u), u)
        pull = xp.where(still, xp.zeros_like(u), (1 - before / now) / safe)
        kick = exploring * (heat * pull + xp.sqrt(2 * heat * before) * x.z)
        if k["scheme"] == "euler":
            a = a + exploring * (u * u - heat)
            u = (1 - a) * u - rate * now * x.g + kick
            return now * u, (v, u, a)
        half = now * u / 2
        a = a + exploring * (u * u - heat) / 2
        shrink = xp.exp(-a / 2)
        u = shrink * (shrink * u - rate * now * x.g + kick)
        a = a + exploring * (u * u - heat) / 2
        return half + now * u / 2, (v, u, a)

    return elementwise(
        SantaState,
        kernel,
        slots=(0.0, *_starts(learning_rate, k["friction"], seed)),
        coefficients=coefficients,
        noise=Noise(seed, "santa"),
    )


def _check_all(learning_rate: Rate, k: dict[str, Any]) -> None:
    _check.rate("learning_rate", learning_rate)
    _check.fraction("decay", k["decay"])
    _check.positive("eps", k["eps"])
    _check.finite_at_least("friction", k["friction"], 0.0, several=False)
    _check.whole("burn_in", k["burn_in"], "It counts steps: 0 for no exploration.")
    _check.finite_at_least(
        "data_size", k["data_size"], 1.0, "1 where g is of a mean.", several=False
    )
    if k["scheme"] not in ("euler", "sss"):
        message = f'`scheme` must be "euler" or "sss", got {k["scheme"]!r}.'
        raise ValueError(message)


def _positive(name: str, value: Any, remedy: str) -> None:
    _check.positive(name, value, remedy, several=True)


def _exploring(t: Any, burn_in: int) -> Any:
    """Return 1 before step `burn_in` and 0 from it on."""
    return at_first(t // burn_in, 1.0, 0.0) if burn_in else 0.0


def _starts(learning_rate: Rate, friction: float, seed: Seed) -> tuple[Any, Any]:
    """Return how the momentum ``sqrt(h) N(0, 1)`` and the thermostat ``sqrt(h) C`` start."""
    seeds = _check.seeds(seed)

    def scale(leaf: Array) -> Any:
        rate = rate_at(learning_rate, 0, "learning_rate")
        xp = backend_of(leaf).namespace
        return xp.ones_like(leaf, dtype=compute_dtype(leaf, xp)) * align(rate, leaf)

    def momentum(tree: Leaves) -> list[Array]:
        normals = tree_normals(tree, seeds, 0, "santa-momentum")
        return [
            backend_of(x).namespace.sqrt(scale(x)) * z
            for x, z in zip(tree.leaves, normals, strict=True)
        ]

    def thermostat(tree: Leaves) -> list[Array]:
        return [backend_of(x).namespace.sqrt(scale(x)) * friction for x in tree.leaves]

    return momentum, thermostat
