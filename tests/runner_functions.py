"""Functions of trials for the tests of the runner: fast, and of known outcome."""

import functools
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradnoise_reference_models.runner import Context, Outcome, Trial

__all__ = [
    "STEPS",
    "counted",
    "dies",
    "dies_once",
    "diverges",
    "fails",
    "grid",
    "outcome",
    "slow",
    "square",
    "stubborn",
    "threads",
    "writes_much",
]

#: Of a `slow` trial.
STEPS = 40


def grid(count: int, **setting: Any) -> list[Trial]:
    """Return trials of one setting."""
    return [Trial("test", setting, seed) for seed in range(count)]


def outcome(trial: Trial) -> Outcome:
    """Return what `square` and `slow` come to."""
    return Outcome({"square": trial.seed**2}, {"line": np.arange(5) * float(trial.seed)})


def square(group: Sequence[Trial], context: Context) -> Iterator[Outcome]:
    return map(outcome, group)


def counted(group: Sequence[Trial], context: Context) -> list[Outcome]:
    """Write down who ran what: a line a trial in the file that the setting names."""
    for trial in group:
        log(trial, f"{trial.seed} {os.getpid()}")
    return [outcome(trial) for trial in group]


def slow(group: Sequence[Trial], context: Context) -> list[Outcome]:
    """Take some steps, with a checkpoint when it is time for one; log where it begins and ends.

    RUNNER_PAUSE has the seconds of a step: it decides no outcome, so it is not in the setting.
    """
    path, start = context.checkpoint_path, 0
    if path.exists():
        start = json.loads(path.read_text())["step"]
    for trial in group:
        log(trial, f"{trial.seed} begins {start} {os.getpid()}")
    for step in range(start, STEPS):
        time.sleep(float(os.environ.get("RUNNER_PAUSE", "0.005")))
        save = functools.partial(_save, step + 1)
        context.report_progress(step + 1, STEPS, save=save, loss=1.0 / (step + 1))
    for trial in group:
        log(trial, f"{trial.seed} ends {STEPS} {os.getpid()}")
    return [outcome(trial) for trial in group]


def stubborn(group: Sequence[Trial], context: Context) -> list[Outcome]:
    """Take no notice of anything for a minute."""
    for trial in group:
        log(trial, f"{trial.seed} begins 0 {os.getpid()}")
    time.sleep(60.0)
    return [outcome(trial) for trial in group]


def diverges(group: Sequence[Trial], context: Context) -> list[Outcome]:
    """Come to NaN at every odd seed."""
    return [Outcome({"loss": float("nan") if trial.seed % 2 else 0.5}) for trial in group]


def fails(group: Sequence[Trial], context: Context) -> list[Outcome]:
    """Raise where seed 3 is in the group, an exception that cannot be pickled back."""

    class Odd(Exception):  # noqa: N818 - what counts is that nobody can import it
        def __init__(self, a: int, b: int) -> None:
            super().__init__(f"bad luck {a} {b}")

    for trial in group:
        log(trial, f"{trial.seed} {os.getpid()}")
        if trial.seed == 3:
            raise Odd(1, 2)
    return [outcome(trial) for trial in group]


def dies(group: Sequence[Trial], context: Context) -> list[Outcome]:
    """Kill the process at seed 3, always."""
    for trial in group:
        log(trial, f"{trial.seed} {os.getpid()}")
        if trial.seed == 3:
            os.kill(os.getpid(), signal.SIGKILL)
    return [outcome(trial) for trial in group]


def dies_once(group: Sequence[Trial], context: Context) -> list[Outcome]:
    """Kill the process at the first attempt of each group."""
    for trial in group:
        log(trial, f"{trial.seed} {context.attempt}")
    if context.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return [outcome(trial) for trial in group]


def writes_much(group: Sequence[Trial], context: Context) -> list[Outcome]:
    """Return curves that do not compress: 80 kB a trial."""
    noise = np.random.default_rng(group[0].seed).standard_normal(10_000)
    return [Outcome({"square": trial.seed**2}, {"noise": noise}) for trial in group]


def threads(group: Sequence[Trial], context: Context) -> list[Outcome]:
    """Count the threads of the libraries in the worker, before and in a product of matrices."""
    from threadpoolctl import threadpool_info

    a = np.ones((500, 500)) @ np.ones((500, 500))
    pools = max((pool["num_threads"] for pool in threadpool_info()), default=0)
    variables = {name: int(os.environ.get(name, "0")) for name in ("OMP_NUM_THREADS", "NPROC")}
    return [Outcome({"pools": pools, "sum": a.sum(), **variables}) for _ in group]


def log(trial: Trial, line: str) -> None:
    """Append a line to the file that the setting names, whole even from many processes."""
    name = trial.setting.get("log")
    if name:
        with Path(name).open("a") as file:
            file.write(line + "\n")


def _save(step: int, path: Path) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"step": step}))
    part.replace(path)
