"""A text as streams side by side, in windows: the batches of truncated back-propagation."""

import numpy as np

from gradnoise_core import _check
from gradnoise_core.typing import Array

__all__ = ["streams", "windows"]


def streams(ids: Array, batch_size: int) -> Array:
    """Return B streams side by side, each a contiguous piece of the text.

    Stream b is ``floor(S / B)`` tokens from ``round(b S / B)`` on, halves rounded up.

    Parameters
    ----------
    ids : integer array of shape (S,)
        A part of the text.
    batch_size : int
        B, in [1, S].

    Returns
    -------
    integer array of shape (floor(S / B), B)

    Examples
    --------
    >>> streams(np.arange(7), 2).tolist()
    [[0, 4], [1, 5], [2, 6]]
    """
    n, b = len(ids), _check.integer_below("batch_size", batch_size, 32)
    if not 1 <= b <= n:
        message = f"`batch_size` must be in [1, S], got {b} for S = {n} tokens. Lower it."
        raise ValueError(message)
    starts = (2 * np.arange(b) * n + b) // (2 * b)
    return ids[starts + np.arange(n // b)[:, None]]


def windows(data: Array, steps: int) -> tuple[Array, Array]:
    """Return W windows of T steps: the tokens, and those that follow them.

    ``x[w, t, b] = data[w T + t, b]`` and ``y[w, t, b] = data[w T + t + 1, b]``, for
    ``W = floor((L - 1) / T)``; a remainder is left out.

    Parameters
    ----------
    data : integer array of shape (L, B)
        What `streams` returned.
    steps : int
        T, in [1, L - 1].

    Returns
    -------
    x, y : integer arrays of shape (W, T, B)
        Views of `data`.

    Examples
    --------
    >>> x, y = windows(streams(np.arange(11), 2), 2)
    >>> x.tolist(), y.tolist()
    ([[[0, 6], [1, 7]], [[2, 8], [3, 9]]], [[[1, 7], [2, 8]], [[3, 9], [4, 10]]])
    """
    length, b = data.shape
    t = _check.integer_below("steps", steps, 32)
    if not 1 <= t < length:
        message = f"`steps` must be in [1, L - 1], got {t} for streams of L = {length}. Lower it."
        raise ValueError(message)
    w = (length - 1) // t
    x, y = data[: w * t], data[1 : w * t + 1]
    return x.reshape(w, t, b), y.reshape(w, t, b)
