"""The one table of vectors: the writer, the checker, the tests, the pages and the command read it."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import accumulate
from types import MappingProxyType

from gradnoise_core.oracle.vectors import (
    _clipping,
    _noise,
    _normals,
    _schedules,
    _trajectories,
    _words,
)
from gradnoise_core.oracle.vectors._vector import Maker

__all__ = ["SETS", "VECTORS", "matching"]

#: What each family is about, by the first part of its vectors' names.
SETS: Mapping[str, tuple[str, Mapping[str, Maker]]] = MappingProxyType(
    {
        "schedules": ("variance and standard deviation, learning rates", _schedules.MAKERS),
        "words": ("the cipher, keys, and words at every boundary", _words.MAKERS),
        "normals": ("the quantile table, and normals at every boundary", _normals.MAKERS),
        "noise": ("gradient noise and weight noise", _noise.MAKERS),
        "clipping": ("by global norm, by norm, by value", _clipping.MAKERS),
        "trajectories": ("every optimizer in every dialect", _trajectories.MAKERS),
    }
)

#: Every vector of the current set, by name.
VECTORS: Mapping[str, Maker] = MappingProxyType(
    {name: maker for _, makers in SETS.values() for name, maker in makers.items()}
)


def matching(names: Iterable[str], only: Sequence[str], *, all_used: bool = True) -> list[str]:
    """Return the names that any pattern of `only` matches, as they come; all without a pattern.

    A pattern matches a name, or the beginning of one up to a ``/``, as shells match files:
    ``trajectories/adam``, ``*/torch``, ``words``.

    Raises
    ------
    ValueError
        If a pattern matches nothing and `all_used`.
    """
    names = list(names)
    if isinstance(only, str):
        message = f"`only` must be a sequence of patterns, got {only!r}. Pass [{only!r}]."
        raise TypeError(message)
    if not only:
        return names
    beginnings = {n: list(accumulate(n.split("/"), lambda a, b: f"{a}/{b}")) for n in names}
    found = {
        pattern: [n for n in names if any(fnmatchcase(b, pattern) for b in beginnings[n])]
        for pattern in only
    }
    idle = [pattern for pattern, matched in found.items() if not matched]
    if idle and all_used:
        message = (
            f"`only` must match vectors, got {idle[0]!r}, which matches none of {len(names)}. "
            "`gradnoise vectors list` shows their names."
        )
        raise ValueError(message)
    wanted = {n for matched in found.values() for n in matched}
    return [n for n in names if n in wanted]
