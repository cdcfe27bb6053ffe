"""Pytrees of arrays, with the path of each leaf.

optree takes dicts, lists, tuples and named tuples apart; a framework's own functions do where the
leaves are its own or the containers are known only to it (JAX's registered classes, as in equinox
and flax). A path joins the keys with "/": dict keys as ``str``, positions in decimal, attribute
names as they are; a tree that is one leaf has the path "".
"""

import functools
import sys
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import array_api_compat
import optree

from gradnoise_core._dtypes import FLOATING, dtype_name
from gradnoise_core.backend import (
    Backend,
    TreeFunctions,
    _known_type,
    _tree_functions,
    backend_of,
)
from gradnoise_core.typing import Device, Tree

__all__ = ["Leaves", "flatten", "flatten_like", "map_leaves"]


class Leaves(NamedTuple):
    """The leaves of a tree, and how to make a tree of their like."""

    leaves: list[Any]
    paths: tuple[str, ...]
    treedef: Hashable
    functions: TreeFunctions

    def rebuild(self, leaves: Sequence[Any]) -> Tree:
        """Return a tree of the same structure with other leaves."""
        return self.functions.unflatten(self.treedef, leaves)

    @property
    def backend(self) -> Backend | None:
        """The backend of all the leaves; None for a tree without any."""
        return backend_of(self.leaves[0]) if self.leaves else None


def flatten(tree: Tree, name: str) -> Leaves:
    """Take a tree of real floating-point arrays apart.

    Parameters
    ----------
    tree : pytree of arrays
        None stands for a missing subtree.
    name : str
        What the tree is, for messages.

    Returns
    -------
    Leaves

    Raises
    ------
    TypeError
        If a leaf is not an array, or is not real floating-point; or if leaves belong to several
        array libraries or lie on several devices.
    ValueError
        If two leaves have the same path.
    """
    found = _take_apart(tree)
    _check_leaves(name, found)
    return found


def flatten_like(tree: Tree, like: Leaves, name: str, like_name: str) -> list[Any]:
    """Return the leaves of `tree`, which must have the structure and shapes of `like`.

    Raises
    ------
    ValueError
        If structure or a shape differs; the message names the first leaf that does.
    TypeError
        If the array library differs.
    """
    leaves, treedef = like.functions.flatten(tree)
    if treedef != like.treedef:
        paths = like.functions.paths(treedef)
        odd = sorted(set(paths) ^ set(like.paths))
        where = f"only one of them has {odd[0]!r}" if odd else "their containers differ"
        message = (
            f"`{name}` must have the structure of `{like_name}`, but {where}. Make the state "
            "with `init(params)` from the parameters that the gradients belong to; where a gradient "
            "is None, the parameter is None as well."
        )
        raise ValueError(message)
    if _alike(leaves, like.leaves):
        return leaves
    for path, leaf, other in zip(like.paths, leaves, like.leaves, strict=True):
        if _is_array(leaf) and _is_array(other) and backend_of(leaf) is not backend_of(other):
            message = (
                f"`{name}` and `{like_name}` must lie in one array library, got "
                f"{backend_of(leaf).name} and {backend_of(other).name} at {path!r}. Convert one."
            )
            raise TypeError(message)
        got, wanted = getattr(leaf, "shape", None), getattr(other, "shape", None)
        if got != wanted:
            message = (
                f"`{name}` must have the shapes of `{like_name}`, got {_plain(got)} and "
                f"{_plain(wanted)} "
                f"at {path!r}."
            )
            raise ValueError(message)
    return leaves


def _alike(leaves: Sequence[Any], others: Sequence[Any]) -> bool:
    """Return whether leaves are of one type and of the others' shapes: a quick look."""
    if not others:
        return True
    kind = type(others[0])
    if not _known_type(others[0]) or any(type(x) is not kind for x in leaves):
        return False
    return [x.shape for x in leaves] == [x.shape for x in others]


def _plain(shape: Any) -> Any:
    return None if shape is None else tuple(shape)


