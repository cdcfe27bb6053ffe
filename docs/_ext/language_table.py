"""``.. language-table:: language-model/generated``: our perplexities beside the paper's."""

from typing import Any

from recorded_table import RecordedTable, amount
from sphinx.application import Sphinx

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


class LanguageTable(RecordedTable):
    """Our figures beside the paper's."""

    columns = COLUMNS

    def about(self, document: dict[str, Any]) -> str:
        """Return a sentence on how much was run."""
        common = document["table"][0]["common"]
        falls = common["epochs"] - common["flat_epochs"]
        last = common["learning_rate"] / common["divisor"] ** falls
        return (
            f"{document['data']['title']}; {common['epochs']:,} epochs, {common['flat_epochs']} of them "
            f"at rate {common['learning_rate']:g}, which then falls to 1/{1 / last:,.0f}; "
            f"{common['dtype']} on {common['backend']}; {amount(document)}."
        )

    def cells(self, document: dict[str, Any]) -> list[list[str]]:
        """Return the table's rows."""
        return [_cells(row) for row in document["table"]]


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


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("language-table", LanguageTable)
    return {"parallel_read_safe": True}
