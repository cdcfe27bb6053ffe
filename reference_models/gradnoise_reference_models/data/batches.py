"""The order of minibatches, drawn from the stream: the same on every machine and backend."""

from collections.abc import Iterator

import numpy as np

from gradnoise_core import _check
from gradnoise_core.random import Key, leaf_key, words
from gradnoise_core.typing import Array, Seed

__all__ = ["batches", "epoch_order", "permutation", "steps_per_epoch"]


def permutation(key: Key, n: int) -> Array:
    """Return ``argsort(words(key, (n,)), stable)``: a pseudo-random order of n things.

    The words are compared as signed 32-bit integers, on host NumPy whatever the backend; equal
    words (about n**2 / 2**33 pairs) keep their order.

    Parameters
    ----------
    key : Key
        Shape ``()``, or ``(R,)`` for R replicas.
    n : int
        Length, in [1, 2**32).

    Returns
    -------
    intp array of shape ``(n,)`` or ``(R, n)``
    """
    if _check.integer_below("n", n, 32) == 0:
        message = "`n` must be >= 1, got 0. There is nothing to put in order."
        raise ValueError(message)
    return np.argsort(words(key, (n,)), axis=-1, stable=True)


def epoch_order(seed: Seed, epoch: int, n: int) -> Array:
    """Return the order in which an epoch visits n examples, each of them once.

    It is ``permutation(leaf_key(seed, "", epoch, domain="data-order"), n)``: a pure function, so a
    resumed run needs no generator's state.

    Parameters
    ----------
    seed : int or sequence of int
        In [0, 2**64); R of them for R replicas.
    epoch : int
        The number of epochs before this one.
    n : int
        The number of examples.

    Returns
    -------
    intp array of shape ``(n,)``, or ``(R, n)`` for R seeds
        Row r is the order of a solo run with seed r.

    Raises
    ------
    ValueError
        If a seed or `epoch` is outside [0, 2**64), or `n` outside [1, 2**32).
    TypeError
        If one of them is not an integer.

    Examples
    --------
    >>> epoch_order(0, 0, 5)
    array([4, 2, 0, 3, 1])
    """
    epoch = _check.integer_below("epoch", epoch, 64)
    return permutation(leaf_key(seed, "", epoch, domain="data-order"), n)


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Return ``n // batch_size``: the last partial batch is dropped.

    Raises
    ------
    ValueError
        If `batch_size` is outside [1, n], which would leave no step to make.

    Examples
    --------
    >>> steps_per_epoch(1437, 50)
    28
    """
    size = _check.integer_below("batch_size", batch_size, 32)
    if not 1 <= size <= n:
        message = f"`batch_size` must be in [1, n], got {size} for n = {n} examples. Lower it."
        raise ValueError(message)
    return n // size


def batches(order: Array, batch_size: int) -> Iterator[Array]:
    """Iterate over an epoch's minibatches of indices; the last partial batch is dropped.

    Every step thus averages over as many examples. In each epoch ``n mod batch_size`` examples are
    left out, other ones each time.

    Parameters
    ----------
    order : integer array of shape ``(n,)`` or ``(R, n)``
        What `epoch_order` returned.
    batch_size : int
        In [1, n].

    Yields
    ------
    integer array of shape ``(batch_size,)`` or ``(R, batch_size)``
        ``n // batch_size`` views of `order`.

    Raises
    ------
    ValueError
        At the call, if `batch_size` is outside [1, n].

    Examples
    --------
    >>> [b.tolist() for b in batches(epoch_order(0, 0, 5), 2)]
    [[4, 2], [0, 3]]
    """
    count = steps_per_epoch(order.shape[-1], batch_size)
    return (order[..., i * batch_size : (i + 1) * batch_size] for i in range(count))
