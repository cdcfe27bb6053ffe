"""``.. memory-table:: table2/tasks``: our errors of memory networks beside the papers'.

The option ``lines`` chooses lines of the table: ``means``, the default, or ``tasks``.
"""

from typing import Any, ClassVar

from docutils.parsers.rst import directives
from recorded_table import RecordedTable, amount
from sphinx.application import Sphinx

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


def _lines(argument: str) -> str:
    return str(directives.choice(argument, ("means", "tasks")))


class MemoryTable(RecordedTable):
    """Our figures beside the paper's."""

    columns = COLUMNS
    option_spec: ClassVar = {**RecordedTable.option_spec, "lines": _lines}

    def about(self, document: dict[str, Any]) -> str:
        """Return a sentence on how much was run."""
        common = document["table"][0]["common"]
        return (
            f"{document['data']['title']}; {common['epochs']:,} epochs with softmax attention, "
            f"{common['dtype']} on {common['backend']}; {amount(document)}."
        )

    def cells(self, document: dict[str, Any]) -> list[list[str]]:
        """Return the table's rows."""
        tasks = self.options.get("lines", "means") == "tasks"
        chosen = [row for row in document["table"] if row["task"].isdigit() == tasks]
        if not chosen:
            message = f"no lines of {'tasks' if tasks else 'means'}"
            raise ValueError(message)
        return [_cells(row) for row in chosen]


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


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("memory-table", MemoryTable)
    return {"parallel_read_safe": True}
