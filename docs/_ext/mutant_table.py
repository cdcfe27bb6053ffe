"""The oracle's score: ``.. mutant-table:: noise clipping`` and ``.. false-alarm-table::``.

The first has a row for each wrong implementation of the catalogue, of the kinds named, or of all.
The second shows what ``python -m tools.oracle_false_alarms`` recorded of the right ones; without
its file, or with an alarm in it, the build fails.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from gradnoise_core.oracle.mutants import MUTANTS
from gradnoise_core.oracle.mutants._catalogue import Kind

__all__ = ["FalseAlarmTable", "MutantTable", "setup"]

RESULTS = Path("results") / "oracle-false-alarms.json"

_logger = logging.getLogger(__name__)


class MutantTable(SphinxDirective):
    """A row a wrong implementation: its name, what is wrong, where it was found, who catches it."""

    optional_arguments = len(get_args(Kind))

    def run(self) -> list[nodes.Node]:
        """Return how many there are, and the table; refuse an unknown kind."""
        kinds = self.arguments or list(get_args(Kind))
        for kind in kinds:
            if kind not in get_args(Kind):
                message = f"There is no kind {kind!r} of mutants: {', '.join(get_args(Kind))}."
                raise self.error(message)
        chosen = [m for m in MUTANTS if m.kind in kinds]
        rows = [
            [
                nodes.literal(text=m.name),
                nodes.Text(m.wrong),
                nodes.Text(m.source),
                nodes.literal(text=m.check),
            ]
            for m in chosen
        ]
        total = nodes.paragraph(text=f"{len(chosen)} wrong implementations, all caught:")
        return [total, _table(("name", "what is wrong", "source", "caught by"), rows)]


class FalseAlarmTable(SphinxDirective):
    """A row a right implementation: under how many seeds it was judged, and what came of it."""

    def run(self) -> list[nodes.Node]:
        """Return the table; warn if the figures are absent, or not those of a good judge."""
        path = Path(self.env.srcdir) / RESULTS
        self.env.note_dependency(str(path))
        try:
            found = json.loads(path.read_text("utf-8"))["implementations"]
            rows = [
                [
                    nodes.literal(text=name),
                    nodes.literal(text=f["check"]),
                    nodes.Text(f"{f['seeds']:,}"),
                    nodes.Text(str(len(f["alarms"]))),
                    nodes.Text(f"{f['smallest_p_value']:.1e}" if f["seeds"] > 1 else ""),
                ]
                for name, f in found.items()
            ]
        except (OSError, KeyError, TypeError, ValueError) as error:
            said = f"{type(error).__name__}: {error}"
            _logger.warning(
                "docs/%s must hold the figures of tools/oracle_false_alarms.py: %s",
                RESULTS.as_posix(), said, location=self.get_location(),
            )  # fmt: skip
            return []
        if any(f["alarms"] for f in found.values()):
            _logger.warning("docs/%s holds a false alarm", RESULTS.as_posix())
        head = ("right implementation", "judged by", "seeds", "alarms", "smallest p-value")
        return [_table(head, rows)]


def _table(head: Sequence[str], rows: Iterable[Sequence[nodes.Node]]) -> nodes.table:
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    top, body = nodes.thead(), nodes.tbody()
    top += _row([nodes.Text(text) for text in head])
    body += [_row(row) for row in rows]
    group += [top, body]
    return nodes.table("", group)


def _row(cells: Sequence[nodes.Node]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("mutant-table", MutantTable)
    app.add_directive("false-alarm-table", FalseAlarmTable)
    return {"parallel_read_safe": True}
