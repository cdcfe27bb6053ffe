"""Does a program draw the stream's very numbers? Every boundary, to the bit."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np

from gradnoise_core.backend import backend_of
from gradnoise_core.oracle._report import Claim, Report
from gradnoise_core.oracle._stream_port import draw
from gradnoise_core.oracle._stream_variants import VARIANTS
from gradnoise_core.oracle.vectors._places import PLACES, Place
from gradnoise_core.random import leaf_key, standard_normal, words

__all__ = ["TAKES", "check_stream"]

#: The keywords, and kinds of seed, that a program may take.
TAKES = ("domain", "start", "blocks", "replicas")

#: So many elements tell whose numbers they are.
_SMALL = 64

#: A million elements reach nearly every segment of the table.
_MANY = {"a million elements": (Place(path="w", shape=(1 << 20,)),)}


class _Found(NamedTuple):
    """What came back at a place, and what is due, both as uint32."""

    place: Place
    found: Any
    due: Any
    error: str = ""


def check_stream(
    fn: Callable[..., Any],
    *,
    takes: Collection[str] = TAKES,
    output: Literal["normals", "words"] = "normals",
) -> Report:
    """Judge whether ``fn(seed, path, step, shape, ...)`` draws version 1 of the stream, to the bit.

    Parameters
    ----------
    fn : callable
        ``(seed, path, step, shape, *, domain, within, at)`` -> float32 normals of `shape`, or
        words as int32 or uint32; an array of any library. `seed` and `step` are in [0, 2**64);
        `path` is the leaf's, joined by "/"; `within` is the shape of the whole leaf and `at` where
        the block of `shape` starts in it.
    takes : collection of str
        What `fn` understands beside seed, path, step and shape; the rest is not judged, and the
        report says so. ``"domain"``: the keyword `domain`. ``"blocks"``: `within` and `at`.
        ``"start"``, which counts where ``"blocks"`` is absent: the keyword `start`, the position
        in the leaf of the first of `shape` consecutive elements. ``"replicas"``: `seed` may be a
        tuple of R seeds, and the result has a leading axis of R.
    output : {"normals", "words"}
        What `fn` returns.

    Returns
    -------
    Report
        A claim for each kind of boundary, with the first element that differs. A program that
        fails is compared with wrong variants of the stream, and the mistake that it makes is named
        if it is one of them.

    Raises
    ------
    ValueError
        If `takes` or `output` is unknown.

    See Also
    --------
    check_stream_bits : The same of a `Backend`, by a checksum of a million numbers.

    Examples
    --------
    >>> from gradnoise_core.random import leaf_key, standard_normal
    >>> def mine(seed, path, step, shape, *, domain, within, at):
    ...     key = leaf_key(seed, path, step, domain=domain)
    ...     return standard_normal(key, shape, within=within, at=at)
    >>> check_stream(mine).passed
    True
    """
    unknown = sorted(set(takes) - set(TAKES))
    if unknown:
        message = f"`takes` must be some of {', '.join(map(repr, TAKES))}, got {unknown[0]!r}."
        raise ValueError(message)
    if output not in ("normals", "words"):
        message = f"`output` must be 'normals' or 'words', got {output!r}. Name one."
        raise ValueError(message)
    groups = {
        name: [p for p in places if _within_reach(p, takes)]
        for name, places in {**PLACES, **_MANY}.items()
    }
    found = {
        name: [_ask(fn, place, takes, output) for place in places]
        for name, places in groups.items()
        if places
    }
    wrong = [f for group in found.values() for f in group if _differs(f)]
    cause = _cause(wrong, output)
    claims = tuple(_claim(name, group, output, cause) for name, group in found.items())
    left_out = [what for what in TAKES if what not in takes and what != "start"]
    without = f", not judged on {' and '.join(left_out)}" if left_out else ""
    return Report(f"the {output} of stream version 1{without}", claims)


def _within_reach(place: Place, takes: Collection[str]) -> bool:
    """Return whether a program that takes this much can be asked for a place."""
    if isinstance(place.seed, tuple) and "replicas" not in takes:
        return False
    if place.domain != "gradient-noise" and "domain" not in takes:
        return False
    if place.within is None or "blocks" in takes:
        return True
    return "start" in takes and len(place.within) == 1


def _ask(fn: Callable[..., Any], place: Place, takes: Collection[str], output: str) -> _Found:
    keywords: dict[str, Any] = {"domain": place.domain} if "domain" in takes else {}
    within = place.shape if place.within is None else place.within
    at = (0,) * len(within) if place.at is None else place.at
    if "blocks" in takes:
        keywords |= {"within": within, "at": at}
    elif "start" in takes:
        keywords["start"] = at[0] if place.within is not None else 0
    key = leaf_key(place.seed, place.path, place.step, domain=place.domain)
    right = (words if output == "words" else standard_normal)(
        key, place.shape, within=within, at=at
    )
    due = right.view(np.uint32)
    try:
        answer = fn(place.seed, place.path, place.step, place.shape, **keywords)
        found = np.array(backend_of(answer).to_numpy(answer), order="C")  # 0-d stays so
    except Exception as error:  # noqa: BLE001  # a judge reports, whatever it is
        return _Found(place, None, due, f"{type(error).__name__}: {error}")
    dtypes = ("float32",) if output == "normals" else ("int32", "uint32")
    if str(found.dtype) not in dtypes or found.shape != due.shape:
        seen = f"{found.dtype} of shape {found.shape}, not {' or '.join(dtypes)} of {due.shape}"
        return _Found(place, None, due, seen)
    return _Found(place, found.view(np.uint32), due)


def _differs(f: _Found) -> bool:
    return f.found is None or not np.array_equal(f.found, f.due)


def _claim(name: str, group: list[_Found], output: str, cause: str) -> Claim:
    title = f"{name}: {sum(f.due.size for f in group):,} {output}"
    wrong = [f for f in group if _differs(f)]
    if not wrong:
        return Claim(title, True)
    first = wrong[0]
    if first.found is None:
        return Claim(title, False, f"{first.error} at {_words(first.place)}", "", cause)
    index = tuple(int(i) for i in np.argwhere(first.found != first.due)[0])
    differing = int(np.count_nonzero(first.found != first.due))
    seen = (
        f"{_value(first.found[index], output)} at {list(index)} of {_words(first.place)}, "
        f"the first of {differing} that differ"
    )
    return Claim(title, False, seen, _value(first.due[index], output), cause)


def _value(word: Any, output: str) -> str:
    bits = f"{int(word):#010x}"
    if output == "words":
        return bits
    return f"{float(np.asarray(word, np.uint32).view(np.float32)):.9g} ({bits})"


def _words(place: Place) -> str:
    """Return a place in words: what differs from the plainest place."""
    plain = Place()
    parts = [
        f"{name} {getattr(place, name)!r}"
        for name in ("seed", "domain", "path", "step", "shape", "within", "at")
        if getattr(place, name) != getattr(plain, name)
    ]
    return ", ".join(parts) or "the plainest place"


def _cause(wrong: list[_Found], output: str) -> str:
    """Return the mistake of the variant whose numbers these are, if there is one."""
    drawn = [f for f in wrong if f.found is not None]
    if not drawn:
        return ""
    # Many, so that a match by chance is none; and of a large one, what is around the difference.
    chosen = [_around(f) for f in drawn[:: max(len(drawn) // 12, 1)]]
    return next(_matching(chosen, output), "")


def _around(f: _Found) -> _Found:
    """Return a small part of a large place that is one axis: what differs first, and around it."""
    if f.due.ndim != 1 or f.due.size <= _SMALL or f.place.within is not None:
        return f
    first = int(np.argmax(f.found != f.due))
    start = min(max(first - _SMALL // 2, 0), f.due.size - _SMALL)
    part = slice(start, start + _SMALL)
    place = replace(f.place, shape=(_SMALL,), within=f.place.shape, at=(start,))
    return _Found(place, f.found[part], f.due[part])


def _matching(chosen: list[_Found], output: str) -> Iterator[str]:
    for variant in VARIANTS:
        if all(_same(variant.port, f, output) for f in chosen):
            yield variant.mistake


def _same(port: Any, f: _Found, output: str) -> bool:
    p = f.place
    made = draw(
        port, p.seed, p.path, p.step, p.shape,
        domain=p.domain, within=p.within, at=p.at, words=output == "words",
    )  # fmt: skip
    return bool(np.array_equal(made.view(np.uint32), f.found))
