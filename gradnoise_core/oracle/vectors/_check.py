"""Judging a set that another program wrote."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from gradnoise_core.oracle._report import Claim, Report
from gradnoise_core.oracle.vectors._compare import Difference, compare, stated
from gradnoise_core.oracle.vectors._errors import VectorsError, quoted
from gradnoise_core.oracle.vectors._json import canonical
from gradnoise_core.oracle.vectors._manifest import SET_VERSION, Entry, VectorSet
from gradnoise_core.oracle.vectors._registry import matching

__all__ = ["VectorClaim", "check_vectors", "published_vectors"]


def published_vectors() -> Path:
    """Return the folder of the published set, which is part of the distribution.

    Examples
    --------
    >>> sorted(path.name for path in published_vectors().iterdir())[:3]
    ['clipping', 'manifest.json', 'noise']
    """
    return Path(__file__).with_name(f"v{SET_VERSION}")


@dataclass(frozen=True)
class VectorClaim(Claim):
    """The verdict on one vector: a `Claim` whose name is the vector's.

    Parameters
    ----------
    output : str
        The array that differs; "" if none was compared.
    index : tuple of int, optional
        Of its first element that differs, in row-major order.
    """

    output: str = ""
    index: tuple[int, ...] | None = None


def check_vectors(
    folder: str | os.PathLike[str],
    reference: str | os.PathLike[str] | None = None,
    *,
    only: Sequence[str] = (),
) -> Report:
    """Judge the vectors that a program wrote against those that are due.

    Parameters
    ----------
    folder : path
        What the program wrote: a ``manifest.json`` in the format, and the arrays that it computed.
        Of a vector only its outputs are needed; parameters and inputs, where they are repeated,
        must be those of the reference. Its tolerances are not looked at.
    reference : path, optional
        What is due; the published set by default.
    only : sequence of str
        Patterns of the names to judge, as in ``["words", "trajectories/adam/torch"]``.

    Returns
    -------
    Report
        A `VectorClaim` a vector, in the reference's order. One that is missing, or whose file is
        damaged or is not what the manifest says, fails, as does one that the reference does not
        know.

    Raises
    ------
    VectorsError
        If the folder is no set of this format and version, or the reference is damaged.
    ValueError
        If a pattern of `only` matches no vector of the reference.

    Examples
    --------
    >>> report = check_vectors(published_vectors(), only=["schedules", "clipping"])
    >>> report.passed
    True
    >>> print(report.claims[0])
    pass  schedules/annealed/paper
    """
    due = VectorSet(published_vectors() if reference is None else reference)
    seen = VectorSet(folder)
    for version in ("set_version", "stream_version"):
        if seen.manifest[version] != due.manifest[version]:
            message = (
                f"`folder` must answer {version} {due.manifest[version]}, got "
                f"{quoted(seen.manifest[version])}."
            )
            raise VectorsError(message)
    names = matching(due.names, only)
    claims = [_judge(name, seen, due) for name in names]
    unknown = set(matching(seen.names, only, all_used=False)) - set(due.names)
    claims += [
        VectorClaim(name, False, "no vector of this name is due", f"version {_version(due)}")
        for name in sorted(unknown)
    ]
    return Report(f"vectors in {Path(folder)}", tuple(claims))


def _version(due: VectorSet) -> str:
    return str(due.manifest["set_version"])


class _RefusedError(Exception):
    """Why a vector fails without a comparison: what was seen, and what was due."""

    def __init__(self, seen: str, due: str) -> None:
        super().__init__(seen)
        self.seen, self.due = seen, due


def _refuse(seen: str, due: str = "") -> NoReturn:
    raise _RefusedError(seen, due)


def _judge(name: str, seen: VectorSet, due: VectorSet) -> VectorClaim:
    """Return the verdict on one vector; only a damaged reference raises."""
    try:
        given = _given(name, seen, due)
    except _RefusedError as refusal:
        return VectorClaim(name, False, refusal.seen, refusal.due)
    for output, entry in due.entries(name, "outputs").items():
        expected = due.array(entry)
        try:
            array = seen.array(given[output])
        except VectorsError as error:
            return VectorClaim(name, False, f"refused: {error}", "", output=output)
        tolerance = entry.tolerances[given[output].dtype]
        difference = compare(array, expected, tolerance)
        if difference is not None:
            return VectorClaim(
                name,
                False,
                f"{output}{list(difference.index)} is {difference.seen}",
                f"{difference.due} {stated(tolerance)}",
                _cause(name, output, array, difference, due),
                output=output,
                index=difference.index,
            )
    return VectorClaim(name, True)


def _given(name: str, seen: VectorSet, due: VectorSet) -> dict[str, Entry]:
    """Return the entries of a vector's outputs, after comparing what was said of the vector."""
    if name not in seen.manifest["vectors"]:
        _refuse("missing")
    mine, theirs = due.manifest["vectors"][name], seen.manifest["vectors"][name]
    if "parameters" in theirs:
        _check_parameters(theirs["parameters"], mine["parameters"])
    _check_inputs(name, seen, due)
    given, wanted = seen.entries(name, "outputs"), due.entries(name, "outputs")
    if set(given) != set(wanted):
        _refuse(f"outputs {', '.join(sorted(given))}", ", ".join(sorted(wanted)))
    for output, entry in wanted.items():
        other = given[output]
        if other.dtype not in entry.tolerances:
            accepted = " or ".join(entry.tolerances)
            _refuse(f"{output} has dtype {other.dtype}", accepted)
        if other.shape != entry.shape:
            _refuse(f"{output} has shape {other.shape}", str(entry.shape))
    return given


