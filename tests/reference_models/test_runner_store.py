"""The file of results."""

import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradnoise_reference_models.runner import STATUSES, Outcome, Store, StoreError, Trial
from gradnoise_reference_models.runner._settled import Attempt, Settled, encode, settle


def settled(
    trial: Trial, outcome: Outcome | None = None, *, error: str | None = None, attempts: int = 1
) -> Settled:
    """Return a trial's row, as a run makes it."""
    (one,) = settle(
        (trial,),
        Attempt(
            "2026-01-02T03:04:05.678+00:00",
            "2026-01-02T03:04:06.789+00:00",
            1.111,
            {"name": "here"},
            {"python": "3"},
            outcomes=(encode(outcome),) if outcome else (),
            error=error,
        ),
        attempts,
    )
    return one


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store(tmp_path / "deep" / "results.sqlite") as made:
        yield made


TRIAL = Trial("e", {"eta": 0.01, "init": "zero"}, 3, 2, {"backend": "numpy"})
OUTCOME = Outcome({"accuracy": 0.5, "loss": float("nan")}, {"loss": np.array([1.0, 2.0])})


def test_what_was_stored_comes_back(store: Store) -> None:
    assert store.add([settled(TRIAL, OUTCOME, attempts=2)]) == 1
    (record,) = store.records(curves=True)
    assert record.key == TRIAL.key
    again = Trial(record.experiment, record.setting, record.seed, record.version, record.conditions)
    assert again == TRIAL
    assert again.key == record.key
    assert record.status == "diverged"
    assert repr(record.metrics) == "{'accuracy': 0.5, 'loss': nan}"
    np.testing.assert_array_equal(record.curves["loss"], [1.0, 2.0])
    assert (record.attempts, record.group_size, record.seconds) == (2, 1, 1.111)
    assert record.finished.isoformat() == "2026-01-02T03:04:06.789000+00:00"
    assert (record.host, record.versions) == ({"name": "here"}, {"python": "3"})
    (bare,) = store.records()
    assert bare.curves == {}


def test_the_first_result_stays_and_a_failure_does_not(store: Store) -> None:
    first = Outcome({"a": 1.0}, {"c": [1.0]})
    assert store.add([settled(TRIAL, error="boom", attempts=3)]) == 1
    assert store.finished([TRIAL.key]) == set()
    assert store.records()[0].error == "boom"
    assert store.add([settled(TRIAL, first)]) == 1
    assert store.finished([TRIAL.key]) == {TRIAL.key}
    for other in (settled(TRIAL, Outcome({"a": 2.0}, {"c": [2.0]})), settled(TRIAL, error="late")):
        assert store.add([other]) == 0
    (record,) = store.records(curves=True)
    assert (record.metrics, record.error, record.status) == ({"a": 1.0}, None, "done")
    assert record.curves["c"].tolist() == [1.0]


def test_a_group_is_stored_whole_or_not_at_all(store: Store) -> None:
    good = settled(TRIAL, OUTCOME)
    other = settled(Trial("e", {}, 4), OUTCOME)
    bad = Settled(other.trial, other.row | {"status": "unheard of"}, {})
    with pytest.raises(StoreError, match="known_status"):
        store.add([good, bad])
    assert store.records() == []
    assert store.add([good, other]) == 2


