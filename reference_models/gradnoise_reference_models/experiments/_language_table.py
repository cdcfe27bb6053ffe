"""The table of the language model: ours beside the paper's."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gradnoise_reference_models.experiments._language_compare import comparisons
from gradnoise_reference_models.experiments._language_rows import FIGURES, Row, labels

__all__ = ["COLUMNS", "NOTE", "csv_of", "json_of"]

#: What the columns mean.
NOTE = (
    "Perplexities per word, sentence ends included, averaged over the runs; a run whose perplexity "
    "is not finite counts as infinite. Test: one stream, after the last epoch. Validation: 20 "
    "streams, whole windows, after the last epoch, and of each run's best epoch. Training: the "
    "running one of the last epoch, with dropout. sd of E: the standard deviation of the "
    "embedding's weights. Intervals are bootstrapped at 95 % over the runs, and too narrow where "
    "these are few; those of differences are Student's, of runs with the same seed. The paper's "
    "figures are of the Penn Treebank and 200 units with dropout: of another text or network only "
    "what noise changes is to be set beside them."
)

COLUMNS = (
    "text and network",
    "setting",
    "runs",
    "diverged",
    *(f"{figure}{end}" for figure in FIGURES for end in ("", " from", " to")),
    "best test",
    "embedding sd",
    "paper",
)


def csv_of(table: Sequence[Row]) -> bytes:
    """Return the table as CSV; what is in the settings comes after the figures."""
    names = sorted({name for row in table for name in row.variant})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, "eta", *(name.replace("_", " ") for name in names)])
    for label, row in zip(labels(table), table, strict=True):
        figures = [f"{x:.6g}" if isinstance(x, float) else x for x in _cells(label, row)]
        writer.writerow([*figures, f"{row.eta:g}", *(row.variant.get(name) for name in names)])
    return text.getvalue().encode()


def json_of(table: Sequence[Row], about: Mapping[str, Any]) -> bytes:
    """Return the table and the comparisons as JSON, with what `about` says of the run.

    JSON has neither NaN nor infinity: such a figure is text.
    """
    found = [
        {
            **{
                name: _plain(value) for name, value in zip(COLUMNS, _cells(label, row), strict=True)
            },
            "eta": row.eta,
            "seeds": row.seeds,
            "tests": [_plain(value) for value in row.values("test")],
            "common": dict(row.variant),
        }
        for label, row in zip(labels(table), table, strict=True)
    ]
    compared = [
        {name: _plain(value) for name, value in asdict(one).items()} | {"sentence": one.sentence}
        for one in comparisons(table)
    ]
    document = {**about, "score": NOTE, "table": found, "comparisons": compared}
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _cells(label: tuple[str, str], row: Row) -> list[Any]:
    """Return the figures under `COLUMNS`."""
    averages = (row.average(figure) for figure in FIGURES)
    return [
        *label,
        len(row.records),
        row.diverged,
        *(x for value, interval in averages for x in (value, *(interval or (None, None)))),
        min(row.values("test")),
        row.spread,
        row.paper,
    ]
