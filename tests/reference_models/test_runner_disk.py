"""A disk that is full."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import runner_functions
from runner_functions import grid
from runner_process import Case
from sqlalchemy import event

from gradnoise_reference_models.runner import Store, StoreError, run_trials


@pytest.mark.slow
def test_a_file_that_may_not_grow_ends_the_run_and_loses_nothing(tmp_path: Path) -> None:
    """The limit is the kernel's, as that of a disk is: writes fail in the midst of a commit."""
    case = Case(tmp_path, trials=12, function="writes_much")
    code, out, err = case.run(limit=500_000)
    assert code == 1, err
    assert "cannot be written" in out
    assert "Waiting 0 s for it to become possible." in err
    before = case.records_of_noise()
    assert 0 < len(before) < 12, "the limit was to fall in the midst of it"
    assert f"{12 - len(before)} not run" in out
    code, out, err = case.run()
    assert code == 0, err
    after = case.records_of_noise()
    assert len(after) == 12
    assert {seed: after[seed] for seed in before} == before
    assert f"12 trials: {len(before)} were there before, {12 - len(before)} done." in out


class _Small:
    """Makes SQLite find its file full at so many pages, as it does a disk."""

    def __init__(self, store: Store, pages: int) -> None:
        self.pages = pages
        store.close()
        event.listen(store._engine, "connect", self._limit)

    def _limit(self, connection: object, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {self.pages}")  # type: ignore[attr-defined]


def test_a_run_waits_for_space(tmp_path: Path) -> None:
    class Freeing:
        """Makes room when it is told that there is none."""

        def __init__(self) -> None:
            self.said: list[str] = []

        def log(self, message: str) -> None:
            self.said.append(message)
            threading.Timer(0.5, lambda: setattr(small, "pages", 10_000)).start()

        def begin(self, *_: object) -> None:
            pass

        update = end = begin

    with Store(tmp_path / "r.sqlite") as store, ThreadPoolExecutor(2) as executor:
        small, freeing = _Small(store, 60), Freeing()
        summary = run_trials(
            grid(8),
            runner_functions.writes_much,
            store=store,
            executor=executor,
            workers=2,
            progress=freeing,
        )
        assert (summary.exit_code, summary.done) == (0, 8)
        assert len(freeing.said) == 1
        assert "database or disk is full" in freeing.said[0]
        assert [r.metrics["square"] for r in store.records()] == [s**2 for s in range(8)]


def test_a_store_that_is_full_is_as_it_was(tmp_path: Path) -> None:
    with Store(tmp_path / "r.sqlite") as store, ThreadPoolExecutor(2) as executor:
        _Small(store, 60)
        summary = run_trials(
            grid(8),
            runner_functions.writes_much,
            store=store,
            executor=executor,
            workers=2,
            patience=0.0,
        )
        assert summary.exit_code == 1
        assert summary.unfinished == 8 - summary.done > 0
        assert summary.failures == ()
        assert summary.broken is not None
        assert "database or disk is full" in summary.broken
        records = store.records(curves=True)
        assert len(records) == summary.done
        assert all(len(r.curves["noise"]) == 10_000 for r in records)
        check = store._engine.connect().exec_driver_sql("PRAGMA integrity_check").scalar()
        assert check == "ok"


def test_a_work_folder_that_cannot_be_made_ends_the_run(tmp_path: Path) -> None:
    with Store(tmp_path / "r.sqlite") as store, ThreadPoolExecutor(2) as executor:
        store.work.write_text("in the way")
        summary = run_trials(grid(3), runner_functions.square, store=store, executor=executor)
        assert (summary.exit_code, summary.unfinished) == (1, 3)
        assert "r.sqlite.work" in str(summary.broken)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with Store(tmp_path / "r.sqlite") as store:
        store.close()
        store.path.write_bytes(b"no database any more" * 100)
        with pytest.raises(StoreError, match="cannot be read"):
            run_trials(grid(3), runner_functions.square, store=store)
