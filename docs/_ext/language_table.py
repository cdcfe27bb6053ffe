"""``.. language-table:: language-model/shakespeare``: our perplexities beside the paper's.

The argument is a folder of ``docs/results`` with the ``table.json`` that the command wrote. With the
option ``command`` the command stands there instead, with ``about`` a sentence on how much was run, and
with ``comparisons`` what the differences came to. Without the file the build fails.
"""

import json
from pathlib import Path
from typing import Any, ClassVar

from accuracy_table import RESULTS, _row
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

__all__ = ["LanguageTable", "setup"]

COLUMNS = (
    "text and network",
    "setting",
    "runs",
    "test",
    "validation",
    "best validation",
    "train",
    "sd of E",
    "paper",
)

_logger = logging.getLogger(__name__)


class LanguageTable(SphinxDirective):
    """A table, or some lines of text, from a results file."""

    required_arguments = 1
    option_spec: ClassVar = {
        "command": directives.flag,
        "about": directives.flag,
        "comparisons": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        """Return the table; warn if there is none, or it is another kind of file."""
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
            return [nodes.paragraph("", _about(document))]
        if "comparisons" in self.options:
            found = document["comparisons"]
            items = [nodes.list_item("", nodes.paragraph("", c["sentence"])) for c in found]
            return [nodes.bullet_list("", *items)]
        return [_table([_cells(row) for row in document["table"]])]


def _about(document: dict[str, Any]) -> str:
    trials = document["trials"]
    whole = trials["with a result"] == trials["asked for"]
    done = "all of them" if whole else f"{trials['with a result']} of them"
    common = document["table"][0]["common"]
    last = common["learning_rate"] / common["divisor"] ** (common["epochs"] - common["flat_epochs"])
    return (
        f"{document['data']['title']}; {common['epochs']:,} epochs, {common['flat_epochs']} of them at "
        f"rate {common['learning_rate']:g}, which then falls to 1/{1 / last:,.0f}; {common['dtype']} on "
        f"{common['backend']}; {trials['asked for']} trials, {done} with a result, in "
        f"{document['seconds'] / 60:,.0f} minutes of a worker."
    )


def _cells(row: dict[str, Any]) -> list[str]:
    diverged = f" ({row['diverged']} diverged)" if row["diverged"] else ""
    low, high = row["test from"], row["test to"]
    interval = "" if low is None else f" ({float(low):.1f} to {float(high):.1f})"
    return [
        row["text and network"],
        row["setting"],
        f"{row['runs']}{diverged}",
        f"{float(row['test']):.1f}{interval}",
        *(f"{float(row[name]):.1f}" for name in ("validation", "best validation", "train")),
        f"{float(row['embedding sd']):.3g}",
        "" if row["paper"] is None else f"{row['paper']:.0f}",
    ]


def _table(rows: list[list[str]]) -> nodes.table:
    group = nodes.tgroup(cols=len(COLUMNS))
    group += [nodes.colspec(colwidth=1) for _ in COLUMNS]
    head, body = nodes.thead(), nodes.tbody()
    head += _row(list(COLUMNS))
    body += [_row(row) for row in rows]
    group += [head, body]
    return nodes.table("", group)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("language-table", LanguageTable)
    return {"parallel_read_safe": True}
