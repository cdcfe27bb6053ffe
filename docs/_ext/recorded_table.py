"""What directives that show a recorded run of an experiment have in common.

The argument is a folder of ``docs/results`` with the ``table.json`` that the experiment's command
wrote. With the option ``command`` the command stands there instead, with ``about`` a sentence on how
much was run, and with ``comparisons`` what the differences came to. Without the file the build fails.
"""

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

__all__ = ["RecordedTable", "amount"]

RESULTS = Path("results")

_logger = logging.getLogger(__name__)


class RecordedTable(SphinxDirective, ABC):
    """A table, or some lines of text, from a results file.

    Attributes
    ----------
    columns : tuple of str
        The table's head.
    """

    required_arguments = 1
    option_spec: ClassVar = {
        "command": directives.flag,
        "about": directives.flag,
        "comparisons": directives.flag,
    }
    columns: ClassVar[tuple[str, ...]]

    @abstractmethod
    def about(self, document: dict[str, Any]) -> str:
        """Return a sentence on how much was run."""

    @abstractmethod
    def cells(self, document: dict[str, Any]) -> list[list[str]]:
        """Return the table's rows."""

    def run(self) -> list[nodes.Node]:
        """Return the nodes; warn if there is no file, or it is of another kind."""
        file = RESULTS / self.arguments[0] / "table.json"
        path = Path(self.env.srcdir) / file
        self.env.note_dependency(str(path))
        try:
            return self._nodes(json.loads(path.read_text("utf-8")))
        except (OSError, KeyError, TypeError, ValueError) as error:
            _logger.warning(
                "docs/%s must hold the table of an experiment: %s",
                file.as_posix(),
                f"{type(error).__name__}: {error}",
                location=self.get_location(),
            )
            return []

    def _nodes(self, document: dict[str, Any]) -> list[nodes.Node]:
        if "command" in self.options:
            return [nodes.literal_block("", document["command"], language="text")]
        if "about" in self.options:
            return [nodes.paragraph("", self.about(document))]
        if "comparisons" in self.options:
            found = document["comparisons"]
            items = [nodes.list_item("", nodes.paragraph("", c["sentence"])) for c in found]
            return [nodes.bullet_list("", *items)]
        return [_table(self.columns, self.cells(document))]


def amount(document: dict[str, Any]) -> str:
    """Return how many trials there were, and how long they took."""
    trials = document["trials"]
    whole = trials["with a result"] == trials["asked for"]
    done = "all of them" if whole else f"{trials['with a result']} of them"
    minutes = document["seconds"] / 60
    return (
        f"{trials['asked for']} trials, {done} with a result, in {minutes:,.0f} minutes of a worker"
    )


def _table(columns: tuple[str, ...], rows: list[list[str]]) -> nodes.table:
    group = nodes.tgroup(cols=len(columns))
    group += [nodes.colspec(colwidth=1) for _ in columns]
    head, body = nodes.thead(), nodes.tbody()
    head += _row(list(columns))
    body += [_row(row) for row in rows]
    group += [head, body]
    return nodes.table("", group)


def _row(cells: list[str]) -> nodes.row:
    row = nodes.row()
    for cell in cells:
        row += nodes.entry("", nodes.paragraph("", cell))
    return row
