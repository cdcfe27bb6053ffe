"""The trials of a language model as rows: one noise on one text each, over its runs."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gradnoise_reference_models.experiments.bootstrap import Interval, mean_interval
from gradnoise_reference_models.experiments.language_model import ETAS, label, paper
from gradnoise_reference_models.runner import Record

__all__ = ["FIGURES", "Row", "labels", "rows"]

#: The perplexities of a run: what they are called, and the metric.
FIGURES = {
    "test": "test_perplexity",
    "validation": "validation_perplexity",
    "best validation": "best_validation_perplexity",
    "train": "train_perplexity",
}

#: Of a setting: what the title of a group of rows says.
_TITLE = ("corpus", "vocabulary", "units", "layers", "dropout_rate")


@dataclass(frozen=True)
class Row:
    """The runs with one noise. `variant` is what else they have in common; records are by seed."""

    eta: float
    variant: Mapping[str, Any]
    records: Sequence[Record] = field(repr=False)

    @property
    def seeds(self) -> list[int]:
        """Seed of each run."""
        return [record.seed for record in self.records]

    @property
    def diverged(self) -> int:
        """How many runs ended in numbers that are not finite."""
        return sum(record.status == "diverged" for record in self.records)

    @property
    def paper(self) -> float | None:
        """The paper's perplexity, if it has one."""
        return paper(self.eta)

    @property
    def spread(self) -> float:
        """The standard deviation of the embedding's weights, averaged over the runs."""
        return _mean([record.metrics["embedding_sd"] for record in self.records])

    def values(self, figure: str) -> list[float]:
        """Return a perplexity of each run; one that is not a number is infinite."""
        found = (record.metrics[FIGURES[figure]] for record in self.records)
        return [math.inf if math.isnan(value) else value for value in found]

    def average(self, figure: str) -> tuple[float, Interval | None]:
        """Return the average over the runs and its interval, which infinite ones have not."""
        values = self.values(figure)
        finite = all(map(math.isfinite, values))
        return _mean(values), mean_interval([values]) if finite else None


def rows(records: Iterable[Record]) -> list[Row]:
    """Return the rows, the noises of a variant in the paper's order; failed trials have no result."""
    found: dict[str, list[Record]] = {}
    for record in records:
        if record.status != "failed":
            where = json.dumps([record.setting["eta"], _variant(record)], sort_keys=True)
            found.setdefault(where, []).append(record)
    return sorted(map(_row, found.values()), key=_order)


def labels(table: Sequence[Row]) -> list[tuple[str, str]]:
    """Return each row's text and network in words, and its noise."""
    titles = [_title(row) for row in table]
    out = []
    for title, row in zip(titles, table, strict=True):
        same = [r for t, r in zip(titles, table, strict=True) if t == title]
        differences = [
            f"{name.replace('_', ' ')} {f'{value:g}' if isinstance(value, float) else value}"
            for name, value in sorted(row.variant.items())
            if any(r.variant.get(name) != value for r in same)
        ]
        out.append(("; ".join([title, *differences]), label(row.eta)))
    return out


def _title(row: Row) -> str:
    corpus, vocabulary, units, layers, rate = (row.variant[name] for name in _TITLE)
    dropout = f"dropout {rate:g}" if rate else "no dropout"
    return f"{corpus}, {vocabulary:,} words; {layers} x {units} units, {dropout}"


def _variant(record: Record) -> dict[str, Any]:
    whole = {**record.setting, **record.conditions}
    return {name: value for name, value in whole.items() if name != "eta"}


def _row(records: Sequence[Record]) -> Row:
    by_seed = sorted(records, key=lambda r: r.seed)
    return Row(float(records[0].setting["eta"]), _variant(records[0]), by_seed)


def _order(row: Row) -> tuple[Any, ...]:
    variant = [str(row.variant[name]) for name in (*_TITLE, *sorted(row.variant))]
    return variant, ETAS.index(row.eta) if row.eta in ETAS else len(ETAS), row.eta


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
