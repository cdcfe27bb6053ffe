"""Sentences as vectors: bags of words, positions of words, and times, in matrix products only.

A sentence of words x_1, x_2... said at time t is ``sum_j l_j * E[x_j] + l_T * T[t]``, where E is an
embedding, T an embedding of times, and ``*`` is elementwise (Sukhbaatar et al., End-to-end memory
networks, 2015, section 4.1). The weights of all kinds have ``l_ja = a_j + f_j g_a``, so that with
the *bag* of a sentence

``s = [sum_j a_j [x_j = v], sum_j f_j [x_j = v], [t = 1..M]]``

the vector is ``s F``, with ``F = [E, E * g, T * l_T]`` one above the other: the *stack* of E. Bags
are data; only stacks are learned. So there is neither a gather nor a scatter, and who needs no
vector of a sentence, but only its product with something, can multiply that by F first.
"""

from typing import Any

from gradnoise_core.backend import backend_of
from gradnoise_core.typing import Array, Device, Namespace, Seed
from gradnoise_reference_models.initializers import Initializer
from gradnoise_reference_models.layers._sentence_bags import (
    KINDS,
    TIMES,
    Encoding,
    column_weight,
    time_bags,
    time_weight,
    word_bags,
)

__all__ = [
    "KINDS",
    "TIMES",
    "Encoding",
    "backward",
    "forward",
    "init",
    "stack",
    "time_bags",
    "unstack",
    "without_null",
    "word_bags",
]


def init(
    initializer: Initializer,
    seed: Seed,
    size: int,
    *,
    encoding: Encoding,
    path: str,
    times: bool = True,
    xp: Namespace | None = None,
    dtype: Any = None,
    device: Device | None = None,
) -> dict[str, Array]:
    """Return ``{"embedding": E}``, that of null zero, and ``"times": T`` where it is a matrix.

    Parameters
    ----------
    initializer : Initializer
    seed : int or sequence of int
        In [0, 2**64); R of them for a leading replica axis.
    size : int
        d, of a vector.
    encoding : Encoding
    path : str
        The layer's path in the tree of parameters.
    times : bool
        Whether the sentences have times; questions have none.
    xp, dtype, device
        As in `Initializer`.

    Returns
    -------
    dict of arrays
        E ``(*R, rows, d)`` and T ``(*R, M, d)``.
    """
    place = {"xp": xp, "dtype": dtype, "device": device}
    embedding = initializer(seed, f"{path}/embedding", (encoding.rows, size), **place)
    params = {"embedding": without_null(embedding)}
    if times and encoding.times == "matrix":
        params["times"] = initializer(seed, f"{path}/times", (encoding.memory, size), **place)
    return params


def forward(
    params: dict[str, Array], bags: Array, *, encoding: Encoding, xp: Namespace | None = None
) -> tuple[Array, Array]:
    """Return the vectors ``y = s F`` of sentences, and s, the residual.

    Parameters
    ----------
    params : dict of arrays
        As `init` returns it.
    bags : array
        s, of shape ``(*R, N, bag)``, or without R; of `bag_words` elements where the parameters
        have no times.
    encoding : Encoding
    xp : module, optional
        The array namespace of the parameters.

    Returns
    -------
    y : array
        ``(*R, N, d)``.
    residuals : array
    """
    return bags @ stack(params, encoding=encoding, xp=xp), bags


def backward(
    params: dict[str, Array],
    residuals: Array,
    dy: Array,
    *,
    encoding: Encoding,
    xp: Namespace | None = None,
) -> tuple[dict[str, Array], None]:
    """Return ``dE`` and ``dT``, from ``dF = s^T dy``, and None: words have no gradient.

    Parameters
    ----------
    params : dict of arrays
        As for `forward`.
    residuals : array
        As `forward` returned them.
    dy : array
        ``(*R, N, d)``.
    encoding : Encoding
    xp : module, optional
        The array namespace of `dy`.

    Returns
    -------
    dparams : dict of arrays
        Of the shapes of `params`.
    dx : None
    """
    return unstack(residuals.mT @ dy, encoding=encoding, xp=xp), None


def stack(params: dict[str, Array], *, encoding: Encoding, xp: Namespace | None = None) -> Array:
    """Return ``F = [E, E * g, T * l_T]``, one above the other.

    Parameters
    ----------
    params : dict of arrays
        As `init` returns it.
    encoding : Encoding
    xp : module, optional
        The array namespace of the parameters.

    Returns
    -------
    array of shape ``(*R, bag, d)``, or ``(*R, bag_words, d)`` if the parameters have no times
    """
    embedding = params["embedding"]
    xp = backend_of(embedding).namespace if xp is None else xp
    parts = [embedding[..., encoding.first : encoding.words, :]]
    weight = None
    if encoding.kind != "bag-of-words":
        column = column_weight(encoding, embedding, xp)
        parts.append(parts[0] * column)
        weight = time_weight(encoding, column)
    if encoding.times == "rows":
        rows = embedding[..., encoding.words :, :]
        parts.append(rows if weight is None else rows * weight)
    elif "times" in params:
        parts.append(params["times"])
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=-2)


def unstack(
    dstacked: Array, *, encoding: Encoding, xp: Namespace | None = None
) -> dict[str, Array]:
    """Return ``dE``, and ``dT`` where it is a matrix, from dF: the transpose of `stack`.

    Parameters
    ----------
    dstacked : array
        dF, of the shape of what `stack` returned.
    encoding : Encoding
    xp : module, optional
        The array namespace of `dstacked`.

    Returns
    -------
    dict of arrays
        Null's row of dE is zero, unless nulls are in the bags.
    """
    xp = backend_of(dstacked).namespace if xp is None else xp
    n = encoding.words - encoding.first
    words, times = dstacked[..., :n, :], dstacked[..., encoding.bag_words :, :]
    weight = None
    if encoding.kind != "bag-of-words":
        column = column_weight(encoding, dstacked, xp)
        words = words + dstacked[..., n : 2 * n, :] * column
        weight = time_weight(encoding, column)
    parts = [words] if encoding.null else [_zero_rows(words, 1, xp), words]
    if encoding.times == "rows":
        parts.append(times if weight is None else times * weight)
    grads = {"embedding": parts[0] if len(parts) == 1 else xp.concat(parts, axis=-2)}
    if encoding.times == "matrix" and times.shape[-2]:
        grads["times"] = times
    return grads


def without_null(embedding: Array, *, xp: Namespace | None = None) -> Array:
    """Return an embedding ``(*R, rows, d)`` whose row 0, null's, is zero, be it what it was."""
    xp = backend_of(embedding).namespace if xp is None else xp
    rest = embedding[..., 1:, :]
    return xp.concat([_zero_rows(rest, 1, xp), rest], axis=-2)


def _zero_rows(like: Array, count: int, xp: Namespace) -> Array:
    shape = (*like.shape[:-2], count, like.shape[-1])
    return xp.zeros(shape, dtype=like.dtype, device=backend_of(like).device(like))
