"""Vectors of the standard normals: compared to the bit."""

from typing import Any

import numpy as np

from gradnoise_core.oracle.vectors._places import PLACES, Place
from gradnoise_core.oracle.vectors._vector import BITS, Arrays, Maker, Output, Vector
from gradnoise_core.random import leaf_key, standard_normal
from gradnoise_core.random._normal import quantile

__all__ = ["MAKERS", "border_words"]

#: Segments of the table: 33 octaves of 512.
SEGMENTS = 33 * 512

_FLOAT32 = {"float32": BITS}


def border_words() -> Any:
    """Return the first and the last word of every segment of the table, as uint32.

    Of each pair of words at a border, those of odd segments are taken from the positive half.
    """
    low, high = np.zeros(SEGMENTS, np.int64), np.full(SEGMENTS, 2**31, np.int64)
    wanted = np.arange(SEGMENTS)
    for _ in range(32):  # the first magnitude of each segment, by bisection
        middle = (low + high) // 2
        reached = _segment(np.minimum(middle, 2**31 - 1)) >= wanted
        low, high = np.where(reached, low, middle + 1), np.where(reached, middle, high)
        low = np.minimum(low, high)
    first = np.unique(high[high < 2**31])
    pairs = np.stack([np.maximum(first - 1, 0), first], axis=-1)
    flip = np.where(np.arange(len(first)) % 2 == 1, 2**32 - 1, 0)[:, None]
    ends = [0, 2**31 - 1, 2**31, 2**32 - 1]
    return np.concatenate([ends, (pairs ^ flip).reshape(-1)]).astype(np.uint32)


def _segment(m: Any) -> Any:
    """Return the segment of a magnitude in [0, 2**31)."""
    bits = (m.astype(np.float32) + np.float32(0.5)).view(np.int32)
    return (bits.astype(np.int64) >> 14) - (126 << 9)


def _quantile(arrays: Arrays) -> Vector:
    given = border_words()
    found = arrays.numpy(quantile(arrays.backend, arrays.array(given.view(np.int32))))
    return Vector(
        "normals[i] is the standard normal z(words[i]). The words are the ends of the range and "
        "both sides of every border between segments of the table.",
        {},
        {"normals": Output(np.asarray(found, np.float32), _FLOAT32)},
        {"words": given},
    )


def drawn(arrays: Arrays, place: Place) -> Any:
    """Return the float32 normals of a place, as an array of the library."""
    key = leaf_key(place.seed, place.path, place.step, domain=place.domain)
    return standard_normal(
        key, place.shape, xp=arrays.xp, device=arrays.device, within=place.within, at=place.at
    )


def _of_places(places: tuple[Place, ...]) -> Maker:
    def make(arrays: Arrays) -> Vector:
        found = np.stack([arrays.numpy(drawn(arrays, p)) for p in places])
        return Vector(
            "normals[i] are the standard normals of cases[i]; replicas come first.",
            {"cases": [p.as_json() for p in places]},
            {"normals": Output(found, _FLOAT32)},
        )

    return make


MAKERS: dict[str, Maker] = {
    "normals/quantile": _quantile,
    **{f"normals/{name}": _of_places(places) for name, places in PLACES.items()},
}
