"""Whatever executor there is, as a run needs it."""

import pickle
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any

from gradnoise_reference_models.runner._channel import Channel, FileChannel
from gradnoise_reference_models.runner._dask import DaskWorkers
from gradnoise_reference_models.runner._processes import ProcessWorkers, cores

__all__ = ["AnyExecutor", "Crew"]

#: An executor, which stays its owner's; or what makes one, again when one breaks.
AnyExecutor = Executor | Callable[[], Executor]


class Crew:
    """The executor of a run, how many tasks it takes, and the channel to them."""

    def __init__(self, executor: AnyExecutor | None, workers: int | None, threads: int) -> None:
        self._workers = workers
        self._make: Callable[[], Executor] | None = None
        if executor is None:
            self._make = lambda: ProcessWorkers(workers, threads=threads)
        elif not isinstance(executor, Executor):
            self._make = executor
        self.executor = executor if isinstance(executor, Executor) else self._made()
        self._files = FileChannel()

    @property
    def channel(self) -> Channel:
        """How tasks report: through the scheduler of a cluster, or through files."""
        return self.executor if isinstance(self.executor, DaskWorkers) else self._files

    def check(self, function: Any) -> None:
        """Refuse a function that no process can be sent.

        Raises
        ------
        ValueError
            If it cannot be pickled, and would have to be.
        """
        if not isinstance(self.executor, ProcessWorkers):
            return
        try:
            pickle.dumps(function)
        except Exception as error:  # of whatever type its parts raise
            message = (
                f"`function` must be one that can be pickled, for worker processes, got "
                f"{function!r} ({error}). Define it at the top of a module."
            )
            raise ValueError(message) from error

    @property
    def capacity(self) -> int:
        """How many tasks it is given at a time; at least one, so that workers may come later."""
        if self._workers is not None:
            return self._workers
        found: int = getattr(self.executor, "capacity", cores())
        return max(1, found)

    @property
    def alive(self) -> bool:
        """Whether the executor can still be expected to do anything."""
        return bool(getattr(self.executor, "alive", True))

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Hand a task to the executor."""
        return self.executor.submit(function, *args)

    def renew(self) -> bool:
        """Put a new executor in the place of a broken one; False where there is no way to."""
        if self._make is None:
            return False
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.executor = self._made()
        return True

    def kill(self) -> None:
        """End tasks that do not end when asked, where that is possible."""
        if isinstance(self.executor, ProcessWorkers):
            self.executor.kill()

    def close(self) -> None:
        """End the executor if it is the run's own."""
        with suppress(OSError):  # of a scheduler that is gone
            self.channel.close()
        if self._make is not None:
            self.executor.shutdown(wait=isinstance(self.executor, ProcessWorkers))

    def _made(self) -> Executor:
        assert self._make is not None
        return self._make()
