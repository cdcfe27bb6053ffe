"""``.. accuracy-table:: table1/learning``: our accuracies beside the paper's."""

from typing import Any

from recorded_table import RecordedTable, amount
from sphinx.application import Sphinx

__all__ = ["AccuracyTable", "setup"]

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


class AccuracyTable(RecordedTable):
    """Our figures beside the paper's."""

    columns = COLUMNS

    def about(self, document: dict[str, Any]) -> str:
        """Return a sentence on how much was run."""
        common = document["table"][0]["common"]
        return (
            f"{document['data']['title']}; {common['epochs']:,} epochs of batches of "
            f"{common['batch_size']}, {common['dtype']} on {common['backend']}; {amount(document)}."
        )

    def cells(self, document: dict[str, Any]) -> list[list[str]]:
        """Return the table's rows."""
        return [_cells(row) for row in document["table"]]


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


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("accuracy-table", AccuracyTable)
    return {"parallel_read_safe": True}
