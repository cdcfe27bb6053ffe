"""``.. stream-quality:: PART``: a table of what dieharder and ten thousand million normals showed.

The figures are those that ``python -m tools.stream_quality`` writes to ``docs/results``. Without
the files, or with normals of another table, the build fails.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from gradnoise_core.random import TABLE_SHA256

__all__ = ["StreamQuality", "setup"]

DIEHARDER = Path("results") / "dieharder.json"
NORMALS = Path("results") / "normals-1e10.json"

SOURCES = ("plain", "interleaved")

#: What the tool adds to a seed to have a fresh one.
FRESH = 1000

Table = tuple[Sequence[str], Iterable[Sequence[str]]]

_logger = logging.getLogger(__name__)


class StreamQuality(SphinxDirective):
    """One table; the argument names one of `PARTS`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table; warn if the figures are absent or not of this stream."""
        if self.arguments[0] not in PARTS:
            message = f"There is no part {self.arguments[0]!r}: {', '.join(PARTS)}."
            raise self.error(message)
        file, part = PARTS[self.arguments[0]]
        path = Path(self.env.srcdir) / file
        self.env.note_dependency(str(path))
        try:
            head, rows = part(json.loads(path.read_text("utf-8")))
            return [_table([head, *rows])]
        except (OSError, KeyError, TypeError, ValueError) as error:
            _logger.warning(
                "docs/%s must hold the figures of tools/stream_quality for this stream: %s",
                file.as_posix(),
                f"{type(error).__name__}: {error}",
                location=self.get_location(),
            )
            return []


def batteries(runs: list[dict[str, Any]]) -> Table:
    """Return a row for each run of all tests."""
    head = ("source", "seed", "p-values", "passed", "weak", "failed")
    keys = ("source", "seed", "tests", "PASSED", "WEAK", "FAILED")
    found = [run for run in runs if run["kind"] == "battery"]
    if not found:
        message = "there is no run of all tests"
        raise ValueError(message)
    total = {key: sum(run[key] for run in found) for key in keys[2:]}
    rows = [*found, {"source": "all", "seed": "", **total}]
    # A source that was never run in full is said to be so, and not left out.
    absent = [
        [source, "no run yet", "", "", "", ""]
        for source in SOURCES
        if source not in _sources(found)
    ]
    return head, [*absent, *([str(row[key]) for key in keys] for row in rows)]


def doubts(runs: list[dict[str, Any]]) -> Table:
    """Return a row for each p-value that did not pass, with what came of testing again."""
    head = ("source", "seed", "test", "p-value", "", "again, same seed", "again, fresh seed")
    rows = []
    for run in runs:
        for r in run["results"] if run["kind"] == "battery" else ():
            again = [_again(runs, run["source"], run["seed"] + k, r) for k in (0, FRESH)]
            name = f"{r['test']} {r['ntuple'] or ''}".strip()
            first = (run["source"], str(run["seed"]), name, f"{r['p']:.8f}", _word(r))
            rows.append([*first, *again])
    return head, rows or [["none"] + [""] * (len(head) - 1)]


def _again(runs: list[dict[str, Any]], source: str, seed: int, doubt: dict[str, Any]) -> str:
    """Return how a test came out at the last round of its repetition."""
    same = [
        r
        for run in runs
        if (run["kind"], run["source"], run["seed"]) == ("retest", source, seed)
        for r in run["results"]
        if (r["number"], r["ntuple"]) == (doubt["number"], doubt["ntuple"])
    ]
    if not same:
        message = f"{doubt['test']} of {source}, seed {seed}, was not repeated"
        raise ValueError(message)
    most = max(r["psamples"] for r in same)
    return ", ".join(f"{r['p']:.8f} {_word(r)}" for r in same if r["psamples"] == most)


def controls(runs: list[dict[str, Any]]) -> Table:
    """Return a row for each bad source: the p-values that failed, of all, test by test."""
    found = [run for run in runs if run["kind"] == "control"]
    if not found or any(all(r["FAILED"] == 0 for r in _of(found, x)) for x in _sources(found)):
        message = "every control must fail a test"
        raise ValueError(message)
    tests = list(dict.fromkeys(run["results"][0]["test"] for run in found))
    rows = []
    for source in _sources(found):
        cells = {
            r["results"][0]["test"]: f"{r['FAILED']} of {r['tests']}" for r in _of(found, source)
        }
        rows.append([source, *(cells.get(test, "") for test in tests)])
    return ("failed of", *tests), rows


def _sources(runs: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(run["source"] for run in runs))


def _of(runs: list[dict[str, Any]], source: str) -> list[dict[str, Any]]:
    return [run for run in runs if run["source"] == source]


def distance(found: dict[str, Any]) -> Table:
    """Return the Kolmogorov distance and the extremes."""
    k = _of_this_table(found)["kolmogorov"]
    rows = [
        ["normals", f"{found['count']:,}"],
        ["Kolmogorov distance", f"{k['at_least']:.3g} to {k['at_most']:.3g}"],
        ["its p-value", f"{k['p_at_least']:.3g} to {k['p_at_most']:.3g}"],
        ["smallest, largest", f"{found['smallest']:.5f}, {found['largest']:.5f}"],
    ]
    return ("", "found"), rows


def moments(found: dict[str, Any]) -> Table:
    """Return a row for each raw moment."""
    head = ("power", "mean of it", "expected", "standard error", "z-score", "p-value")
    rows = [
        [
            str(m["order"]),
            f"{m['value']:.7f}",
            str(m["expected"]),
            f"{m['standard_error']:.2g}",
            f"{m['z']:+.2f}",
            f"{m['p']:.3f}",
        ]
        for m in _of_this_table(found)["moments"]
    ]
    return head, rows


def tails(found: dict[str, Any]) -> Table:
    """Return a row for each tail."""
    head = ("tail", "normals in it", "expected", "p-value")
    rows = [
        [
            f"z {'<' if t['side'] == 'below' else '≥'} {'−' * (t['side'] == 'below')}{t['beyond']:g}",
            f"{t['count']:,}",
            f"{t['expected']:,.1f}",
            f"{t['p']:.3f}",
        ]
        for t in _of_this_table(found)["tails"]
    ]
    return head, rows


def _of_this_table(found: dict[str, Any]) -> dict[str, Any]:
    if found["table"] != TABLE_SHA256:
        message = f"they are of table {found['table']}, not {TABLE_SHA256}; run the tool again"
        raise ValueError(message)
    return found


def _word(result: dict[str, Any]) -> str:
    return str(result["assessment"]).lower()


def _table(rows: list[Sequence[str]]) -> nodes.table:
    group = nodes.tgroup(cols=len(rows[0]))
    group += [nodes.colspec(colwidth=1) for _ in rows[0]]
    head, body = nodes.thead(), nodes.tbody()
    head += _row(rows[0])
    body += [_row(row) for row in rows[1:]]
    group += [head, body]
    return nodes.table("", group)


def _row(cells: Sequence[str]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph(text=cell)) for cell in cells))


PARTS: dict[str, tuple[Path, Callable[[Any], Table]]] = {
    "batteries": (DIEHARDER, batteries),
    "doubts": (DIEHARDER, doubts),
    "controls": (DIEHARDER, controls),
    "distance": (NORMALS, distance),
    "moments": (NORMALS, moments),
    "tails": (NORMALS, tails),
}


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("stream-quality", StreamQuality)
    return {"parallel_read_safe": True}
