"""Initial weights, drawn from the noise stream: the same bits on every array library."""

import functools
import math
from typing import Any, Protocol

import numpy as np

from gradnoise_core import _check
from gradnoise_core.backend import backend_for
from gradnoise_core.random import leaf_key, standard_normal
from gradnoise_core.typing import Array, Device, Namespace, Seed, Shape

__all__ = ["INITIALIZERS", "Initializer", "gaussian", "he_normal", "random_walk", "zeros"]


class Initializer(Protocol):
    """What makes the initial value of one leaf.

    Parameters
    ----------
    seed : int or sequence of int
        In [0, 2**64). R seeds give a leading replica axis; replica r is, to the bit, what a solo
        run with seed r gets.
    path : str
        The leaf's path in the tree of parameters, as in ``layers/0/weight``.
    shape : tuple of int
        Without the replica axis. A weight is ``(fan_in, fan_out)``.
    xp : module, optional
        The array namespace; NumPy by default.
    dtype : optional
        A real floating dtype of `xp`; float32 by default.
    device : optional
        Where the array lies; the namespace's default device by default.

    Returns
    -------
    array of `shape`, or of ``(R, *shape)``

    Raises
    ------
    ValueError
        If `dtype` is not a real floating one, a seed is outside [0, 2**64), or a weight whose
        scale depends on fan_in has fewer than two axes or none to come in.
    """

    def __call__(
        self,
        seed: Seed,
        path: str,
        shape: Shape,
        *,
        xp: Namespace | None = None,
        dtype: Any = None,
        device: Device | None = None,
    ) -> Array:
        """Return the initial value of the leaf at `path`."""
        ...


def zeros() -> Initializer:
    """Return the initializer ``w = 0``; of biases always, of weights in the zero-init experiment.

    Returns
    -------
    Initializer

    Examples
    --------
    >>> zeros()(0, "layers/0/bias", (2,))
    array([0., 0.], dtype=float32)
    """
    return _zeros


def gaussian(std: float = 0.1) -> Initializer:
    """Return the initializer ``w ~ N(0, std**2)``; with std 0.1, the paper's Simple Init.

    Parameters
    ----------
    std : float
        The standard deviation, >= 0.

    Returns
    -------
    Initializer

    Raises
    ------
    ValueError
        If `std` is negative or not finite.

    References
    ----------
    Neelakantan et al., Adding gradient noise improves learning for very deep networks (2017),
    section 4.1.

    Examples
    --------
    >>> gaussian(std=0.1)(0, "layers/0/weight", (1, 2)).shape
    (1, 2)
    """
    _check.finite_at_least("std", std, 0.0, "It is a standard deviation, not a variance.")
    return functools.partial(_normal, lambda shape, path: float(std))


def he_normal() -> Initializer:
    """Return the initializer ``w ~ N(0, 2 / fan_in)`` for layers of ReLU.

    Returns
    -------
    Initializer

    References
    ----------
    He et al., Delving deep into rectifiers (2015), equation 10.
    """
    return functools.partial(_normal, lambda shape, path: math.sqrt(2.0 / _fan_in(shape, path)))


def random_walk() -> Initializer:
    """Return ``w ~ N(0, g**2 / fan_in)`` with ``g = sqrt(2) exp(1.2 / (max(fan_in, 6) - 2.4))``.

    With this g the logarithm of the norm of a gradient that goes back through many layers of
    ReLU is a random walk without drift; with ``g = sqrt(2)`` (`he_normal`) it falls by about
    ``1.25 / fan_in`` a layer, because the logarithm is concave.

    Returns
    -------
    Initializer

    References
    ----------
    Sussillo & Abbott, Random walk initialization for training very deep feedforward networks
    (2014), section 3.
    """
    return functools.partial(_normal, _random_walk_std)


def _zeros(
    seed: Seed,
    path: str,
    shape: Shape,
    *,
    xp: Namespace | None = None,
    dtype: Any = None,
    device: Device | None = None,
) -> Array:
    namespace = _namespace(xp)
    seeds = _check.seeds(seed)
    lead = () if isinstance(seeds, int) else (len(seeds),)
    dtype = _floating(namespace, dtype, path)
    return namespace.zeros((*lead, *shape), dtype=dtype, device=device)


def _normal(
    std: Any,
    seed: Seed,
    path: str,
    shape: Shape,
    *,
    xp: Namespace | None = None,
    dtype: Any = None,
    device: Device | None = None,
) -> Array:
    namespace = _namespace(xp)
    dtype = _floating(namespace, dtype, path)
    key = leaf_key(seed, path, 0, domain="init")
    # 16-bit weights are scaled in float32 and rounded once.
    wide = namespace.float64 if dtype == namespace.float64 else namespace.float32
    z = standard_normal(key, shape, xp=namespace, dtype=wide, device=device)
    return namespace.astype(std(shape, path) * z, dtype, copy=False)


def _random_walk_std(shape: Shape, path: str) -> float:
    fan_in = _fan_in(shape, path)
    g = math.sqrt(2.0) * math.exp(1.2 / (max(fan_in, 6) - 2.4))
    return g / math.sqrt(fan_in)


def _fan_in(shape: Shape, path: str) -> int:
    if len(shape) < 2 or shape[-2] < 1:
        message = (
            f"`shape` must be (..., fan_in, fan_out) with fan_in >= 1, got {tuple(shape)} at "
            f"{path!r}. Initialize biases with zeros()."
        )
        raise ValueError(message)
    return shape[-2]


def _namespace(xp: Namespace | None) -> Namespace:
    return backend_for(np if xp is None else xp).namespace


def _floating(xp: Namespace, dtype: Any, path: str) -> Any:
    if dtype is None:
        return xp.float32
    if not xp.isdtype(dtype, "real floating"):
        message = f"`dtype` must be a real floating dtype, got {dtype} at {path!r}. Try float32."
        raise ValueError(message)
    return dtype


#: The initializers of weights that experiments choose from, by name.
INITIALIZERS: dict[str, Initializer] = {
    "zero": zeros(),
    "simple": gaussian(std=0.1),
    "he": he_normal(),
    "random-walk": random_walk(),
}
