"""The windows of a text's streams, each with the word after each word."""

from collections.abc import Iterator

import numpy as np

from gradnoise_core import _check
from gradnoise_core.typing import Array

__all__ = ["checked_tokens", "window_count", "windows"]


def checked_tokens(name: str, tokens: Array, vocabulary: int) -> Array:
    """Return a text as int32 after refusing what is no row of words in [0, `vocabulary`)."""
    array = np.asarray(tokens)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        message = (
            f"`{name}` must be a one-dimensional array of integers, got shape {array.shape} and "
            f"dtype {array.dtype}. Encode the text as the numbers of its words."
        )
        raise ValueError(message)
    outside = np.flatnonzero((array < 0) | (array >= vocabulary))
    if outside.size:
        at = int(outside[0])
        message = (
            f"`{name}` must be words in [0, vocabulary), got {array[at]} at position {at} for "
            f"vocabulary = {vocabulary}. Raise `vocabulary`, or encode the word as unknown."
        )
        raise ValueError(message)
    return array.astype(np.int32)


def window_count(length: int, window: int) -> int:
    """Return how many whole windows of T steps there are, ``(length - 1) // T``.

    The last word of a stream is only a target.

    Raises
    ------
    ValueError
        If there is not one, or `window` is below 1.
    """
    steps = _check.integer_below("window", window, 31)
    if not 1 <= steps < length:
        message = (
            f"`window` must be in [1, {length - 1}] for streams of {length} tokens, got {steps}. "
            "Lower it, or `batch_size`."
        )
        raise ValueError(message)
    return (length - 1) // steps


def windows(data: Array, window: int, *, rest: bool = False) -> Iterator[tuple[Array, Array]]:
    """Yield the windows of streams ``(N, B)``: T words, and the word after each.

    Parameters
    ----------
    data : integer array
        As `data.streams` returns it.
    window : int
        T.
    rest : bool
        Whether a last, shorter window holds what is left over.

    Yields
    ------
    x, targets : integer arrays of shape ``(T, B)``
        ``data[w T + t]`` and ``data[w T + t + 1]``.
    """
    last = len(data) - 1
    whole = window_count(len(data), min(window, last) if rest else window) * window
    for at in range(0, last if rest else whole, window):
        stop = min(at + window, last)
        yield np.ascontiguousarray(data[at:stop]), np.ascontiguousarray(data[at + 1 : stop + 1])