def _check_parameters(theirs: dict[str, Any], mine: dict[str, Any]) -> None:
    for key in sorted({*theirs, *mine}, key=lambda k: (k not in mine, k)):
        if key not in theirs:
            _refuse(f"parameters without {key!r}", "those of the reference, or none")
        if key not in mine or canonical(theirs[key]) != canonical(mine[key]):
            due = quoted(mine[key]) if key in mine else "no such parameter"
            _refuse(f"parameter {quoted(key)} is {quoted(theirs[key])}", due)


def _check_inputs(name: str, seen: VectorSet, due: VectorSet) -> None:
    """Refuse inputs that are repeated and are not those of the reference."""
    given, wanted = seen.entries(name, "inputs"), due.entries(name, "inputs")
    for array in given:
        if array not in wanted:
            _refuse(f"an input {quoted(array)}", ", ".join(wanted) or "no inputs")
        theirs, mine = given[array], wanted[array]
        if theirs.sha256 == mine.sha256:
            continue
        try:
            alike = (theirs.dtype, theirs.shape) == (mine.dtype, mine.shape) and not compare(
                seen.array(theirs), due.array(mine), None
            )
        except VectorsError as error:
            _refuse(f"refused: {error}")
        if not alike:
            _refuse(f"input {array!r} is another array", "that of the reference")


def _cause(name: str, output: str, array: Any, found: Difference, due: VectorSet) -> str:
    """Say how many elements differ, by how much, and which other vector this would be."""
    text = f"{found.count} of {found.size} elements differ"
    if np.isfinite(found.worst):
        text += f", by up to {found.worst:.2g}"
    twins = ", ".join(_twins(name, output, array, due))
    return f"{text}; this is {twins}" if twins else text


def _twins(name: str, output: str, array: Any, due: VectorSet) -> Iterator[str]:
    """Yield the other vectors whose output this is: the same test in another dialect, say."""
    dtype, family = array.dtype.name, name.split("/")[:2]
    for other in due.names:
        entry = due.entries(other, "outputs").get(output)
        if other == name or other.split("/")[:2] != family or entry is None:
            continue
        if entry.shape != array.shape or dtype not in entry.tolerances:
            continue
        if compare(array, due.array(entry), entry.tolerances[dtype]) is None:
            yield other
