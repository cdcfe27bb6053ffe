"""``.. benchmark-table:: ratios``: figures of the benchmarks, from the results that are committed.

The figures are those of ``gradnoise bench``, in ``benchmarks/results``. The argument is one of the
suite's tables, or ``targets``, ``header`` or ``command``. The option ``device`` chooses the file,
``section`` the rows of a section; with ``otherwise`` that text stands where there is no file, and
without it the build fails.
"""

from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from benchmarks.records import Document
from benchmarks.tables import TABLES, Table, header, targets
from benchmarks.targets import judge

__all__ = ["BenchmarkTable", "setup"]

RESULTS = Path("benchmarks") / "results"

_logger = logging.getLogger(__name__)


class BenchmarkTable(SphinxDirective):
    """A table, or a line of text, from a results file."""

    required_arguments = 1
    option_spec: ClassVar = {
        "device": directives.unchanged_required,
        "section": directives.unchanged_required,
        "otherwise": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        """Return the table; warn if there is no file and no other text."""
        kind, device = self.arguments[0], self.options.get("device", "cpu")
        if kind not in (*TABLES, "targets", "header", "command"):
            message = f"There is no table {kind!r}: {', '.join(TABLES)}, targets, header, command."
            raise self.error(message)
        folder = Path(self.env.srcdir).parent / RESULTS
        path = folder / f"{device}.json"
        self.env.note_dependency(str(path))
        if not path.exists() and "otherwise" in self.options:
            return [nodes.paragraph("", self.options["otherwise"])]
        try:
            document = Document.from_json(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            message = f"{(RESULTS / path.name).as_posix()} must hold the figures of gradnoise bench"
            _logger.warning("%s: %s", message, why, location=self.get_location())
            return []
        return self._draw(kind, document, folder)

    def _draw(self, kind: str, document: Document, folder: Path) -> list[nodes.Node]:
        if kind == "header":
            return [nodes.paragraph("", header(document))]
        if kind == "command":
            return [nodes.literal_block("", document.command, language="text")]
        if kind == "targets":
            paths = sorted(folder.glob("*.json"))
            documents = [Document.from_json(path.read_text("utf-8")) for path in paths]
            return _table(targets(judge(documents)))
        table = TABLES[kind](document.found, document.found.rates)
        if "section" in self.options:
            table = table.of(self.options["section"])
        if not table.rows and kind != "not-measured":
            return [nodes.paragraph("", "Not measured in the run that is recorded.")]
        return _table(table)


def _table(table: Table) -> list[nodes.Node]:
    """Return a table, or a paragraph where there is no row."""
    if not table.rows:
        return [nodes.paragraph("", "None.")]
    group = nodes.tgroup(cols=len(table.columns))
    group += [nodes.colspec(colwidth=1) for _ in table.columns]
    head, body = nodes.thead(), nodes.tbody()
    head += _row(table.columns)
    body += [_row(row) for row in table.rows]
    group += [head, body]
    return [nodes.table("", nodes.title("", table.title), group, classes=["benchmarks"])]


def _row(cells: tuple[str, ...]) -> nodes.row:
    row = nodes.row()
    for cell in cells:
        row += nodes.entry("", nodes.paragraph("", cell))
    return row


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("benchmark-table", BenchmarkTable)
    return {"parallel_read_safe": True}
