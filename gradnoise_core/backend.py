"""What may differ between array libraries, and how the library of an array is found.

The array-API code of this package is the definition and needs no backend. A `Backend` makes it
faster, or reaches what the standard lacks. Backends are found through the entry-point group
``gradnoise_core.backends``, by the name of the namespace of the array in hand, when first needed.
"""

import functools
import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import array_api_compat
import numpy as np

from gradnoise_core.typing import Array, Device, Namespace

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "GROUP",
    "Backend",
    "Sharding",
    "TreeFunctions",
    "backend_for",
    "backend_of",
    "registered",
]

GROUP = "gradnoise_core.backends"


@dataclass(frozen=True)
class TreeFunctions:
    """How a framework takes its own containers apart.

    Parameters
    ----------
    flatten : callable
        ``tree -> (leaves, treedef)``, with `treedef` hashable.
    unflatten : callable
        ``(treedef, leaves) -> tree``.
    paths : callable
        ``treedef -> list of str``, the path of each leaf as the stream spells it.
    """

    flatten: Callable[[Any], tuple[list[Any], Hashable]]
    unflatten: Callable[[Any, Sequence[Any]], Any]
    paths: Callable[[Any], list[str]]


@dataclass(frozen=True)
class Sharding:
    """How a framework cuts an array into blocks, one a process.

    Parameters
    ----------
    shard : callable
        ``array -> (block, shape of the whole, where the block starts) or None`` for an array that
        is not cut.
    like : callable
        ``(block, array) -> array``: a block of a result as an array that is cut as `array` is.
    whole : callable
        ``array -> array that is not cut``, of the same value, for scalars.
    """

    shard: Callable[[Array], tuple[Array, tuple[int, ...], tuple[int, ...]] | None]
    like: Callable[[Array, Array], Array]
    whole: Callable[[Array], Array]


def _take(table: Array, indices: Array) -> Array:
    xp = array_api_compat.array_namespace(table)
    return xp.reshape(xp.take(table, xp.reshape(indices, (-1,)), axis=0), indices.shape)


def _segment_sum(values: Array, ids: Array, count: int) -> Array:
    backend = backend_of(values)
    xp = backend.namespace
    segments = xp.arange(count, dtype=ids.dtype, device=backend.device(ids))
    one_hot: Array = xp.astype(ids[..., None] == segments, values.dtype)
    return one_hot.mT @ values


def _join(arrays: Sequence[Array], size: int) -> Array:
    joined: Array = array_api_compat.array_namespace(arrays[0]).concat(arrays, axis=-1)
    return joined


def _split(array: Array, sizes: Sequence[int]) -> list[Array]:
    stops = itertools.accumulate(sizes)
    return [array[..., stop - n : stop] for n, stop in zip(sizes, stops, strict=True)]


def _never_traced(_: Any) -> bool:
    return False


def _never() -> bool:
    return False


def _as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _nothing(_: Any) -> None:
    return None


def _default_device() -> dict[str, Device]:
    return {"default": None}


