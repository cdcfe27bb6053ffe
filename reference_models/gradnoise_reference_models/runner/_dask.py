"""Workers of a Dask cluster."""

import importlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from uuid import uuid4

from gradnoise_reference_models._extras import require
from gradnoise_reference_models.runner._context import Sender

__all__ = ["DaskWorkers"]

P = ParamSpec("P")
T = TypeVar("T")


class DaskWorkers(Executor):
    """An executor on a Dask cluster: one machine or many.

    A task of a worker that is lost is run again by the scheduler, elsewhere; a task that kills
    four workers fails. What workers report is sent through the scheduler.

    Parameters
    ----------
    address : str
        Of the scheduler, as ``"tcp://10.0.0.1:8786"``.
    timeout : float
        Seconds to wait for it.

    Raises
    ------
    ImportError
        If ``distributed`` is not installed; it comes with the extra ``cluster``.
    ConnectionError
        If there is no scheduler at that address.
    """

    def __init__(self, address: str, *, timeout: float = 10.0) -> None:
        distributed = require("distributed", purpose="use a Dask cluster", extra="cluster")
        addressing = importlib.import_module("distributed.comm.addressing")
        try:
            # Before there is a client: one that cannot connect complains once more as it goes.
            scheme, where = addressing.parse_address(address)
            if scheme in ("tcp", "tls", "ws", "wss"):
                addressing.parse_host_port(where)
            self._client = distributed.Client(address, timeout=timeout, set_as_default=False)
        except (OSError, ValueError) as error:
            message = (
                f"`scheduler` must be the address of a Dask scheduler, got {address!r} ({error}). "
                "Start one with: dask scheduler"
            )
            raise ConnectionError(message) from error
        self.address = address
        self._executor = self._client.get_executor(pure=False)
        self._lock = threading.Lock()
        self._latest: dict[str, dict[str, Any]] = {}
        self._topic = f"gradnoise-{uuid4().hex}"
        self._client.subscribe_topic(self._topic, self._hear)

    @property
    def capacity(self) -> int:
        """Threads of all workers there are now."""
        return sum(self._client.nthreads().values())

    @property
    def alive(self) -> bool:
        """Whether the scheduler answers."""
        return str(self._client.status) == "running"

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn(*args, **kwargs)`` on a worker."""
        future: Future[T] = self._executor.submit(fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster, which goes on; tasks that nobody waits for are told to stop."""
        if self.alive:
            self._executor.shutdown(wait=wait and not cancel_futures)
        self._client.close()

    def sender(self, task: str, folder: Path) -> Sender:
        """Return a sender that logs an event at the scheduler."""
        return _EventSender(self._topic, task)

    def latest(self, tasks: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
        """Return the last event of each of the tasks that sent one."""
        with self._lock:
            self._latest = {t: m for t, m in self._latest.items() if t in tasks}
            return dict(self._latest)

    def stop(self, tasks: Mapping[str, Path]) -> None:
        """Cancel all tasks, which the senders then notice."""
        self._executor.shutdown(wait=False)

    def close(self) -> None:
        """Listen no more."""
        if self.alive:
            self._client.unsubscribe_topic(self._topic)

    def _hear(self, event: tuple[Any, dict[str, Any]]) -> None:
        _, said = event
        with self._lock:
            self._latest[said["task"]] = said["message"]


@dataclass(frozen=True)
class _EventSender:
    topic: str
    task: str

    def send(self, message: dict[str, Any]) -> None:
        from distributed import get_worker

        get_worker().log_event(self.topic, {"task": self.task, "message": message})

    def cancelled(self) -> bool:
        """Return whether the scheduler took the task back: the main process ended, or stopped."""
        from distributed import get_worker
        from distributed.worker import thread_state

        state = get_worker().state.tasks.get(thread_state.key)
        return state is None or state.state in ("cancelled", "resumed")