def map_leaves(function: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """Apply `function` to the leaves of trees of one structure."""
    first = _take_apart(tree)
    others = [flatten_like(t, first, f"tree {i}", "tree 0") for i, t in enumerate(rest, 1)]
    return first.rebuild([function(*leaves) for leaves in zip(first.leaves, *others, strict=True)])


def _take_apart(tree: Tree) -> Leaves:
    leaves, treedef = _OPTREE.flatten(tree)
    functions = _own_functions(leaves) or _OPTREE
    if functions is not _OPTREE:
        leaves, treedef = functions.flatten(tree)
    return Leaves(leaves, _paths(functions, treedef), treedef, functions)


def _own_functions(leaves: list[Any]) -> TreeFunctions | None:
    """Return the tree functions of the framework whose leaves or containers these are."""
    for leaf in leaves:
        if _is_array(leaf):
            return backend_of(leaf).tree
    for functions in _tree_functions(sys.modules.__contains__):
        if any(_opens(functions, leaf) for leaf in leaves):
            return functions
    return None


def _opens(functions: TreeFunctions, leaf: Any) -> bool:
    parts, _ = functions.flatten(leaf)
    return len(parts) != 1 or parts[0] is not leaf


def _is_array(leaf: Any) -> bool:
    return _known_type(leaf) or bool(array_api_compat.is_array_api_obj(leaf))


@functools.lru_cache(maxsize=256)
def _paths(functions: TreeFunctions, treedef: Any) -> tuple[str, ...]:
    return tuple(functions.paths(treedef))


@functools.lru_cache(maxsize=256)
def _path_of_two(paths: tuple[str, ...]) -> str | None:
    """Return the first path that two leaves have."""
    if len(set(paths)) == len(paths):
        return None
    return next(p for p in paths if paths.count(p) > 1)


def _uniform(leaves: Sequence[Any]) -> bool:
    """Return whether leaves are of one type, one good dtype and one device: a quick look."""
    if not leaves or not _known_type(leaves[0]):
        return False
    kind, dtype = type(leaves[0]), leaves[0].dtype
    if any(type(x) is not kind or x.dtype != dtype for x in leaves):
        return False
    return (
        dtype_name(leaves[0]) in FLOATING
        and len(set(map(backend_of(leaves[0]).device, leaves))) == 1
    )


def _check_leaves(name: str, found: Leaves) -> None:
    twice = _path_of_two(found.paths)
    if twice is not None:
        message = (
            f"`{name}` has two leaves with the path {twice!r}, which would get the same noise. "
            "Rename one of the keys that contain '/' or that look alike as text."
        )
        raise ValueError(message)
    if _uniform(found.leaves):
        return
    first: tuple[Backend, Device, str] | None = None
    for path, leaf in zip(found.paths, found.leaves, strict=True):
        backend, device = _check_leaf(name, path, leaf)
        if first is None or (first[1] is None and backend is first[0]):
            first = (backend, device, path)
        elif backend is not first[0] or (device is not None and device != first[1]):
            message = (
                f"`{name}` must lie in one array library on one device, got "
                f"{first[0].name} on {first[1]} at {first[2]!r} and {backend.name} on {device} "
                f"at {path!r}. Convert or move one, or transform the parts apart."
            )
            raise TypeError(message)


def _check_leaf(name: str, path: str, leaf: Any) -> tuple[Backend, Device]:
    if not _is_array(leaf):
        message = (
            f"`{name}` must hold arrays, got {leaf!r} of type {type(leaf).__name__} at {path!r}. "
            "Make it an array, or leave it out (as None)."
        )
        raise TypeError(message)
    if dtype_name(leaf) not in FLOATING:
        message = (
            f"`{name}` must hold real floating-point arrays of 16, 32 or 64 bits, got "
            f"{leaf.dtype} at {path!r}. Leave it out (as None), or split complex leaves into "
            "real and imaginary parts."
        )
        raise TypeError(message)
    backend = backend_of(leaf)
    return backend, backend.device(leaf)


def _optree_flatten(tree: Tree) -> tuple[list[Any], Hashable]:
    leaves, treedef = optree.tree_flatten(tree)
    return leaves, treedef


def _optree_paths(treedef: Any) -> list[str]:
    return ["/".join(_entry(e) for e in accessor) for accessor in treedef.accessors()]


def _entry(entry: Any) -> str:
    if isinstance(entry, optree.NamedTupleEntry):
        return str(entry.field)
    if isinstance(entry, optree.DataclassEntry):
        return str(entry.name)
    return str(entry.entry)


_OPTREE = TreeFunctions(
    flatten=_optree_flatten,
    unflatten=optree.tree_unflatten,
    paths=_optree_paths,
)
