"""Hypothesis strategies that several test files share."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st
from libraries import Library

__all__ = ["SEEDS", "STEPS", "Box", "boxes", "evaluate", "far_boxes", "shapes"]

#: Seeds: any 64-bit one, and the borders more often than chance would find them.
SEEDS = st.one_of(
    st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1]), st.integers(0, 2**64 - 1)
)

#: Steps: likewise, of the 32 bits that a traced step has.
STEPS = st.one_of(st.sampled_from([0, 1, 2**31, 2**32 - 1]), st.integers(0, 2**32 - 1))


class Box(NamedTuple):
    """A block of a leaf."""

    shape: tuple[int, ...]
    within: tuple[int, ...]
    at: tuple[int, ...]


def shapes(*, most: int = 4, longest: int = 7) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of up to `most` axes: 0-d, and with axes of length 0 and 1."""
    return st.lists(st.integers(0, longest), max_size=most).map(tuple)


@st.composite
def boxes(draw: st.DrawFn, *, most: int = 4, longest: int = 7) -> Box:
    """Blocks of small leaves: the whole, empty ones, and any offset."""
    within = draw(shapes(most=most, longest=longest), label="within")
    shape = tuple(draw(st.integers(0, n)) for n in within)
    at = tuple(draw(st.integers(0, n - m)) for n, m in zip(within, shape, strict=True))
    return Box(shape, within, at)


@st.composite
def far_boxes(draw: st.DrawFn, *, longest: int = 2**64) -> Box:
    """Small blocks of leaves of up to 2**64 elements, often across a border of the counters.

    `longest` limits the axes; a start that is an int32 array reaches 2**31 - 1 only.
    """
    axes = draw(st.integers(1, 4), label="axes")
    within: tuple[int, ...] = ()
    for _ in range(axes):
        room = min(longest, 2**64 // math.prod(within))
        bits = draw(st.integers(0, room.bit_length() - 1))
        within = (*within, min(room, draw(st.integers(2**bits, 2 ** (bits + 1)))))
    within = tuple(draw(st.permutations(within), label="within"))
    size = math.prod(within)
    borders = [b for b in (2**31, 2**32, 2**33, 2**34, 2**63, size) if b <= size]
    near = st.sampled_from(borders).flatmap(lambda b: st.integers(max(b - 8, 0), min(b + 8, size)))
    start = min(draw(st.one_of(near, st.integers(0, size - 1)), label="start"), size - 1)
    shape = tuple(draw(st.integers(1, min(n, 3))) for n in within)
    at = []
    for n, m in zip(reversed(within), reversed(shape), strict=True):
        start, here = divmod(start, n)
        at.append(min(here, n - m))
    return Box(shape, within, tuple(reversed(at)))


def evaluate(library: Library, draw: Callable[[], Any]) -> Any:
    """Return what `draw` makes as NumPy, a list of arrays or one.

    On JAX it is compiled: of each new shape that is found, JAX would compile every operation.
    """
    made = library.jit(draw)() if library.name == "jax" else draw()
    return [library.numpy(x) for x in made] if isinstance(made, list) else library.numpy(made)
