"""A Dask cluster on loopback, of a scheduler and workers in processes of their own."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import runner_functions
from runner_functions import STEPS, grid
from runner_process import TESTS, alive, python_path, until

from gradnoise_reference_models.runner import DaskWorkers, Store, Summary, run_trials

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="distributed is not installed"
)


class Cluster:
    """A scheduler, and nannies with a worker of one thread each."""

    def __init__(self, folder: Path, workers: int, pause: float = 0.01) -> None:
        self.file = folder / "scheduler.json"
        self.log = (folder / "dask.log").open("w")
        self.environment = os.environ | {"PYTHONPATH": python_path(), "RUNNER_PAUSE": str(pause)}
        self.processes: list[subprocess.Popen[bytes]] = []
        where = ["--scheduler-file", str(self.file)]
        self.start("scheduler", *where, "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        until(self.file.exists, "the scheduler starts")
        until(lambda: self.file.read_text().rstrip().endswith("}"), "its address is written")
        self.address = json.loads(self.file.read_text())["address"]
        self.start(
            "worker", self.address, "--nworkers", str(workers), "--nthreads", "1", "--no-dashboard",
            "--local-directory", str(folder), "--host", "127.0.0.1",
        )  # fmt: skip

    def start(self, kind: str, *arguments: str) -> None:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments]
        self.processes.append(
            subprocess.Popen(
                command,
                env=self.environment,
                stdout=self.log,
                stderr=self.log,
                start_new_session=True,
            )
        )

    def kill(self) -> None:
        for process in self.processes:
            # The nanny's children are in its group.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.log.close()


@pytest.fixture
def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Two workers, whose steps take a hundredth of a second, or what the test says."""
    made = Cluster(tmp_path, workers=2, pause=getattr(request, "param", 0.01))
    try:
        yield made
    finally:
        made.kill()


def begun(log: Path) -> list[tuple[int, int, int]]:
    """Return seed, step and process of each beginning."""
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [(int(w[0]), int(w[2]), int(w[3])) for w in lines if w[1] == "begins"]


def wait_for_two(log: Path, count: int) -> None:
    until(lambda: len(begun(log)) >= count + 2, "trials begin")


def checkpoints(work: Path) -> list[Path]:
    """Return the checkpoints of the tasks that run."""
    return [p for p in work.rglob("*") if p.is_file() and p.suffix != ".lock"]


class Figures:
    """A progress that remembers the last report of each trial."""

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}

    def begin(self, *_: Any) -> None:
        pass

    end = log = begin

    def update(self, _: Any, running: Any) -> None:
        self.seen |= {one.label: one.done for one in running if one.total}


@needs_dask
@pytest.mark.slow
def test_a_cluster_of_which_a_worker_is_killed(tmp_path: Path, cluster: Cluster) -> None:
    log, figures, summaries = tmp_path / "log", Figures(), list[Summary]()
    with Store(tmp_path / "r.sqlite") as store, DaskWorkers(cluster.address) as executor:

        def run() -> None:
            summaries.append(
                run_trials(
                    grid(8, log=str(log)),
                    runner_functions.slow,
                    store=store,
                    executor=executor,
                    checkpoint_every=0.05,
                    progress=figures,
                )
            )

        thread = threading.Thread(target=run)
        thread.start()
        killed = []
        for _ in range(2):
            count = len(begun(log))
            wait_for_two(log, count)
            until(lambda: len(checkpoints(store.work)) >= 2, "both have checkpoints")
            victim = begun(log)[-1][2]
            assert alive(victim)
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)
        thread.join()
        (summary,) = summaries
        assert (summary.done, summary.exit_code) == (8, 0)
        records = store.records(curves=True)
        assert {r.seed: r.metrics for r in records} == {s: {"square": s**2} for s in range(8)}
        assert all(r.curves["line"].tolist() == [i * r.seed for i in range(5)] for r in records)
        again = run_trials(
            grid(8, log=str(log)), runner_functions.slow, store=store, executor=executor
        )
        assert (again.kept, again.done) == (8, 0)
        assert list(store.work.iterdir()) == []
    assert any(0 < step < STEPS for _, step, _ in begun(log)), "none went on from its checkpoint"
    assert len({pid for _, _, pid in begun(log)}) > 2, "the lost worker was replaced"
    assert figures.seen, "reports come through the scheduler"


@needs_dask
@pytest.mark.slow
@pytest.mark.parametrize("cluster", [0.1], indirect=True)
def test_a_run_that_is_stopped_or_killed_takes_its_tasks_back(
    tmp_path: Path, cluster: Cluster
) -> None:
    command = [sys.executable, str(TESTS / "runner_dask_worker.py"), cluster.address]
    log = tmp_path / "log"
    command += [str(tmp_path / "r.sqlite"), str(log)]
    for number, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        count = len(begun(log))
        process = subprocess.Popen(command, env=cluster.environment)
        wait_for_two(log, count)
        time.sleep(0.5)
        process.send_signal(number)
        assert process.wait() == code
        ended = log.read_text().count("ends")
        time.sleep(4.5)  # longer than a trial takes
        assert log.read_text().count("ends") == ended, "tasks go on though nobody waits"
    with DaskWorkers(cluster.address) as executor:
        until(lambda: executor.submit(divmod, 7, 2).result() == (3, 1), "the workers are free")
    done = subprocess.run(command, env=cluster.environment, check=False)
    assert done.returncode == 0
    with Store(tmp_path / "r.sqlite", read_only=True) as store:
        assert [r.seed for r in store.records(status="done")] == list(range(6))
    assert any(0 < step < STEPS for _, step, _ in begun(log)), "none went on from its checkpoint"


@needs_dask
@pytest.mark.slow
def test_a_scheduler_that_is_lost_ends_the_run(tmp_path: Path) -> None:
    cluster, log, summaries = Cluster(tmp_path, workers=1), tmp_path / "log", list[Summary]()
    with Store(tmp_path / "r.sqlite") as store, DaskWorkers(cluster.address) as executor:

        def run() -> None:
            trials = grid(200, log=str(log))
            summaries.append(
                run_trials(trials, runner_functions.slow, store=store, executor=executor)
            )

        thread = threading.Thread(target=run)
        thread.start()
        until(lambda: len(begun(log)) >= 2, "trials begin")
        cluster.kill()
        thread.join(120)
        (summary,) = summaries
        assert summary.exit_code == 1
        assert summary.unfinished > 190
        assert summary.failures == ()
        assert "scheduler" in str(summary.broken)
        assert len(store.records()) == summary.done >= 1


@needs_dask
def test_no_scheduler_is_said() -> None:
    with pytest.raises(ConnectionError, match="Start one with: dask scheduler"):
        DaskWorkers("tcp://127.0.0.1:9", timeout=0.5)


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'pip install "gradnoise-core\[cluster\]"'):
        DaskWorkers("tcp://127.0.0.1:9")
