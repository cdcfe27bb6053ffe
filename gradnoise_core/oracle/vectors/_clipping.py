"""Vectors of clipping: by global norm, by the norm of each leaf, by value."""

from collections.abc import Callable
from typing import Any

import numpy as np

import gradnoise_core as gn
from gradnoise_core.oracle.vectors._vector import Arrays, Maker, Output, Tolerance, Vector

__all__ = ["MAKERS"]

_TOLERANCES = {
    "float32": {"float32": Tolerance(relative=1e-6)},
    "float64": {"float64": Tolerance(relative=1e-14)},
}

#: The largest finite scale whose squares overflow, and one whose squares vanish.
_FAR = {"float32": (1e30, 1e-30), "float64": (1e300, 1e-300)}

_INF, _NAN = float("inf"), float("nan")

#: The limit, and the elements of leaf a (three) and of leaf b (two by two).
Case = tuple[float, tuple[float, ...], tuple[float, ...]]


def _cases(dtype: str) -> dict[str, Case]:
    """Return the cases by name. The norms are exact: 5 = hypot(3, 4), and 13 of all."""
    huge, tiny = _FAR[dtype]
    below = float(np.nextafter(np.asarray(5, dtype), np.asarray(0, dtype)))
    above = float(np.nextafter(np.asarray(5, dtype), np.asarray(9, dtype)))
    a, b = (3.0, 0.0, -4.0), (0.0, -12.0, 0.0, 0.0)
    none = (0.0, 0.0, 0.0, 0.0)
    return {
        "zero": (1.0, (0.0, 0.0, 0.0), none),
        "negative-zero": (1.0, (-0.0, 0.0, -0.0), none),
        "below": (5.0, (0.3, 0.0, -0.4), none),
        "threshold": (5.0, a, none),
        "just-below": (above, a, none),
        "just-above": (below, a, none),
        "threshold-of-all": (13.0, a, b),
        "small-threshold": (0.0078125, tuple(x / 640 for x in a), none),
        "above-of-all": (6.5, a, b),
        "one-leaf-above": (6.0, a, b),
        "value-at-limit": (4.0, a, (4.0, -4.0, 3.999, -4.001)),
        "far-above": (0.5, tuple(1000 * x for x in a), b),
        "squares-overflow": (1.0, tuple(huge * x for x in a), tuple(huge * x for x in b)),
        "squares-vanish": (tiny, tuple(tiny * x for x in a), tuple(tiny * x for x in b)),
        "one-infinite": (1.0, (3.0, _INF, -4.0), b),
        "minus-infinite": (1.0, a, (0.0, -_INF, 5.0, 0.0)),
        "one-nan": (1.0, (3.0, _NAN, -4.0), b),
        "nan-and-infinite": (1.0, (_NAN, 0.5, -4.0), (_INF, -_INF, 5.0, 0.25)),
    }


_KINDS: dict[str, tuple[Callable[[float], Any], str]] = {
    "global-norm": (
        gn.clip_by_global_norm,
        (
            "The leaves a[i] and b[i] are scaled by min(1, limits[i] / norm) with the norm of both; "
            "where it is not finite they stay as they are."
        ),
    ),
    "norm": (
        gn.clip_by_norm,
        (
            "Each of the leaves a[i] and b[i] is scaled by min(1, limits[i] / norm) with its own norm; "
            "where that is not finite the leaf stays as it is."
        ),
    ),
    "value": (
        gn.clip_by_value,
        "Each element of a[i] and b[i] is limited to [-limits[i], limits[i]]; NaN stays NaN.",
    ),
}


def _of(kind: str, dtype: str) -> Maker:
    make_clip, description = _KINDS[kind]

    def make(arrays: Arrays) -> Vector:
        cases = _cases(dtype)
        a = np.asarray([case[1] for case in cases.values()], dtype)
        b = np.asarray([case[2] for case in cases.values()], dtype).reshape(-1, 2, 2)
        limits = [case[0] for case in cases.values()]
        found = []
        for limit, *leaves in zip(limits, a, b, strict=True):
            clip = make_clip(limit)
            tree = dict(zip("ab", map(arrays.array, leaves), strict=True))
            found.append(clip.update(tree, clip.init(tree))[0])
        clipped = {n: np.stack([arrays.numpy(x[n]) for x in found]) for n in "ab"}
        return Vector(
            f"{description} In {dtype}; row i is the case names[i].",
            {"clip": kind, "names": list(cases), "limits": limits},
            {n: Output(x, _TOLERANCES[dtype]) for n, x in clipped.items()},
            {"a": a, "b": b},
        )

    return make


MAKERS: dict[str, Maker] = {
    f"clipping/{kind}/{dtype}": _of(kind, dtype) for kind in _KINDS for dtype in _TOLERANCES
}
