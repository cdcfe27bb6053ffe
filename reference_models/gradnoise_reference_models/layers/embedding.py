"""A table of vectors, one a word: ``y = E[id]``."""

from typing import Any

from gradnoise_core.backend import backend_of
from gradnoise_core.typing import Array, Device, Namespace, Seed
from gradnoise_reference_models.initializers import Initializer

__all__ = ["backward", "forward", "init"]


def init(
    initializer: Initializer,
    seed: Seed,
    count: int,
    size: int,
    *,
    path: str,
    xp: Namespace | None = None,
    dtype: Any = None,
    device: Device | None = None,
) -> dict[str, Array]:
    """Return ``{"weight": E}``.

    Parameters
    ----------
    initializer : Initializer
    seed : int or sequence of int
        In [0, 2**64); R of them for a leading replica axis.
    count : int
        V, the number of words.
    size : int
        n, of a vector.
    path : str
        The layer's path in the tree of parameters, as in ``embedding``.
    xp, dtype, device
        As in `Initializer`.

    Returns
    -------
    dict of arrays
        E ``(*R, V, n)``.
    """
    shape = (count, size)
    return {"weight": initializer(seed, f"{path}/weight", shape, xp=xp, dtype=dtype, device=device)}


def forward(
    params: dict[str, Array], ids: Array, *, xp: Namespace | None = None
) -> tuple[Array, Array]:
    """Return ``y = E[id]`` and the ids, the residual.

    Parameters
    ----------
    params : dict of arrays
        E ``(*R, V, n)``.
    ids : integer array
        ``(*R, N)``, or ``(N,)`` for words that all replicas see, in [0, V).
    xp : module, optional
        The array namespace of the parameters.

    Returns
    -------
    y : array
        ``(*R, N, n)``. NaN where an id is outside [0, V), on every library: none waits for a
        device to find it, and no replica reads another's row.
    residuals : array

    Raises
    ------
    TypeError
        If the ids are not integers.

    Examples
    --------
    >>> import numpy as np
    >>> table = {"weight": np.asarray([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])}
    >>> forward(table, np.asarray([2, 0]))[0]
    array([[4., 5.],
           [0., 1.]])
    """
    weight = params["weight"]
    backend = backend_of(weight)
    xp = backend.namespace if xp is None else xp
    if not xp.isdtype(ids.dtype, "integral"):
        message = f"`ids` must be integers, got dtype {ids.dtype}."
        raise TypeError(message)
    *lead, count, size = weight.shape
    known = (ids >= 0) & (ids < count)
    rows = xp.where(known, ids, 0)
    if lead:
        first = xp.arange(lead[0], dtype=ids.dtype, device=backend.device(ids)) * count
        rows = rows + first[:, None]
    table = xp.reshape(weight, (-1, size))
    y = xp.reshape(xp.take(table, xp.reshape(rows, (-1,)), axis=0), (*rows.shape, size))
    return xp.where(known[..., None], y, xp.nan), ids


def backward(
    params: dict[str, Array], residuals: Array, dy: Array, *, xp: Namespace | None = None
) -> tuple[dict[str, Array], None]:
    """Return ``dE[v] = sum over id = v of dy``, and None: words have no gradient.

    Parameters
    ----------
    params : dict of arrays
        As for `forward`.
    residuals : array
        As `forward` returned them.
    dy : array
        ``(*R, N, n)``.
    xp : module, optional
        The array namespace of `dy`.

    Returns
    -------
    dparams : dict of arrays
        Of the shapes of `params`; zero rows of words that do not occur.
    dx : None

    Notes
    -----
    The sum is the backend's `segment_sum`. On a GPU its order, and so its last bit, is not fixed,
    unless the library is told so (``torch.use_deterministic_algorithms``).
    """
    backend = backend_of(dy)
    xp = backend.namespace if xp is None else xp
    count = params["weight"].shape[-2]
    ids = xp.broadcast_to(residuals, dy.shape[:-1])
    known = (ids >= 0) & (ids < count)
    return {"weight": backend.segment_sum(dy, xp.where(known, ids, 0), count)}, None
