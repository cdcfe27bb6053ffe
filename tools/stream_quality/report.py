"""A run of dieharder as text: what we say of it, around what it says itself."""

import re
from typing import Any, NamedTuple

__all__ = ["Result", "Run", "final", "parse", "summary"]

ASSESSMENTS = ("PASSED", "WEAK", "FAILED")

_NOTE = re.compile(r"# (\w+): (.*)")
_VERSION = re.compile(r"#\s+dieharder version (\S+)")
#: test | its number | ntuple | samples | p samples | p | assessment
_RESULT = re.compile(
    r"\s*(?P<test>\w+)\|\s*(\d+)\|\s*(\d+)\|\s*(\d+)\|\s*(\d+)\|"
    r"\s*(?P<p>[\d.]+)\|\s*(?P<assessment>\w+)\s*"
)


class Result(NamedTuple):
    """One p-value."""

    test: str
    number: int
    ntuple: int
    samples: int
    psamples: int
    p: float
    assessment: str


class Run(NamedTuple):
    """A report: our notes (kind, source, seed, command, seconds), the version, the p-values."""

    notes: dict[str, str]
    version: str
    results: list[Result]


def parse(text: str) -> Run:
    """Return what a report says; refuse one that is cut short or that has a line not understood."""
    notes: dict[str, str] = {}
    version = ""
    results: list[Result] = []
    for line in text.splitlines():
        if note := _NOTE.fullmatch(line):
            notes[note[1]] = note[2]
        elif found := _VERSION.match(line):
            version = found[1]
        elif line.count("|") == 6 and "p-value" not in line:
            results.append(_result(line))
    missing = {"kind", "source", "seed", "command", "seconds"} - notes.keys()
    if missing or not version or not results:
        message = f"A report must be whole; without {sorted(missing) or 'results'}: {text[:200]!r}"
        raise ValueError(message)
    return Run(notes, version, results)


def _result(line: str) -> Result:
    found = _RESULT.fullmatch(line)
    if found is None or found["assessment"] not in ASSESSMENTS:
        message = f"A line of results was not understood: {line!r}"
        raise ValueError(message)
    number, ntuple, samples, psamples = (int(found[k]) for k in range(2, 6))
    p = float(found["p"])
    return Result(found["test"], number, ntuple, samples, psamples, p, found["assessment"])


def final(results: list[Result]) -> list[Result]:
    """Return the p-values of the last round: ``-Y 1`` gives them again with more samples."""
    most: dict[tuple[int, int], int] = {}
    for r in results:
        most[r.number, r.ntuple] = max(most.get((r.number, r.ntuple), 0), r.psamples)
    return [r for r in results if r.psamples == most[r.number, r.ntuple]]


def summary(run: Run) -> dict[str, Any]:
    """Return a run as JSON holds it: the counts, and the p-values that ask to be looked at.

    Of a battery these are those that did not pass; of a shorter run, all, of every round.
    """
    last = final(run.results)
    battery = run.notes["kind"] == "battery"
    return {
        "kind": run.notes["kind"],
        "source": run.notes["source"],
        "seed": int(run.notes["seed"]),
        "command": run.notes["command"],
        "dieharder": run.version,
        "seconds": int(run.notes["seconds"]),
        "tests": len(last),
        **{a: sum(r.assessment == a for r in last) for a in ASSESSMENTS},
        "results": [r._asdict() for r in run.results if not battery or r.assessment != "PASSED"],
    }
