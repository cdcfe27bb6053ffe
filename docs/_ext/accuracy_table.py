"""``.. accuracy-table:: table1/learning``: our figures beside the paper's, from a recorded run.

The argument is a folder of ``docs/results`` with the ``table.json`` that the experiment's command
wrote. With the option ``command`` the command stands there instead, and with ``about`` a sentence on
how much was run. Without the file the build fails.
"""

import json
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

__all__ = ["AccuracyTable", "setup"]

RESULTS = Path("results")

COLUMNS = (
    "experiment",
    "setting",
    "runs",
    "best",
    "average",
    "by learning rate",
    "paper: best",
    "paper: average",
)

_logger = logging.getLogger(__name__)


class AccuracyTable(SphinxDirective):
    """A table, or a line of text, from a results file."""

    required_arguments = 1
    option_spec: ClassVar = {"command": directives.flag, "about": directives.flag}

    def run(self) -> list[nodes.Node]:
        """Return the table; warn if there is none, or it is another kind of file."""
        file = RESULTS / self.arguments[0] / "table.json"
        path = Path(self.env.srcdir) / file
        self.env.note_dependency(str(path))
        try:
            document = json.loads(path.read_text("utf-8"))
            if "command" in self.options:
                return [nodes.literal_block("", document["command"], language="text")]
            if "about" in self.options:
                return [nodes.paragraph("", _about(document))]
            return [_table([_cells(row) for row in document["table"]])]
        except (OSError, KeyError, TypeError, ValueError) as error:
            _logger.warning(
                "docs/%s must hold the table of an experiment: %s",
                file.as_posix(),
                f"{type(error).__name__}: {error}",
                location=self.get_location(),
            )
            return []


def _about(document: dict[str, Any]) -> str:
    trials = document["trials"]
    whole = trials["with a result"] == trials["asked for"]
    done = "all of them" if whole else f"{trials['with a result']} of them"
    common = document["table"][0]["common"]
    return (
        f"{document['data']['title']}; {common['epochs']:,} epochs of batches of "
        f"{common['batch_size']}, {common['dtype']} on {common['backend']}; {trials['asked for']} "
        f"trials, {done} with a result, in {document['seconds'] / 60:,.0f} minutes of a worker."
    )


def _cells(row: dict[str, Any]) -> list[str]:
    diverged = f" ({row['diverged']} diverged)" if row["diverged"] else ""
    return [
        row["experiment"],
        row["setting"],
        f"{row['runs']}{diverged}",
        _figure(row, "best"),
        _figure(row, "average"),
        row["average by rate"],
        *("" if row[key] is None else f"{row[key]:.1f}" for key in ("paper best", "paper average")),
    ]


def _figure(row: dict[str, Any], name: str) -> str:
    low, high = row[f"{name} from"], row[f"{name} to"]
    return f"{row[name]:.1f}" if low is None else f"{row[name]:.1f} ({low:.1f} to {high:.1f})"


def _table(rows: list[list[str]]) -> nodes.table:
    group = nodes.tgroup(cols=len(COLUMNS))
    group += [nodes.colspec(colwidth=1) for _ in COLUMNS]
    head, body = nodes.thead(), nodes.tbody()
    head += _row(list(COLUMNS))
    body += [_row(row) for row in rows]
    group += [head, body]
    return nodes.table("", group)


def _row(cells: list[str]) -> nodes.row:
    row = nodes.row()
    for cell in cells:
        row += nodes.entry("", nodes.paragraph("", cell))
    return row


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("accuracy-table", AccuracyTable)
    return {"parallel_read_safe": True}
