"""``.. memory-table:: table2/tasks``: our figures of memory networks beside the papers'.

The argument is a folder of ``docs/results`` with the ``table.json`` that the experiment's command
wrote. With the option ``command`` the command stands there instead, with ``about`` a sentence on how
much was run, and with ``comparisons`` what the differences came to. ``lines`` chooses lines of the
table: ``means``, the default, or ``tasks``. Without the file the build fails.
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

__all__ = ["MemoryTable", "setup"]

COLUMNS = (
    "task",
    "procedure",
    "setting",
    "restarts",
    "best: train, validation, test",
    "mean: train",
    "mean: validation",
    "paper: train, validation",
    "published: test",
)

_logger = logging.getLogger(__name__)


def _lines(argument: str) -> str:
    return str(directives.choice(argument, ("means", "tasks")))


class MemoryTable(SphinxDirective):
    """A table, or some lines of text, from a results file."""

    required_arguments = 1
    option_spec: ClassVar = {
        "command": directives.flag,
        "about": directives.flag,
        "comparisons": directives.flag,
        "lines": _lines,
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
        tasks = self.options.get("lines", "means") == "tasks"
        chosen = [row for row in document["table"] if row["task"].isdigit() == tasks]
        if not chosen:
            message = f"no lines of {'tasks' if tasks else 'means'}"
            raise ValueError(message)
        return [_table([_cells(row) for row in chosen])]


def _about(document: dict[str, Any]) -> str:
    trials = document["trials"]
    whole = trials["with a result"] == trials["asked for"]
    done = "all of them" if whole else f"{trials['with a result']} of them"
    common = document["table"][0]["common"]
    return (
        f"{document['data']['title']}; {common['epochs']:,} epochs with softmax attention, "
        f"{common['dtype']} on {common['backend']}; {trials['asked for']} trials, {done} with a "
        f"result, in {document['seconds'] / 60:,.0f} minutes of a worker."
    )


def _cells(row: dict[str, Any]) -> list[str]:
    diverged = f" ({row['diverged']} diverged)" if row["diverged"] else ""
    low, high = row["mean validation from"], row["mean validation to"]
    interval = "" if low is None else f" ({low:.1f} to {high:.1f})"
    best = ", ".join(f"{row[f'best {name}']:.1f}" for name in ("train", "validation", "test"))
    paper = row["paper train"], row["paper validation"]
    return [
        row["task"],
        row["procedure"],
        row["setting"],
        f"{row['restarts']}{diverged}",
        best,
        f"{row['mean train']:.1f}",
        f"{row['mean validation']:.1f}{interval}",
        "" if paper[0] is None else f"{paper[0]:.1f}, {paper[1]:.1f}",
        "" if row["published test"] is None else f"{row['published test']:.1f}",
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
    app.add_directive("memory-table", MemoryTable)
    return {"parallel_read_safe": True}
