"""The JSON document: what is written is what is read, and nothing else is read."""

import dataclasses
import json
from typing import Any

import pytest

from benchmarks.records import (
    SCHEMA,
    Document,
    FirstCall,
    Found,
    Machine,
    Memory,
    Note,
    Ratio,
    Time,
)
from benchmarks.summary import Summary


@pytest.fixture
def document() -> Document:
    summary = Summary(2.0, 1.0, 3.0, 5)
    found = Found(
        times=[Time("adam", "torch", "ours", True, 1000, 1, 8, summary)],
        ratios=[Ratio("adam", "torch", "ours", 1, "Adam(fused) + randn", 1, 1000, summary)],
        memory=[Memory("memory", "numpy", "ours", True, 1000, 16_000, "tracemalloc")],
        first_calls=[
            FirstCall("first-call", "jax", "ours, jit", True, 9, "cold", 1.0, 0.5, 2.0, 1e-3, 1)
        ],
        machine=[Machine("a processor", [[8.0, 1e9], [64.0, 2e9]], 5e9, "numba")],
        absent=[Note("adam, cupy", "not installed: cupy")],
        failed=[Note("adam, jax", "took too long")],
    )
    return Document(SCHEMA, "gradnoise bench", "2026-01-01", True, {"threads": 1}, {}, found)


def test_a_document_survives_json(document: Document) -> None:
    assert Document.from_json(document.to_json()) == document


def test_every_kind_of_record_is_in_the_round_trip(document: Document) -> None:
    assert all(getattr(document.found, f.name) for f in dataclasses.fields(Found))


def test_adding_appends_every_kind(document: Document) -> None:
    total = Found()
    total.add(document.found)
    total.add(document.found)
    for field in dataclasses.fields(Found):
        assert getattr(total, field.name) == 2 * getattr(document.found, field.name)


def broken(document: Document, change: Any) -> str:
    data = json.loads(document.to_json())
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.update(schema=SCHEMA + 1), "`schema` must be"),
        (lambda data: data.pop("schema"), "`schema` must be"),
        (lambda data: data.pop("found"), "Document must have the keys"),
        (lambda data: data["found"]["times"][0].pop("size"), "Time must have the keys"),
        (lambda data: data["found"]["ratios"][0]["ratio"].update(mean=1), "Summary must have"),
        (lambda data: data["found"].update(notes=[]), "Found must have the keys"),
    ],
)
def test_another_schema_is_refused(document: Document, change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Document.from_json(broken(document, change))


def test_a_list_is_no_document() -> None:
    with pytest.raises(ValueError, match="`schema` must be"):
        Document.from_json("[]")
