"""Running a grid: what is missing, with retries, on any executor."""

import importlib.util
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import runner_functions
from rich.console import Console
from runner_functions import grid
from threadpoolctl import threadpool_info

from gradnoise_reference_models.runner import (
    Context,
    Outcome,
    ProcessWorkers,
    Running,
    Store,
    Summary,
    Tally,
    Trial,
    WorkerLostError,
    ensembles,
    run_trials,
)
from gradnoise_reference_models.runner._limits import KEPT_MEMORY, limited_environment
from gradnoise_reference_models.runner.progress import Bars, Lines, progress_on


class Seen:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.running: list[Running] = []
        self.calls: list[str] = []
        self.ended: list[int] = []

    def begin(self, tally: Tally) -> None:
        self.calls.append("begin")

    def update(self, tally: Tally, running: Sequence[Running]) -> None:
        self.running.extend(running)
        self.ended.append(tally.ended)

    def log(self, message: str) -> None:
        self.messages.append(message)

    def end(self) -> None:
        self.calls.append("end")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "results.sqlite") as made:
        yield made


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessWorkers]:
    with ProcessWorkers(2) as executor:
        yield executor


def logged(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()]


def squares(store: Store) -> dict[int, float]:
    return {r.seed: r.metrics["square"] for r in store.records(curves=True) if r.status == "done"}


def test_only_what_is_missing_is_run(
    tmp_path: Path, store: Store, processes: ProcessWorkers
) -> None:
    log = tmp_path / "log"
    run = partial(run_trials, function=runner_functions.counted, store=store, executor=processes)
    first = run(grid(4, log=str(log)))
    assert (first.total, first.kept, first.done, first.exit_code) == (4, 0, 4, 0)
    trials = grid(7, log=str(log))
    more = run([*trials, *trials])
    assert (more.total, more.kept, more.done, more.exit_code) == (7, 4, 3, 0)
    assert str(more) == "7 trials: 4 were there before, 3 done."
    assert sorted(int(words[0]) for words in logged(log)) == list(range(7))
    assert squares(store) == {seed: seed**2 for seed in range(7)}
    assert {int(words[1]) for words in logged(log)} <= processes.pids
    assert list(store.work.iterdir()) == []
    (record, *_) = store.records()
    assert set(record.versions) >= {"python", "numpy", "gradnoise-core"}
    assert record.host["name"]
    assert 0 <= record.seconds < 60
    assert record.started <= record.finished


def test_a_new_version_is_run_again_and_the_old_one_kept(
    store: Store, threads: ThreadPoolExecutor
) -> None:
    for version in (1, 2, 1):
        trials = [Trial("e", {}, seed, version) for seed in range(2)]
        run_trials(trials, runner_functions.square, store=store, executor=threads)
    assert sorted((r.version, r.seed) for r in store.records()) == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_the_seeds_of_a_setting_train_together_and_are_stored_one_by_one(
    tmp_path: Path, store: Store, threads: ThreadPoolExecutor
) -> None:
    groups: list[tuple[int, ...]] = []

    def together(group: Sequence[Trial], context: Context) -> list[Outcome]:
        groups.append(tuple(trial.seed for trial in group))
        return [runner_functions.outcome(trial) for trial in group]

    run = partial(run_trials, store=store, executor=threads, workers=1)
    run(grid(2), together)
    run(grid(9), together, grouping=ensembles(4))
    assert groups == [(0,), (1,), (2, 3, 4, 5), (6, 7, 8)]
    assert [r.group_size for r in store.records()] == [1, 1, 4, 4, 4, 4, 3, 3, 3]
    assert squares(store) == {seed: seed**2 for seed in range(9)}


def test_divergence_is_a_result(store: Store, threads: ThreadPoolExecutor) -> None:
    run = partial(run_trials, grid(6), runner_functions.diverges, store=store, executor=threads)
    first, again = run(), run()
    assert (first.done, first.diverged, first.exit_code) == (3, 3, 0)
    assert (again.kept, again.done, again.exit_code) == (6, 0, 0)
    assert [r.status for r in store.records()] == ["done", "diverged"] * 3


def test_a_trial_that_raises_is_tried_again_then_reported_and_harms_no_other(
    tmp_path: Path, store: Store, processes: ProcessWorkers
) -> None:
    log, seen = tmp_path / "log", Seen()
    run = partial(run_trials, grid(6, log=str(log)), store=store, executor=processes)
    summary = run(runner_functions.fails, retries=1, grouping=ensembles(3), progress=seen)
    # 3 to 5 train together, twice in vain; then one by one, where only 3 fails.
    assert (summary.done, len(summary.failures), summary.exit_code) == (5, 1, 1)
    (failure,) = summary.failures
    assert failure.trial.seed == 3
    assert "Odd: bad luck 1 2" in failure.error
    assert "Traceback" in failure.error
    assert [int(words[0]) for words in logged(log)].count(3) == 3
    (failed,) = store.records(status="failed")
    assert (failed.seed, failed.error, failed.attempts) == (3, failure.error, 2)
    assert sum("tried one by one" in message for message in seen.messages) == 1
    assert str(summary) == "6 trials: 5 done, 1 failed."
    # The cause is mended: what failed is run, and nothing else.
    again = run(runner_functions.square)
    assert (again.kept, again.done, again.exit_code) == (5, 1, 0)
    assert squares(store) == {seed: seed**2 for seed in range(6)}