@dataclass(frozen=True)
class Backend:
    """One array library. Every default is the pure array-API definition.

    Parameters
    ----------
    name : str
        The namespace's top-level module, as in ``torch``.
    namespace : module
        Functions of the array API standard.
    bitcast : callable, optional
        ``float32 array -> int32 array`` with the same bits. Without it the bits are computed in
        integers.
    take : callable
        ``(table, indices) -> table[indices]`` for a one-dimensional table.
    segment_sum : callable
        ``(values, ids, count) -> sums``: of values ``(*L, N, n)`` and ids ``(*L, N)`` in
        [0, count), the sum of the rows with each id, ``(*L, count, n)``; 0 where there is none.
        The definition is a product with one-hot rows, of N count n multiplications.
    elementwise : callable, optional
        ``(kernel, arrays, scalars, draws) -> tuple of arrays, or None``: runs a function that acts
        on each element of equally shaped arrays alone, drawing its normals on the way; None where
        it can do no better than the definition. See `gradnoise_core._fused`.
    jit : callable
        Compiles a pure function, or returns it as it is.
    traced : callable
        Whether an array has no value yet.
    device : callable
        The device of an array, or None where it has none (when traced, or on several).
    devices : callable
        The devices at hand, by name: ``{"cuda:0": device, ...}``.
    asarray : callable, optional
        ``(NumPy array, device) -> array``; by default the namespace's own.
    to_numpy : callable
        ``array -> NumPy array``.
    synchronize : callable
        Waits until an array's value is computed.
    joins : callable
        ``() -> bool``: whether small leaves are worked on as one array, which saves calls where
        each is made at once; not where a compiler sees them all.
    join, split : callable
        ``(arrays, size) -> array`` and ``(array, sizes) -> arrays``, along the last axis, which
        then has `size` elements: how small leaves become one array and leaves again.
    draw : callable, optional
        ``(runs, device, *, normals) -> array of shape (n,) or (R, n)``: the int32 words, or the
        float32 normals, of `gradnoise_core.random._runs.Runs`, bit for bit the definition's.
    draw_leaf : callable, optional
        ``(key words, shape, block, device, *, normals, step) -> array or None``: the words or the
        normals of one leaf, for a compiler that needs another form; None for the definition.
    draw_pairs : callable, optional
        ``(key words, counters, kept, step) -> array or None``: the normals of the pairs of words
        of many leaves, those that are kept, likewise.
    threefry : callable, optional
        ``(key, counter) -> words``: equal to the definition's cipher, bit for bit, and faster.
    quantile : callable, optional
        ``words -> normals``: equal to the definition's quantile, bit for bit, and faster.
    leaf_keys : callable, optional
        ``(seed, paths, step, domain, device) -> (high, low)``: the keys of leaves, used while
        tracing by a compiler that must not see how they are made.
    sharding : Sharding, optional
        For arrays of which each process holds a block.
    constants : bool
        Whether a table moved to a device may be kept for the next call.
    tree : TreeFunctions, optional
        For frameworks whose containers only they can take apart.
    """

    name: str
    namespace: Namespace
    bitcast: Callable[[Array], Array] | None = None
    take: Callable[[Array, Array], Array] = _take
    segment_sum: Callable[[Array, Array, int], Array] = _segment_sum
    elementwise: Callable[..., Any] | None = None
    jit: Callable[[Callable[..., Any]], Callable[..., Any]] = _as_it_is
    traced: Callable[[Any], bool] = _never_traced
    device: Callable[[Array], Device] = array_api_compat.device
    devices: Callable[[], dict[str, Device]] = _default_device
    asarray: Callable[[Any, Device], Array] | None = None
    to_numpy: Callable[[Array], Any] = np.asarray
    synchronize: Callable[[Any], Any] = _nothing
    joins: Callable[[], bool] = _never
    join: Callable[[Sequence[Array], int], Array] = _join
    split: Callable[[Array, Sequence[int]], Sequence[Array]] = _split
    draw: Callable[..., Array] | None = None
    draw_leaf: Callable[..., Array | None] | None = None
    draw_pairs: Callable[..., Array | None] | None = None
    threefry: Callable[[Any, Any], tuple[Array, Array]] | None = None
    quantile: Callable[[Array], Array] | None = None
    leaf_keys: Callable[..., tuple[Array, Array]] | None = None
    sharding: Sharding | None = None
    constants: bool = True
    tree: TreeFunctions | None = None

    def from_host(self, array: Any, *, device: Device = None) -> Array:
        """Return a NumPy array as one of this library, on `device`."""
        if self.asarray is not None:
            return self.asarray(array, device)
        return self.namespace.asarray(array, device=device)


_BY_TYPE: dict[type, Backend] = {}
_BY_NAME: dict[str, Backend] = {}


def backend_of(array: Array) -> Backend:
    """Return the backend of an array.

    Raises
    ------
    TypeError
        If `array` belongs to no namespace of the array API standard.
    """
    found = _BY_TYPE.get(type(array))
    if found is None:
        found = _BY_TYPE[type(array)] = backend_for(array_api_compat.array_namespace(array))
    return found


def _known_type(array: Any) -> bool:
    """Return whether the backend of the array's type was found before."""
    return type(array) in _BY_TYPE


def backend_for(namespace: Namespace) -> Backend:
    """Return the backend of an array namespace: the registered one, else the default.

    Parameters
    ----------
    namespace : module
        ``numpy``, ``torch``, ``jax.numpy``, ``array_api_compat.cupy``...

    Examples
    --------
    >>> import numpy
    >>> backend_for(numpy).name
    'numpy'
    """
    name = _root(namespace)
    if name not in _BY_NAME:
        entry = registered().get(name)
        _BY_NAME[name] = entry.load() if entry else Backend(name=name, namespace=namespace)
    return _BY_NAME[name]


def _tree_functions(loaded: Callable[[str], bool]) -> Iterator[TreeFunctions]:
    """Yield the tree functions of every registered backend whose framework is `loaded`."""
    for name, entry in registered().items():
        if loaded(name):
            backend = _BY_NAME[name] = _BY_NAME.get(name) or entry.load()
            if backend.tree is not None:
                yield backend.tree


@functools.cache
def registered() -> dict[str, "EntryPoint"]:
    """Return the registered backends, by name, without importing them."""
    from importlib.metadata import entry_points  # a third of this package's import time

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _root(namespace: Namespace) -> str:
    """Return the top-level module that a namespace stands for."""
    parts: list[str] = namespace.__name__.split(".")
    return parts[1] if parts[0] == "array_api_compat" else parts[0]
