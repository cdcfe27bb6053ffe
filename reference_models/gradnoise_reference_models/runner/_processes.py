"""Worker processes on this machine, each of which may die without harm to another's trial."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any, ParamSpec, TypeVar

from gradnoise_reference_models.runner._limits import limited_environment

__all__ = ["ProcessWorkers", "WorkerLostError", "cores"]

P = ParamSpec("P")
T = TypeVar("T")

#: One at a time: a process inherits the environment, which is everybody's.
_STARTING = threading.Lock()


class WorkerLostError(RuntimeError):
    """The process that ran a task died: killed, out of memory, or crashed."""


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ProcessWorkers(ThreadPoolExecutor):
    """An executor of processes that are started afresh ("spawn"), a task at a time each.

    Unlike a `ProcessPoolExecutor` it outlives its workers: of a process that dies only the own task
    fails, with `WorkerLostError`, and the next task gets a new process. Workers leave Ctrl-C and SIGTERM
    to the main process, and end when it does, even if that is killed.

    Parameters
    ----------
    workers : int, optional
        Processes; as many as there are cores by default.
    threads : int
        Of BLAS, OpenMP, numba, torch and XLA in each; 1 by default.

    Examples
    --------
    >>> with ProcessWorkers(1) as executor:
    ...     executor.submit(divmod, 7, 2).result()
    (3, 1)
    """

    def __init__(self, workers: int | None = None, *, threads: int = 1) -> None:
        self.capacity = cores() if workers is None else workers
        self.threads = threads
        self._own = threading.local()
        self._pids: set[int] = set()
        self._pools: set[ProcessPoolExecutor] = set()
        super().__init__(self.capacity, thread_name_prefix="gradnoise-worker")

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn(*args, **kwargs)`` in a process; all three must be picklable."""
        return super().submit(self._run, fn, args, kwargs)

    @property
    def pids(self) -> frozenset[int]:
        """The processes there are."""
        return frozenset(self._pids)

    def kill(self) -> None:
        """End all processes at once; their tasks fail with `WorkerLostError`."""
        for child in multiprocessing.active_children():
            if child.pid in self._pids:
                child.kill()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes, those at work when their tasks are done."""
        super().shutdown(wait=wait, cancel_futures=cancel_futures)
        if wait:  # else they end with their thread, or with this process
            for pool in self._pools:
                pool.shutdown()

    def _run(self, fn: Callable[..., T], args: Any, kwargs: Any) -> T:
        """Run a task in this thread's process."""
        try:
            return self._submit(fn, args, kwargs).result()
        except BrokenProcessPool as error:
            self._end()
            message = "The worker process died: it was killed, ran out of memory or crashed."
            raise WorkerLostError(message) from error

    def _submit(self, fn: Callable[..., T], args: Any, kwargs: Any) -> Future[T]:
        pool: ProcessPoolExecutor | None = getattr(self._own, "pool", None)
        if pool is not None:
            try:
                return pool.submit(fn, *args, **kwargs)
            except BrokenProcessPool:  # it died at rest, which is no task's fault
                self._end()
        return self._begin().submit(fn, *args, **kwargs)

    def _begin(self) -> ProcessPoolExecutor:
        """Start this thread's process."""
        with _STARTING, limited_environment(self.threads):
            pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin_worker)
            self._own.pool = pool
            pid = pool.submit(os.getpid)
        self._own.pid = pid.result()
        self._pids.add(self._own.pid)
        self._pools.add(pool)
        return pool

    def _end(self) -> None:
        """Forget this thread's process, which died."""
        self._own.pool.shutdown(wait=False)
        self._pools.discard(self._own.pool)
        self._pids.discard(getattr(self._own, "pid", 0))
        self._own.pool = None


def _begin_worker() -> None:
    """Leave signals to the main process, and end when it does."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_follow, name="follow-parent", daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)  # not sys.exit: a task is at work in another thread