def test_a_trial_that_kills_its_worker_is_reported_and_harms_no_other(
    tmp_path: Path, store: Store, processes: ProcessWorkers
) -> None:
    log = tmp_path / "log"
    trials = grid(6, log=str(log))
    summary = run_trials(trials, runner_functions.dies, store=store, executor=processes, retries=1)
    assert (summary.done, summary.exit_code) == (5, 1)
    assert summary.failures[0].trial.seed == 3
    assert "WorkerLostError" in summary.failures[0].error
    counts = [[int(words[0]) for words in logged(log)].count(seed) for seed in range(6)]
    assert counts == [1, 1, 1, 2, 1, 1], "only the guilty trial is charged"


def test_a_lost_worker_is_replaced(tmp_path: Path, store: Store, processes: ProcessWorkers) -> None:
    log = tmp_path / "log"
    summary = run_trials(
        grid(3, log=str(log)), runner_functions.dies_once, store=store, executor=processes
    )
    assert (summary.done, summary.exit_code) == (3, 0)
    assert [r.attempts for r in store.records()] == [2, 2, 2]
    assert sorted(logged(log)) == [[str(s), str(a)] for s in range(3) for a in (1, 2)]


def test_a_process_that_died_at_rest_costs_no_attempt(processes: ProcessWorkers) -> None:
    before = {processes.submit(os.getpid).result() for _ in range(4)}
    processes.kill()
    time.sleep(0.5)
    after = {processes.submit(os.getpid).result() for _ in range(4)}
    assert not before & after
    with pytest.raises(WorkerLostError, match="The worker process died"):
        processes.submit(os._exit, 3).result()
    assert processes.submit(divmod, 7, 2).result() == (3, 1)


def test_libraries_in_workers_do_not_fight(store: Store, processes: ProcessWorkers) -> None:
    run_trials(grid(1), runner_functions.threads, store=store, executor=processes)
    (record,) = store.records()
    assert record.metrics == {"pools": 1, "sum": 500.0**3, "OMP_NUM_THREADS": 1, "NPROC": 1}


@pytest.mark.skipif(
    importlib.util.find_spec("jax") is None or not Path("/proc/self/task").exists(),
    reason="JAX, and a system that lists threads, are needed",
)
def test_xla_heeds_the_limit_of_threads() -> None:
    code = (
        "import os, jax.numpy as jnp\n"
        "(jnp.ones((300, 300)) @ jnp.ones((300, 300))).block_until_ready()\n"
        "print(len(os.listdir('/proc/self/task')))"
    )
    counts = []
    for number in (1, 6):
        with limited_environment(number):
            environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        out = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        counts.append(int(out.stdout))
    assert counts[1] - counts[0] >= 5
    assert "NPROC" not in os.environ


def test_workers_keep_freed_memory_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "12345")
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    with ProcessWorkers(1) as workers:
        told = [workers.submit(os.getenv, name).result() for name in KEPT_MEMORY]
    assert dict(zip(KEPT_MEMORY, told, strict=True)) == {
        **KEPT_MEMORY,
        "MALLOC_TRIM_THRESHOLD_": "12345",
    }
    assert os.environ["MALLOC_TRIM_THRESHOLD_"] == "12345"
    assert "MALLOC_MMAP_THRESHOLD_" not in os.environ


def test_the_limit_of_threads_is_what_was_asked_for(store: Store) -> None:
    def threads() -> dict[str, int]:
        return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}

    before = threads()
    with ThreadPoolExecutor(1) as executor:
        run_trials(grid(1), runner_functions.threads, store=store, executor=executor, threads=2)
    assert store.records()[0].metrics["pools"] == 2
    after = threads()  # of a library that a trial was the first to load as well
    assert {path: after[path] for path in before} == before


def test_a_pool_that_breaks_is_made_anew_by_what_made_it(tmp_path: Path, store: Store) -> None:
    make = partial(ProcessPoolExecutor, 1, get_context("spawn"))
    summary = run_trials(
        grid(2, log=str(tmp_path / "log")),
        runner_functions.dies_once,
        store=store,
        executor=make,
        workers=1,
    )
    assert (summary.done, summary.exit_code) == (2, 0)


def test_a_pool_that_breaks_and_is_not_ours_ends_the_run(tmp_path: Path, store: Store) -> None:
    trials = grid(3, log=str(tmp_path / "log"))
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        summary = run_trials(
            trials, runner_functions.dies_once, store=store, executor=pool, workers=1
        )
    assert (summary.unfinished, summary.failures, summary.exit_code) == (3, (), 1)
    assert "executor is broken" in str(summary)


