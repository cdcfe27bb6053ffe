"""A group of trials on its way through a run."""

import hashlib
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from gradnoise_reference_models.runner._trial import Trial
from gradnoise_reference_models.runner._view import Running

__all__ = ["Job"]


@dataclass(eq=False)
class Job:
    """A group, its folder, and how often it was tried."""

    group: tuple[Trial, ...]
    work: Path
    attempts: int = 0
    started: str = ""
    clock: float = 0.0
    lock: FileLock | None = field(default=None, repr=False)

    @cached_property
    def name(self) -> str:
        """A hash of the trials' keys: the same trials find the same folder again."""
        keys = "\n".join(trial.key for trial in self.group)
        return hashlib.sha256(keys.encode()).hexdigest()[:32]

    @property
    def folder(self) -> Path:
        """What the group's function may write to."""
        return self.work / self.name

    @property
    def seconds(self) -> float:
        """Since it was submitted."""
        return time.monotonic() - self.clock

    def claim(self) -> bool:
        """Lock the group, or return False where another run has it.

        The system frees the lock of a process that is killed.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.work / f"{self.name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        self.lock = lock
        self.folder.mkdir(exist_ok=True)
        return True

    def release(self, *, clean: bool) -> None:
        """Unlock the group; remove its folder if it is needed no more."""
        if clean:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self.lock is not None:
            # Removed while it is held: who waits for the file gets a lock on nothing, and then
            # finds the results in the store.
            if clean:
                with suppress(OSError):  # where an open file cannot be removed, it stays
                    Path(self.lock.lock_file).unlink(missing_ok=True)
            self.lock.release()
            self.lock = None

    def running(self, message: dict[str, Any]) -> Running:
        """Return what there is to see of it, with what its function reported."""
        return Running(
            label=self.label,
            seconds=self.seconds,
            attempt=self.attempts,
            done=message.get("done", 0.0),
            total=message.get("total", 0.0),
            figures=message.get("figures", {}),
        )

    @cached_property
    def label(self) -> str:
        """The experiment, the setting and the seeds."""
        first, seeds = self.group[0], sorted({trial.seed for trial in self.group})
        varied = {
            name
            for trial in self.group
            for name, value in trial.setting.items()
            if first.setting.get(name) != value
        }
        setting = ", ".join(f"{k}={v}" for k, v in first.setting.items() if k not in varied)
        run = len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1
        text = f"{seeds[0]}-{seeds[-1]}" if run else ", ".join(map(str, seeds))
        return f"{first.experiment} {setting} seed{'s' if len(seeds) > 1 else ''} {text}"
