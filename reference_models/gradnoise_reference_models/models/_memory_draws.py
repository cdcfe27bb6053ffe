"""What training draws from the stream: examples with replacement, and times with gaps."""

import math
from fractions import Fraction

import numpy as np

from gradnoise_core import _check
from gradnoise_core.random import leaf_key, words
from gradnoise_core.typing import Array, Seed, Shape

__all__ = ["random_rows", "random_times"]


def random_rows(seed: Seed, count: int, shape: Shape, n: int) -> Array:
    """Return rows of a data set, each of n equally likely, drawn with replacement.

    ``floor(w n / 2**32)`` for the unsigned words w of ``leaf_key(seed, "", count,
    domain="examples")``, on host NumPy whatever the library; a row's chance is 1/n up to 2**-32.

    Parameters
    ----------
    seed : int or sequence of int
        In [0, 2**64); R of them for R replicas.
    count : int
        The number of such draws before this one: of epochs, say.
    shape : tuple of int
        For an epoch, ``(steps, batch size)``.
    n : int
        The number of examples, in [1, 2**31).

    Returns
    -------
    int32 array of `shape`, or of ``(R, *shape)`` for R seeds
        Row r is that of a solo run with seed r.

    Raises
    ------
    ValueError, TypeError
        If a seed, `count` or `n` is outside its range or no integer.

    Examples
    --------
    >>> random_rows(0, 0, (2, 3), 900)
    array([[594, 608, 434],
           [285, 579, 427]], dtype=int32)
    """
    if _check.integer_below("n", n, 31) < 1:
        message = f"`n` must be >= 1, got {n}. There is nothing to draw from."
        raise ValueError(message)
    return _below(_words(seed, count, shape, "examples"), n).astype(np.int32)


def random_times(
    seed: Seed, count: int, times: Array, memory: int, *, fraction: float = 0.1
) -> Array:
    """Return times with gaps, as if empty statements stood among the others ("random noise").

    Of an example of r statements, e is drawn from 0..ceil(`fraction` r), each equally likely, then
    e of 1..r+e are left out, each choice equally likely. What is left replaces 1..r in order, but
    nothing exceeds M.

    Parameters
    ----------
    seed : int or sequence of int
        In [0, 2**64); R of them for R replicas.
    count : int
        The number of such draws before this one: of epochs, say.
    times : integer NumPy array
        ``(..., M)``, or ``(R, ..., M)`` for R seeds: the times 1..r of an example's r
        statements, in any slots, and 0 for empty slots.
    memory : int
        M.
    fraction : float
        >= 0; of the paper 0.1. 0 changes nothing.

    Returns
    -------
    int32 array of the shape of `times`

    Raises
    ------
    ValueError, TypeError
        If a seed, `count` or `fraction` is outside its range, or the last axis is not M.

    Notes
    -----
    The words are those of ``leaf_key(seed, "", count, domain="times")``: of each example one for
    e, and one for each that may be left out (Floyd's way to draw a subset). Drawn on host NumPy
    whatever the library; validation and test use the times as they are.

    References
    ----------
    Sukhbaatar et al., End-to-end memory networks (2015), section 4.1 (injecting random noise).

    Examples
    --------
    >>> random_times(0, 0, np.asarray([[3, 2, 1, 0], [4, 3, 2, 1]]), memory=4)
    array([[4, 3, 1, 0],
           [4, 4, 3, 2]], dtype=int32)
    """
    _check.nonnegative("fraction", fraction)
    times = np.asarray(times)
    if times.shape[-1] != memory:
        message = f"`times` must have a last axis of M = {memory}, got shape {times.shape}."
        raise ValueError(message)
    # The decimal that is written, not the binary number beside it, which may round up.
    most = [math.ceil(Fraction(str(fraction)) * r) for r in range(memory + 1)]
    several = not isinstance(_check.seeds(seed), int)
    shape = times.shape[int(several) : -1]
    drawn = _words(seed, count, (*shape, 1 + most[-1]), "times")
    if drawn.shape[:-1] != times.shape[:-1]:
        message = (
            f"`times` must have a leading replica axis of size {drawn.shape[0]}, as many as "
            f"`seed` has seeds, got shape {times.shape}."
        )
        raise ValueError(message)
    r = times.max(axis=-1)
    left_out = _subset(drawn[..., 1:], r, _below(drawn[..., 0], np.asarray(most)[r] + 1))
    out = times.astype(np.int32)
    # Time t is the statement number t - 1; one that is left out comes before those of the r that
    # are numbered at least as many as are kept before it.
    for i in range(left_out.shape[-1]):
        kept_before = left_out[..., i, None] - i
        out += (times > kept_before) & (times > 0)
    return np.minimum(out, np.int32(memory))


def _subset(drawn: Array, r: Array, e: Array) -> Array:
    """Return e of 0..r+e-1, sorted, and then numbers above all times."""
    none = np.iinfo(np.int64).max // 2
    columns: list[Array] = []
    for k in range(drawn.shape[-1]):
        last = r + k
        chosen = _below(drawn[..., k], last + 1)
        taken = np.zeros(r.shape, np.bool_)
        for earlier in columns:
            taken |= earlier == chosen
        columns.append(np.where(k < e, np.where(taken, last, chosen), none))
    return np.sort(np.stack(columns, axis=-1), axis=-1) if columns else np.zeros((*r.shape, 0))


def _words(seed: Seed, count: int, shape: Shape, domain: str) -> Array:
    count = _check.integer_below("count", count, 64)
    return words(leaf_key(seed, "", count, domain=domain), shape)


def _below(drawn: Array, n: Array | int) -> Array:
    """Return ``floor(w n / 2**32)``."""
    return (drawn.view(np.uint32).astype(np.int64) * n) >> 32