def test_what_returns_too_little_or_the_wrong_thing_fails(
    store: Store, threads: ThreadPoolExecutor
) -> None:
    run = partial(run_trials, grid(2), store=store, executor=threads, retries=0)
    none = run(lambda group, context: [])
    assert "Outcome for each of 1 trials, got 0 results" in none.failures[0].error
    odd = run(lambda group, context: [{"accuracy": 1.0}])  # type: ignore[list-item]
    assert "some of type dict" in odd.failures[0].error
    left = run(lambda group, context: sys.exit(3))
    assert "SystemExit: 3" in left.failures[0].error


@pytest.mark.parametrize("name", ["workers", "threads", "retries"])
def test_numbers_out_of_range_are_refused(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` must be at least"):
        run_trials(grid(1), runner_functions.square, store=store, **{name: -1})  # type: ignore[arg-type]


def test_a_function_that_cannot_be_sent_is_refused_at_once(store: Store) -> None:
    with pytest.raises(ValueError, match="`function` must be one that can be pickled"):
        run_trials(grid(1), lambda group, context: [], store=store, workers=1)


def test_groups_at_a_time_are_as_many_as_asked_for(store: Store) -> None:
    class Counting(Executor):
        """Runs nothing before it is asked to."""

        def __init__(self) -> None:
            self.waiting: list[tuple[Future[Any], Any, Any]] = []
            self.most = 0

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            self.waiting.append((future, fn, args))
            self.most = max(self.most, len(self.waiting))
            if len(self.waiting) == 3:
                for f, g, a in self.waiting:
                    f.set_result(g(*a))
                self.waiting = []
            return future

    executor = Counting()
    summary = run_trials(
        grid(9), runner_functions.square, store=store, executor=executor, workers=3
    )
    assert summary.done == 9
    assert executor.most == 3


def test_progress_is_that_of_the_grid_and_of_running_trials(
    monkeypatch: pytest.MonkeyPatch, store: Store, threads: ThreadPoolExecutor
) -> None:
    monkeypatch.setenv("RUNNER_PAUSE", "0.02")
    seen = Seen()
    run_trials(
        grid(4, eta=0.5), runner_functions.slow, store=store, executor=threads, progress=seen
    )
    assert seen.calls == ["begin", "end"]
    assert seen.ended == sorted(seen.ended)
    assert seen.ended[-1] == 4
    reported = [one for one in seen.running if one.total]
    assert reported
    for one in reported:
        assert one.label.startswith("test eta=0.5 seed ")
        assert one.total == runner_functions.STEPS
        assert one.figures["loss"] == pytest.approx(1 / one.done)


def test_a_label_names_what_is_common_and_the_seeds() -> None:
    from gradnoise_reference_models.runner._job import Job

    trials = [Trial("e", {"eta": eta, "rate": 0.1}, s) for eta in (0, 1) for s in range(3)]
    assert Job(tuple(trials), Path()).label == "e rate=0.1 seeds 0-2"
    assert Job((trials[0], trials[2]), Path()).label == "e eta=0, rate=0.1 seeds 0, 2"
    assert Job(tuple(trials[:1]), Path()).label == "e eta=0, rate=0.1 seed 0"


def test_lines_are_few_and_where_they_are_wanted(
    capsys: pytest.CaptureFixture[str], store: Store, threads: ThreadPoolExecutor
) -> None:
    run_trials(
        grid(60), runner_functions.diverges, store=store, executor=threads, progress=progress_on()
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert 1 <= len(err.splitlines()) <= 11
    assert err.splitlines()[-1] == "60 of 60 trials (30 diverged)"
    assert isinstance(progress_on(), Lines)


def test_bars_show_the_grid_and_the_running() -> None:
    file = io.StringIO()
    bars = Bars(Console(file=file, force_terminal=True, width=120, height=40))
    tally = Tally(total=20, kept=5)
    bars.begin(tally)
    tally.done, tally.failed = 3, 1
    running = [
        Running(f"e seed {i}", 2.0, 1 + (i == 1), 5 * i, 10, {"loss": 0.25}) for i in range(20)
    ]
    bars.update(tally, running)
    bars._live.refresh()
    bars.log("something happened")
    bars.end()
    text = file.getvalue()
    for part in ("9/20 trials", "5 kept, 1 failed", "e seed 1 (attempt 2)", "5/10, loss 0.25"):
        assert part in text
    assert "and 8 more" in text
    assert "something happened" in text


@pytest.mark.parametrize(
    ("summary", "code"),
    [
        (Summary(3, done=3), 0),
        (Summary(3, kept=1, diverged=2), 0),
        (Summary(3, done=2), 1),
        (Summary(3, done=3, broken="no space"), 1),
        (Summary(3, done=1, signal=2), 130),
        (Summary(3, done=1, signal=15), 143),
        (Summary(0), 0),
    ],
)
def test_the_exit_code_tells(summary: Summary, code: int) -> None:
    assert summary.exit_code == code
