"""The initializer of the published language models: uniform, biases and embeddings included."""

import functools
from typing import Any

import numpy as np

from gradnoise_core import _check
from gradnoise_core.backend import backend_for
from gradnoise_core.random import leaf_key, words
from gradnoise_core.typing import Array, Device, Namespace, Seed, Shape
from gradnoise_reference_models.initializers import Initializer

__all__ = ["uniform"]


def uniform(bound: float = 0.1) -> Initializer:
    """Return the initializer ``w ~ U(-a, a)``: ``a k / 2**31`` for the signed 32-bit word k.

    Parameters
    ----------
    bound : float
        a >= 0.

    Returns
    -------
    Initializer

    Raises
    ------
    ValueError
        If `bound` is negative or not finite.

    Examples
    --------
    >>> bool(abs(uniform(bound=0.1)(0, "embedding/weight", (100, 20))).max() <= 0.1)
    True
    """
    _check.finite_at_least("bound", bound, 0.0, "It is the largest magnitude of a weight.")
    return functools.partial(_uniform, float(bound))


def _uniform(
    bound: float,
    seed: Seed,
    path: str,
    shape: Shape,
    *,
    xp: Namespace | None = None,
    dtype: Any = None,
    device: Device | None = None,
) -> Array:
    namespace = backend_for(np if xp is None else xp).namespace
    dtype = namespace.float32 if dtype is None else dtype
    if not namespace.isdtype(dtype, "real floating"):
        message = f"`dtype` must be a real floating dtype, got {dtype} at {path!r}. Try float32."
        raise ValueError(message)
    word = words(leaf_key(seed, path, 0, domain="init"), shape, xp=namespace, device=device)
    # 16-bit weights are scaled in float32 and rounded once.
    wide = namespace.float64 if dtype == namespace.float64 else namespace.float32
    w = namespace.astype(word, wide) * (bound * 2.0**-31)
    return namespace.astype(w, dtype, copy=False)
