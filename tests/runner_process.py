"""Starting, watching and killing runs of trials, and auditing what they leave behind."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import runner_functions

from gradnoise_reference_models.runner import Record, Store, StoreError

__all__ = ["Case", "alive", "audit", "python_path", "until"]

TESTS = Path(__file__).parent


def python_path() -> str:
    """Return the path of modules for processes that import the tests' functions."""
    return os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))


def until(condition: Callable[[], Any], what: str, *, seconds: float = 120.0) -> None:
    """Wait for something; the machine may be busy with other work for long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.005)


def alive(pid: int) -> bool:
    """Return whether there is such a process, dead ones that nobody has fetched not counted."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Case:
    """A grid of slow trials, its store and its log."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.path = folder / "results.sqlite"
        self.log = folder / "log"
        self.options = {"trials": 12, **options}

    @contextmanager
    def running(self, **options: Any) -> Iterator[subprocess.Popen[str]]:
        """Start a run, and end it at last."""
        text = json.dumps(self.options | options)
        pause = str(options.get("pause", self.options.get("pause", 0.005)))
        environment = os.environ | {"PYTHONPATH": python_path(), "RUNNER_PAUSE": pause}
        process = subprocess.Popen(
            [sys.executable, str(TESTS / "runner_worker.py"), str(self.path), str(self.log), text],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            # All of it, so that no worker outlives a test that fails.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def run(self, **options: Any) -> tuple[int, str, str]:
        """Run to the end; return the exit code and the output."""
        with self.running(**options) as process:
            out, err = process.communicate()
        return process.returncode, out, err

    def lines(self) -> list[list[str]]:
        """Return the words of the log."""
        text = self.log.read_text() if self.log.exists() else ""
        return [line.split() for line in text.splitlines() if line]

    def pids(self, since: int = 0) -> list[int]:
        """Return the workers that began a trial, the latest last."""
        return [int(w[3]) for w in self.lines()[since:] if w[1] == "begins"]

    def records(self) -> dict[int, Record]:
        """Return what is stored, by seed."""
        try:
            with Store(self.path, read_only=True) as store:
                records = store.records(curves=True)
        except StoreError as error:
            if "there are no results yet" in str(error):
                return {}
            raise
        found = {record.seed: record for record in records}
        assert len(found) == len(records), "a trial was stored twice"
        return found

    def records_of_noise(self) -> dict[int, tuple[float, bytes]]:
        """Return the metric and the curve of each trial of `writes_much`, by seed."""
        return {
            seed: (record.metrics["square"], record.curves["noise"].tobytes())
            for seed, record in self.records().items()
        }

    def wait_for_events(self, count: int, process: subprocess.Popen[str]) -> None:
        """Wait until so many more lines are in the log, or the run has ended."""
        before = len(self.lines())
        until(
            lambda: len(self.lines()) >= before + count or process.poll() is not None,
            f"{count} more lines in {self.log}",
        )

    def kill(self, process: subprocess.Popen[str], dice: random.Random) -> bool:
        """Kill the main process at a random moment; return whether it was still at work."""
        self.wait_for_events(dice.randrange(6), process)
        time.sleep(dice.uniform(0.0, 0.1))
        process.send_signal(signal.SIGKILL)
        return process.wait() == -signal.SIGKILL


def audit(before: dict[int, Record], log_before: int, case: Case, in_flight: int) -> None:
    """Check that nothing finished was lost, changed or done again.

    `before` and `log_before` are the results and the lines of the log at an earlier time. Of the
    trials that ended, those that no worker has just handed in must be stored; `in_flight` can be
    on their way.
    """
    after, lines = case.records(), case.lines()
    for seed, record in before.items():
        assert seed in after, f"the result of seed {seed} is lost"
        assert after[seed].finished == record.finished, f"the result of seed {seed} was replaced"
    begun = {int(words[0]) for words in lines[log_before:] if words[1] == "begins"}
    assert not begun & set(before), f"done again though stored: seeds {begun & set(before)}"
    ended = {int(words[0]) for words in lines if words[1] == "ends"}
    missing = ended - set(after)
    assert len(missing) <= in_flight, f"ended and never stored: seeds {missing}"
    for seed, record in after.items():
        assert record.metrics == {"square": seed**2}
        assert record.curves["line"].tolist() == [seed * i for i in range(5)]
        assert record.setting["log"] == str(case.log)
    assert all(int(w[2]) == runner_functions.STEPS for w in lines if w[1] == "ends")
