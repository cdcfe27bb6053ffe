"""Normals: one word, one normal, through a table of the inverse distribution function."""

import functools
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradnoise_core.backend import Backend, backend_for
from gradnoise_core.random._counters import block
from gradnoise_core.random._keys import Key
from gradnoise_core.random._words import draw
from gradnoise_core.typing import Array, Device, Namespace

__all__ = ["TABLE_SHA256", "defined_quantile", "quantile", "quantile_table", "standard_normal"]

#: SHA-256 of the table's little-endian float32 values. It is part of stream version 1.
TABLE_SHA256 = "ee3dd5f415ed09bb7bbf0d791e7e8c8caeddf2be8ea6c40038f11d368db52b74"


def standard_normal(
    key: Key,
    shape: Sequence[int],
    /,
    *,
    xp: Namespace | None = None,
    dtype: Any = None,
    device: Device | None = None,
    within: Sequence[int] | None = None,
    at: Sequence[Any] | None = None,
) -> Array:
    """Return standard normals of a block of a leaf.

    ``z(u) = Phi^-1((u + 1/2) / 2**32)`` for the word u of each element, read as unsigned: mean 0,
    variance 1, largest magnitude 6.338, within 2**-20 of the exact quantile, ``z(~u) = -z(u)``.

    Parameters
    ----------
    key : Key
        Of shape ``()``, or ``(R,)`` for a leading replica axis.
    shape : sequence of int
        The block's shape, without the replica axis.
    xp : module, optional
        The array namespace; NumPy by default.
    dtype : optional
        float32 by default. float64 is the float32 value, widened; 16-bit types are it, rounded.
    device : optional
        Where the result lies; the namespace's default device by default.
    within : sequence of int, optional
        The shape of the whole leaf; `shape` by default.
    at : sequence of int, optional
        Where the block starts in the leaf; the origin by default. An entry may be a traced
        int32 array of shape ``()``.

    Returns
    -------
    array of `shape`, or of ``(R, *shape)``
        The same bits on every array library, device and compiler; any block equals the slice of
        the whole.

    Raises
    ------
    ValueError
        If the block does not lie in the leaf, or the leaf has more than 2**64 elements.

    Examples
    --------
    >>> from gradnoise_core.random import key
    >>> standard_normal(key(0), (3,))
    array([-0.20584238,  0.25463936, -0.7847658 ], dtype=float32)
    """
    backend = backend_for(np if xp is None else xp)
    where = block(shape, within, at)
    z = draw(key, shape, where, backend, device, functools.partial(quantile, backend))
    return z if dtype is None else backend.namespace.astype(z, dtype)


def quantile(backend: Backend, words: Array) -> Array:
    """Return the float32 normal of each int32 word, in the way that suits the backend."""
    if backend.quantile is not None:
        return backend.quantile(words)
    return defined_quantile(backend, words)


def defined_quantile(backend: Backend, words: Array) -> Array:
    """Return the float32 normal of each int32 word: the definition."""
    xp = backend.namespace
    a, b = _table_on(backend, backend.device(words))
    sign = words >> 31
    bits = _bits_plus_half(backend, words ^ sign)
    segment = (bits >> 14) - (126 << 9)
    f = xp.astype((bits >> 2) & 4095, xp.float32)
    z = backend.take(a, segment) + f * backend.take(b, segment)
    return xp.where(sign < 0, z, -z)


def _bits_plus_half(backend: Backend, m: Array) -> Array:
    """Return the bits of the float32 ``m + 1/2``, for m in [0, 2**31)."""
    xp = backend.namespace
    if backend.bitcast is None:
        return bits_in_integers(xp, m)
    return backend.bitcast(xp.astype(m, xp.float32) + 0.5)


def bits_in_integers(xp: Namespace, m: Array) -> Array:
    """Return the bits of the float32 ``m + 1/2`` without reading a float's bits.

    Below 2**23 the sum is exact: the odd integer 2m + 1, halved. From there to 2**24 it is a tie
    that goes to the even neighbour, and above the half is lost in the rounding of m.
    """
    zero = m ^ m
    halved = m < 1 << 23
    n = xp.where(halved, 2 * xp.where(halved, m, zero) + 1, m)
    exponent, rest = zero, n
    for k in (16, 8, 4, 2, 1):
        big = rest >= 1 << k
        exponent = xp.where(big, exponent + k, exponent)
        rest = xp.where(big, rest >> k, rest)
    left = xp.where(exponent < 23, 23 - exponent, zero)
    right = xp.where(exponent > 23, exponent - 23, zero)
    quotient = (n << left) >> right
    excess = 2 * (n - (quotient << right)) - ((zero + 1) << right)  # over half a unit
    odd = (quotient & 1) == 1
    up = (right > 0) & ((excess > 0) | ((excess == 0) & odd))
    tie = ~halved & (right == 0) & odd
    significand = xp.where(up | tie, quotient + 1, quotient)
    true_exponent = xp.where(halved, exponent - 1, exponent)
    # A significand that was rounded up to 2**24 carries into the exponent, as it should.
    return ((true_exponent + 127) << 23) + (significand - (1 << 23))


@functools.cache
def quantile_table() -> tuple[Any, Any]:
    """Return the table as NumPy arrays A and B of shape (33 * 512,), its checksum verified."""
    from importlib.resources import files  # a fifth of this package's import time

    with (files(__package__) / "quantile_table_v1.npy").open("rb") as file:
        values = np.load(file, allow_pickle=False)
    found = hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()
    if found != TABLE_SHA256:
        message = (
            f"The quantile table has SHA-256 {found} instead of {TABLE_SHA256}: the installation "
            "of gradnoise-core is damaged. Install it again."
        )
        raise RuntimeError(message)
    values.setflags(write=False)
    return values[0], values[1]


_TABLES: dict[tuple[str, str], tuple[Array, Array]] = {}


def _table_on(backend: Backend, device: Device) -> tuple[Array, Array]:
    """Return the table on a device, kept there if the backend allows."""
    if not backend.constants:
        a, b = (backend.from_host(column, device=device) for column in quantile_table())
        return a, b
    place = backend.name, str(device)  # CuPy's devices cannot be hashed
    found = _TABLES.get(place)
    if found is None:
        a, b = (backend.from_host(column, device=device) for column in quantile_table())
        found = _TABLES[place] = (a, b)
    return found
