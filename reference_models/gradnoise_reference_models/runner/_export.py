"""Stored trials as a table: one row a trial, or one a point of a curve; as CSV or Parquet."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from gradnoise_reference_models._extras import require
from gradnoise_reference_models.checkpoint import written_whole
from gradnoise_reference_models.runner._record import Record

__all__ = ["FORMATS", "curve_columns", "export", "trial_columns"]

#: A table by columns, all of one length.
Columns = dict[str, list[Any]]

_BEFORE = ("key", "experiment", "version", "seed", "status")
_AFTER = ("error", "attempts", "group_size", "seconds", "started", "finished")


def trial_columns(records: Sequence[Record]) -> Columns:
    """Return a row a trial; parts of the setting are ``setting.eta`` and so on.

    A value that a trial has not is None.
    """
    parts = ("setting", "conditions", "metrics", "host", "versions")
    columns: Columns = {name: [getattr(r, name) for r in records] for name in _BEFORE}
    for part in parts[:3]:
        columns |= _spread(part, [getattr(r, part) for r in records])
    columns |= {name: [getattr(r, name) for r in records] for name in _AFTER}
    for part in parts[3:]:
        columns |= _spread(part, [getattr(r, part) for r in records])
    return columns


def curve_columns(records: Sequence[Record]) -> Columns:
    """Return a row a point of each curve: the trial, the curve's name, the index, the value."""
    points = [
        (record, name, index, value)
        for record in records
        for name, values in record.curves.items()
        for index, value in enumerate(values.tolist())
    ]
    columns: Columns = {name: [getattr(p[0], name) for p in points] for name in _BEFORE}
    columns |= _spread("setting", [p[0].setting for p in points])
    for i, name in enumerate(("curve", "index"), 1):
        columns[name] = [p[i] for p in points]
    columns["value"] = [float(p[3]) for p in points]
    return columns


def export(path: Path, columns: Columns) -> None:
    """Write a table in the format that the file's ending names, whole or not at all.

    Raises
    ------
    ValueError
        If no format has that ending.
    ImportError
        If it is Parquet's and ``pyarrow`` is not installed; it comes with the extra ``parquet``.
    """
    write = FORMATS.get(path.suffix.lower())
    if write is None:
        known = " or ".join(FORMATS)
        message = f"`path` must end in {known}, got {str(path)!r}. Name another file."
        raise ValueError(message)
    content = write(columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        file.write(content)


def csv_text(columns: Columns) -> str:
    """Return a table as CSV: None as nothing, lists and dictionaries as JSON, times as ISO 8601."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in zip(*columns.values(), strict=True))
    return text.getvalue()


def _parquet(columns: Columns) -> bytes:
    arrow = require("pyarrow", purpose="write Parquet", extra="parquet")
    parquet = require("pyarrow.parquet", purpose="write Parquet", extra="parquet")
    table = arrow.table({name: arrow.array(_uniform(values)) for name, values in columns.items()})
    file = io.BytesIO()
    parquet.write_table(table, file)
    return file.getvalue()


#: How a file is written, by its ending.
FORMATS: dict[str, Callable[[Columns], bytes]] = {
    ".csv": lambda columns: csv_text(columns).encode(),
    ".parquet": _parquet,
}


def _spread(part: str, mappings: Sequence[dict[str, Any]]) -> Columns:
    names = dict.fromkeys(name for mapping in mappings for name in mapping)
    return {f"{part}.{name}": [mapping.get(name) for mapping in mappings] for name in names}


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict | bool):
        return json.dumps(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


def _uniform(values: Iterable[Any]) -> list[Any]:
    """Return a column's values as one type: whole numbers become floats, and all else JSON."""
    values = list(values)
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1 and not kinds & {list, dict}:
        return values
    if kinds <= {int, float}:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else json.dumps(value) for value in values]
