"""In which form a subject wants its parameters: library, dtype, structure, shapes."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradnoise_core._dtypes import dtype_name
from gradnoise_core.backend import Backend, TreeFunctions, backend_for, backend_of, registered
from gradnoise_core.oracle._probes import EMPTY, SCALAR, SHAPES
from gradnoise_core.tree import flatten
from gradnoise_core.typing import Shape, Tree

__all__ = ["Form", "form_of", "host", "numpy_form", "standard_form", "torch_backend"]

#: The leaves that not every optimizer takes, in words.
ODD: Mapping[str, str] = {EMPTY: "a leaf of no elements", SCALAR: "a leaf of no axes"}

#: Fewer elements would not get gradients of every decade of scale.
FEWEST = 10


@dataclass(frozen=True)
class Form:
    """A tree of arrays without its values.

    Parameters
    ----------
    backend : Backend
    dtype : {"float64", "float32"}
    shapes : mapping
        Of each leaf, by its path, in the tree's order.
    treedef, functions
        Of `gradnoise_core.tree.flatten`.
    narrower : callable, optional
        Returns the form without a leaf that not everyone takes, and a name for that leaf.
    """

    backend: Backend
    dtype: str
    shapes: Mapping[str, Shape]
    treedef: Hashable
    functions: TreeFunctions
    narrower: Callable[[], tuple["Form", str]] | None = None

    def array(self, values: Any) -> Any:
        """Return a copy of a NumPy array in the subject's library."""
        return self.backend.from_host(np.array(values, dtype=self.dtype))

    def build(self, leaves: Sequence[Any]) -> Tree:
        """Return leaves as a tree."""
        return self.functions.unflatten(self.treedef, leaves)

    def tree(self, values: Sequence[Any]) -> Tree:
        """Return NumPy arrays as a tree of the subject's arrays."""
        return self.build([self.array(x) for x in values])

    def leaves(self, tree: Tree) -> list[Any]:
        """Return the leaves of a tree that the subject made.

        Raises
        ------
        ValueError
            If its structure is another.
        """
        leaves, treedef = self.functions.flatten(tree)
        if treedef != self.treedef:
            message = (
                f"the parameters went in as {self.treedef} and came back as {treedef}. Pass an "
                "example of what the subject takes as `params`."
            )
            raise ValueError(message)
        return leaves

    def in_float32(self) -> "Form":
        """Return the same in float32."""
        return replace(self, dtype="float32")


def form_of(params: Tree) -> Form:
    """Return the form of an example of the parameters.

    Raises
    ------
    TypeError, ValueError
        If it is no tree of arrays of float32 or of float64, or has fewer than ten elements.
    """
    tree = flatten(params, "params")
    names = sorted({dtype_name(x) for x in tree.leaves})
    if names not in (["float32"], ["float64"]) or tree.backend is None:
        message = (
            "`params` must hold arrays of float32, or of float64, got "
            f"{', '.join(names) or 'no arrays'}. Pass an example of the parameters."
        )
        raise TypeError(message)
    shapes = {p: tuple(x.shape) for p, x in zip(tree.paths, tree.leaves, strict=True)}
    elements = sum(map(math.prod, shapes.values()))
    if elements < FEWEST:
        message = (
            f"`params` must have at least {FEWEST} elements, which get gradients of every decade "
            f"of scale, got {elements}. Pass a larger example."
        )
        raise ValueError(message)
    return Form(tree.backend, names[0], shapes, tree.treedef, tree.functions)


def standard_form(
    backend: Backend, shapes: Mapping[str, Shape] = SHAPES, *, as_list: bool = False
) -> Form:
    """Return a dict, or a list, of a library's arrays, in float64 where it has it."""
    arrays = {name: backend.from_host(np.zeros(shape)) for name, shape in shapes.items()}
    form = form_of(list(arrays.values()) if as_list else arrays)
    odd = next((name for name in (EMPTY, SCALAR) if name in shapes), None)
    if odd is None:
        return form

    def narrower() -> tuple[Form, str]:
        fewer = {name: shape for name, shape in shapes.items() if name != odd}
        return standard_form(backend, fewer, as_list=as_list), ODD[odd]

    return replace(form, narrower=narrower)


def numpy_form() -> Form:
    """Return a dict of NumPy's float64 arrays."""
    return standard_form(backend_for(np))


def torch_backend() -> Backend:
    """Return torch's backend.

    Raises
    ------
    ImportError
        If there is none.
    """
    entry = registered().get("torch")
    if entry is None:
        message = (
            "`step`, a function of the parameters, is given torch's, and no backend for torch is "
            "registered. Install the whole of gradnoise-core, or pass `params`."
        )
        raise ImportError(message)
    backend: Backend = entry.load()
    return backend


def host(leaf: Any) -> Any:
    """Return a leaf as a NumPy array; of a plain number too."""
    if isinstance(leaf, np.ndarray | np.generic | float | int):
        return np.asarray(leaf)
    return np.asarray(backend_of(leaf).to_numpy(leaf))
