"""Keys: which numbers a leaf gets at a step."""

import functools
import hashlib
from typing import Any, NamedTuple

import numpy as np

from gradnoise_core import _check
from gradnoise_core.backend import Backend, backend_of
from gradnoise_core.random._threefry import MASK, signed, threefry, threefry_int
from gradnoise_core.typing import Seed, Shape, Step

__all__ = ["Key", "device_words", "fold_in", "key", "leaf_id", "leaf_key"]

#: Up to so many keys Python's ints are faster than NumPy's arrays.
FEW = 6


class Key(NamedTuple):
    """The two 32-bit words of a Threefry key.

    Each word is an unsigned Python int; or an int32 array of the same bits, of shape ``()``
    (traced) or ``(R,)`` (one key a replica).
    """

    high: Any
    low: Any

    @property
    def shape(self) -> Shape:
        """``()`` for one key, ``(R,)`` for R replicas."""
        return tuple(getattr(self.high, "shape", ()))


def key(seed: Seed) -> Key:
    """Return the key of a seed: (high 32 bits, low 32 bits).

    Parameters
    ----------
    seed : int or sequence of int
        In [0, 2**64). A sequence of R seeds makes a key with a leading replica axis.

    Returns
    -------
    Key
        Its words are Python ints for one seed, NumPy int32 arrays of shape ``(R,)`` for R.

    Raises
    ------
    ValueError
        If a seed is outside [0, 2**64).
    TypeError
        If a seed is not an integer.

    Examples
    --------
    >>> key(2**32 + 5)
    Key(high=1, low=5)
    """
    checked = _check.seeds(seed)
    if isinstance(checked, int):
        return Key(checked >> 32, checked & MASK)
    high, low = ([signed(s >> shift & MASK) for s in checked] for shift in (32, 0))
    return Key(np.asarray(high, dtype=np.int32), np.asarray(low, dtype=np.int32))


def fold_in(key: Key, n: Step) -> Key:
    """Return a new key: Threefry under `key` at counter (high word of n, low word of n).

    Parameters
    ----------
    key : Key
        Shape ``()`` or ``(R,)``.
    n : int or integer array
        A Python int in [0, 2**64), or an array (traced, say) of non-negative integers that
        broadcasts with the key. For n < 2**32 this is ``jax.random.fold_in``.

    Returns
    -------
    Key

    Raises
    ------
    ValueError
        If a Python int is outside [0, 2**64).

    Examples
    --------
    >>> fold_in(Key(0, 0), 0)
    Key(high=1797259609, low=2579123966)
    """
    if isinstance(n, int | np.integer):
        number = _check.integer_below("n", n, 64)
        counter: tuple[Any, Any] = (number >> 32, number & MASK)
        if isinstance(key.high, int):
            return Key(*threefry_int((key.high, key.low), counter))
        return Key(*_at_constant(key, counter))
    return Key(*_at_array(key, n))


def leaf_key(seed: Seed, path: str, step: Step, *, domain: str = "gradient-noise") -> Key:
    """Return ``fold_in(fold_in(key(seed), leaf_id), step)``, the key of a leaf at a step.

    Parameters
    ----------
    seed : int or sequence of int
        In [0, 2**64); R of them for R replicas.
    path : str
        The keys of the leaf's pytree path joined with "/"; "" for a tree that is one leaf.
    step : int or integer array
        The number of updates made before this one.
    domain : str
        What the numbers are for; separates uses of one seed.

    Returns
    -------
    Key

    Examples
    --------
    >>> leaf_key(0, "layers/0/weight", 1) == leaf_key(0, "layers/0/bias", 1)
    False
    """
    high, low = folded_words(_check.seeds(seed), path, domain)
    if isinstance(high, tuple):
        high, low = np.asarray(high, dtype=np.int32), np.asarray(low, dtype=np.int32)
    return fold_in(Key(high, low), step)


def folded_words(seed: int | tuple[int, ...], path: str, domain: str) -> tuple[Any, Any]:
    """Return a leaf's key before the step is folded in, as Python ints, or as tuples of R.

    Constants to a compiler, which must not see the hash: see the torch backend.
    """
    return _folded_words(seed, path, domain)


@functools.lru_cache(maxsize=4096)
def _folded_words(seed: int | tuple[int, ...], path: str, domain: str) -> tuple[Any, Any]:
    high, low = fold_in(key(seed), leaf_id(path, domain))
    return (high, low) if isinstance(high, int) else (tuple(high.tolist()), tuple(low.tolist()))


@functools.cache
def leaf_id(path: str, domain: str) -> int:
    r"""Return the 64-bit big-endian BLAKE2b of ``domain + "\\0" + path`` in UTF-8."""
    text = f"{domain}\0{path}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def _at_constant(key: Key, counter: tuple[int, int]) -> tuple[Any, Any]:
    """Encrypt one constant counter under an array key."""
    if isinstance(key.high, np.ndarray) and key.high.size <= FEW:
        pairs = zip(key.high.flat, key.low.flat, strict=True)
        made = [threefry_int((int(a) & MASK, int(b) & MASK), counter) for a, b in pairs]
        words = np.array(made, np.uint32).view(np.int32).reshape(*key.shape, 2)
        return words[..., 0], words[..., 1]
    zero = key.high ^ key.high
    return threefry(key, (zero + signed(counter[0]), zero + signed(counter[1])))


def _at_array(key: Key, n: Any) -> tuple[Any, Any]:
    """Encrypt an array of counters, of whatever integer type, under any key."""
    backend = backend_of(n)
    xp = backend.namespace
    # One axis at least: NumPy warns of the overflow of scalars, which here is meant.
    scalar = n.shape == () and not key.shape
    n = xp.reshape(n, (1,)) if n.shape == () else n
    low = xp.astype(n, xp.int32)
    high = xp.astype(n >> 32, xp.int32) if "64" in str(n.dtype) else low ^ low
    cipher = backend.threefry or threefry
    high, low = cipher(device_words(key, backend, backend.device(n)), (high, low))
    return (xp.reshape(high, ()), xp.reshape(low, ())) if scalar else (high, low)


def device_words(key: Key, backend: Backend, device: Any) -> tuple[Any, Any]:
    """Return the words of `key` as signed Python ints, or as arrays where `backend` wants them."""
    if isinstance(key.high, int):
        return signed(key.high), signed(key.low)
    return backend.from_host(key.high, device=device), backend.from_host(key.low, device=device)
