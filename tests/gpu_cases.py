"""What kernels for a GPU are asked to draw, run here without one, and what they must answer."""

from typing import Any, NamedTuple

import numpy as np

from gradnoise_core.random import Key, standard_normal

__all__ = [
    "DTYPES",
    "FAR",
    "LEAVES",
    "RANGES",
    "SUMS",
    "Range",
    "expected",
    "expected_leaves",
    "expected_sum",
    "leaf_keys",
    "operand",
]

DTYPES = ("float32", "float16", "bfloat16", "float64")

#: A number below each type's normal ones.
TINY = {"float32": 1e-40, "float16": 1e-7, "bfloat16": 1e-40, "float64": 1e-310}


class Range(NamedTuple):
    """Elements ``[start, start + n)`` under one key, or under `rows` keys that follow from it."""

    key: tuple[int, int]
    start: int
    n: int
    rows: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.rows, self.n) if self.rows else (self.n,)

    def words(self) -> tuple[Any, Any]:
        """Return two Python ints, or two int32 arrays of shape ``(rows,)``."""
        if not self.rows:
            return self.key
        steps = np.arange(self.rows, dtype=np.int64)
        words = [(k + steps * odd) & 0xFFFFFFFF for k, odd in zip(self.key, (977, 31), strict=True)]
        return words[0].astype(np.uint32).view(np.int32), words[1].astype(np.uint32).view(np.int32)


_A, _B = (0x9ABCDEF0, 12345), (0xFFFFFFFF, 0x80000001)

#: Around every border of a 32-bit limb, even and odd at both ends, in one block and in several.
RANGES = (
    Range((0, 0), 0, 1),
    Range((1, 1), 1, 1),
    Range(_A, 0, 3000),
    Range(_A, 16, 2048),
    Range(_B, 1, 1023),
    Range(_A, 2**31 - 3, 8),
    Range(_B, 2**32 - 5, 1031),
    Range(_A, 2**32, 2),
    Range(_B, 2**33 - 1033, 2070),
    Range(_A, 2**34 - 7, 1500),
    Range(_B, 2**63 - 11, 30),
    Range(_A, 2**64 - 1501, 1501),
    Range(_B, 2**64 - 1, 1),
    Range(_A, 5, 0),
    Range(_A, 7, 1030, rows=3),
    Range(_B, 2**33 - 10, 20, rows=5),
    Range(_B, 2**32 - 2, 1, rows=2),
    Range(_A, 0, 0, rows=2),
)

_SHORT, _LONG = Range(_B, 2**32 - 5, 37), Range(_A, 3, 1501)
_SEVERAL = Range(_A, 7, 11, rows=3)

#: Cases of adding noise, each with its standard deviation: a number, or one a row.
SUMS: tuple[tuple[Range, Any], ...] = (
    *((_SHORT, sigma) for sigma in (0.1, 0.0, 1, -3e-39, 1e30)),
    (_LONG, 0.1),
    (_SEVERAL, 0.1),
    (_SEVERAL, [0.5, 0.0, 0.1]),
)

#: Leaf and element of elements that are drawn together, of three leaves.
LEAVES = (
    np.asarray([0, 0, 1, 2, 2, 2, 1, 0] * 140, dtype=np.int32),
    np.concatenate([np.arange(560), 2**31 - 1 - np.arange(560)]).astype(np.int32),
)

#: How much further these elements also lie: indexes have 64 bits, and are unsigned.
FAR = 2**40 - 3 - 2**63


def expected(case: Range) -> Any:
    """Return the normals of a case by the definition, on NumPy."""
    words = [k.copy() if case.rows else k for k in case.words()]
    key = Key(*words)
    return standard_normal(key, (case.n,), within=(case.start + case.n,), at=(case.start,))


def expected_sum(case: Range, sigma: Any, g: Any) -> Any:
    """Return ``g + sigma * z`` in the dtype of g, float32 for 16 bits: two operations of NumPy."""
    wide = g.dtype.type
    scale = np.asarray(sigma, dtype=wide)
    scaled = (scale[:, None] if scale.ndim else scale) * expected(case).astype(wide)
    return g + scaled


def expected_leaves(rows: int, far: int) -> Any:
    """Return the normals of `LEAVES` by the definition, one at a time."""
    high, low = leaf_keys(rows).view(np.uint32).reshape(2, -1, 3)
    out = np.empty((high.shape[0], LEAVES[0].size), dtype=np.float32)
    for row in range(high.shape[0]):
        for leaf in range(3):
            key = Key(int(high[row, leaf]), int(low[row, leaf]))
            for first in (0, 2**31 - 560):  # the indexes lie in two stretches
                z = standard_normal(key, (560,), within=(2**64,), at=((first + far) % 2**64,))
                place = LEAVES[1].astype(np.int64) - first
                here = (LEAVES[0] == leaf) & (place >= 0) & (place < 560)
                out[row, here] = z[place[here]]
    return out if rows else out[0]


def leaf_keys(rows: int) -> Any:
    """Return two int32 arrays of keys of three leaves, with `rows` rows unless 0."""
    shape = (2, rows, 3) if rows else (2, 3)
    bounds = np.iinfo(np.int32)
    return np.random.default_rng(rows).integers(bounds.min, bounds.max, shape, dtype=np.int32)


def operand(shape: tuple[int, ...], tiny: float) -> Any:
    """Return float64 numbers of many magnitudes: zeros, infinities and a `tiny` one first."""
    random = np.random.default_rng(5)
    g = random.standard_normal(shape) * 10.0 ** random.integers(-6, 4, shape)
    flat = g.reshape(-1)
    special = (0.0, -0.0, np.inf, -np.inf, tiny, 65504.0, 1e-7)
    flat[: len(special)] = special[: flat.size]
    return g