def test_a_commit_is_on_the_disk_and_readers_do_not_wait(store: Store) -> None:
    with store._engine.connect() as connection:
        for name, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            assert connection.exec_driver_sql(f"PRAGMA {name}").scalar() == value
    store.add([settled(TRIAL, OUTCOME)])
    writer = sqlite3.connect(store.path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE trials SET seed = 99")
    with Store(store.path, read_only=True) as reader:
        assert [r.seed for r in reader.records()] == [3]
        with pytest.raises(StoreError, match="cannot be written"):
            reader.add([settled(Trial("e", {}, 5), OUTCOME)])
    writer.execute("ROLLBACK")
    writer.close()


def test_records_are_filtered(store: Store) -> None:
    trials = [
        Trial(name, {"eta": eta, "init": "zero"}, seed, 1, {"backend": "jax"})
        for name in ("a", "b")
        for eta in (1, 0.01)
        for seed in (0, 1)
    ]
    store.add(settled(t, Outcome({"m": float("nan") if t.seed else 1.0})) for t in trials)
    assert len(store.records()) == 8
    assert {r.experiment for r in store.records(experiment="a")} == {"a"}
    assert {r.seed for r in store.records(status="diverged")} == {1}
    assert len(store.records(where={"eta": 1.0, "init": "zero"})) == 4
    assert len(store.records(where={"eta": 0.01}, experiment="b", status="done")) == 1
    assert len(store.records(where={"backend": "jax"})) == 8
    for nothing in ({"eta": True}, {"eta": "1"}, {"lr": 1}, {"init": None}):
        assert store.records(where=nothing) == []
    assert [r.key for r in store.records(keys=[trials[3].key[:20]])] == [trials[3].key]
    assert store.records(keys=[]) == []
    with pytest.raises(ValueError, match="`status` must be one of done, diverged, failed"):
        store.records(status="good")


def test_more_trials_than_a_question_has_room_for(store: Store) -> None:
    trials = [Trial("e", {}, seed) for seed in range(1203)]
    store.add(settled(t, Outcome({"m": 1}, {"c": [t.seed]})) for t in trials)
    assert store.finished(t.key for t in trials) == {t.key for t in trials}
    records = store.records(curves=True)
    assert [(r.seed, r.curves["c"].tolist()) for r in records] == [(s, [s]) for s in range(1203)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"this is text, not a database, and long enough to be read as one" * 20,
            "cannot be opened",
        ),
        ("CREATE TABLE other (x)", "another program's database"),
        ("CREATE TABLE other (x); PRAGMA application_id = 1", "another program's database"),
    ],
)
def test_what_is_no_store_is_refused_and_left_alone(
    tmp_path: Path, content: bytes | str, message: str
) -> None:
    path = tmp_path / "results.sqlite"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with sqlite3.connect(path) as connection:
            connection.executescript(content)
        connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=message) as refused:
        Store(path)
    assert str(path) in str(refused.value)
    with pytest.raises(StoreError, match=str(path)):
        Store(path, read_only=True)
    if isinstance(content, bytes):
        assert path.read_bytes() == before
    else:
        names = sqlite3.connect(path).execute("SELECT name FROM sqlite_master").fetchall()
        assert names == [("other",)]


def test_a_store_of_another_format_is_refused(store: Store) -> None:
    store.close()
    with sqlite3.connect(store.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"has format 99 of the store, and this .* format 1"):
            Store(store.path, read_only=read_only)


def test_reading_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist: there are no results yet"):
        Store(tmp_path / "none.sqlite", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_was_to_be_made_is_empty_and_then_made(tmp_path: Path) -> None:
    """As one is whose maker was killed, or is still at it."""
    path = tmp_path / "results.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    with pytest.raises(StoreError, match="is empty: there are no results yet"):
        Store(path, read_only=True)
    with Store(path) as store:
        assert store.records() == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened as a store"):
        Store(tmp_path / "file" / "results.sqlite")


def test_a_name_with_odd_letters_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / "100% ö #1 ?x=y.sqlite"
    with Store(path) as store:
        store.add([settled(TRIAL, OUTCOME)])
    assert path.exists()
    with Store(path, read_only=True) as store:
        assert len(store.records()) == 1


def test_processes_may_make_and_write_one_store_at_once(tmp_path: Path) -> None:
    code = """
import sys
sys.path[:0] = sys.argv[2:]
from test_runner_store import *
with Store(sys.argv[1]) as store:
    print(sum(store.add([settled(Trial("e", {}, s), Outcome({"m": 1}))]) for s in range(20)))
"""
    command = [sys.executable, "-c", code, str(tmp_path / "r.sqlite"), str(Path(__file__).parent)]

    def go(_: int) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(3) as pool:
        added = [int(out) for out in pool.map(go, range(3))]
    assert sum(added) == 20  # each once, whoever was first
    with Store(tmp_path / "r.sqlite", read_only=True) as store:
        assert len(store.records()) == 20


def test_any_program_can_read_a_store(store: Store) -> None:
    """Through SQLite's own functions of JSON, as the documentation says."""
    store.add(
        [settled(TRIAL, OUTCOME), settled(Trial("e", {"eta": 1}, 0), Outcome({"accuracy": 1}))]
    )
    rows = sqlite3.connect(store.path).execute(
        "SELECT json_extract(setting, '$.eta'), json_extract(metrics, '$.accuracy'), status "
        "FROM trials ORDER BY 1"
    )
    assert rows.fetchall() == [(0.01, 0.5, "diverged"), (1, 1, "done")]
    assert json.loads(json.dumps(STATUSES)) == ["done", "diverged", "failed"]
