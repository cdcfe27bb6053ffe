"""The loop of a run: what is missing goes out, what comes back is stored at once."""

import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass
from pathlib import Path

from gradnoise_reference_models.runner._context import Context
from gradnoise_reference_models.runner._crew import Crew
from gradnoise_reference_models.runner._database import StoreError
from gradnoise_reference_models.runner._job import Job
from gradnoise_reference_models.runner._settled import Attempt, Settled, settle
from gradnoise_reference_models.runner._signals import Asked
from gradnoise_reference_models.runner._store import Store
from gradnoise_reference_models.runner._summary import Failure, Summary
from gradnoise_reference_models.runner._task import Function, attempt_now, lost, now
from gradnoise_reference_models.runner._trial import Trial
from gradnoise_reference_models.runner._view import Progress, Tally

__all__ = ["Limits", "Run"]

#: Seconds between two looks at signals, messages and other runs.
_TICK = 0.1


@dataclass(frozen=True)
class Limits:
    """How long, how often and how much, as `run_trials` says."""

    retries: int
    threads: int
    checkpoint_every: float
    patience: float
    grace: float


class Run:
    """One call of `run_trials`."""

    def __init__(
        self,
        groups: Iterable[tuple[Trial, ...]],
        function: Function,
        store: Store,
        crew: Crew,
        limits: Limits,
        asked: Asked,
        progress: Progress | None,
        tally: Tally,
    ) -> None:
        self.function = function
        self.store = store
        self.crew = crew
        self.limits = limits
        self.asked = asked
        self.progress = progress
        self.tally = tally
        self.pending = deque(Job(group, store.work) for group in groups)
        self.flying: dict[Future[Attempt], Job] = {}
        self.unsaved: list[tuple[Job, list[Settled]]] = []
        self.failures: list[Failure] = []
        self.broken: str | None = None

    def go(self) -> Summary:
        """Run to the end, or until a signal or a disaster."""
        if self.progress is not None:
            self.progress.begin(self.tally)
        try:
            while (self.pending or self.flying) and not (self.broken or self.asked.signal):
                self._submit()
                self._settle(self._wait(_TICK))
                self._show()
        except OSError as error:  # of the store, or of the folder of what is under way
            self._break(str(error))
        finally:
            self._end()
            if self.progress is not None:
                self.progress.end()
        t = self.tally
        return Summary(
            total=t.total,
            kept=t.kept,
            done=t.done,
            diverged=t.diverged,
            failures=tuple(self.failures),
            signal=self.asked.signal,
            broken=self.broken,
        )

    # --- out ---------------------------------------------------------------

    def _submit(self) -> None:
        """Hand out as many groups as there are workers; those of another run come last."""
        capacity = self.crew.capacity if self.pending else 0
        for _ in range(len(self.pending)):
            if self.broken or len(self.flying) >= capacity:
                return
            job = self.pending.popleft()
            if not job.claim():
                self.pending.append(job)
            elif self._missing(job):
                self._fly(job)

    def _missing(self, job: Job) -> bool:
        """Return whether all of a group is missing; if only a part is, that part is a new one.

        Another run may have stored some since this one began.
        """
        finished = self.store.finished(trial.key for trial in job.group)
        if not finished:
            return True
        job.release(clean=True)
        self.tally.kept += len(finished)
        rest = tuple(trial for trial in job.group if trial.key not in finished)
        if rest:
            self.pending.appendleft(Job(rest, job.work, job.attempts))
        return False

    def _fly(self, job: Job) -> None:
        job.attempts += 1
        job.started, job.clock = now(), time.monotonic()
        sender = self.crew.channel.sender(job.name, job.folder)
        context = Context(job.folder, job.attempts, self.limits.checkpoint_every, sender)
        args = self.function, job.group, context, self.limits.threads
        try:
            self.flying[self.crew.submit(attempt_now, *args)] = job
        except (BrokenExecutor, RuntimeError) as error:
            self._again(job, lost(job.started, job.seconds, str(error)))
            self._renew(error)

    def _renew(self, error: BaseException) -> None:
        if not self.crew.renew():
            self._break(f"The executor is broken and cannot run more ({error!r}).")

    # --- back --------------------------------------------------------------

    def _wait(self, seconds: float) -> list[tuple[Job, Attempt]]:
        """Return the groups that ended, within so many seconds."""
        if not self.flying:
            time.sleep(seconds if self.pending else 0.0)
            return []
        done, _ = wait(self.flying, timeout=seconds, return_when=FIRST_COMPLETED)
        broken: BaseException | None = None
        ended = []
        for future in done:
            job = self.flying.pop(future)
            error = None if future.cancelled() else future.exception()
            if isinstance(error, BrokenExecutor):
                broken = error
            ended.append((job, _attempt(job, future)))
        if not self.crew.alive:
            self._break("The scheduler is gone.")
        elif broken is not None and not self.asked.signal:
            self._renew(broken)
        return ended

    def _settle(self, ended: Iterable[tuple[Job, Attempt]]) -> None:
        """Store the groups that have results, and try the others again."""
        for job, attempt in ended:
            if attempt.outcomes:
                self.unsaved.append((job, settle(job.group, attempt, job.attempts)))
            elif self.asked.signal or self.broken:
                job.release(clean=False)
            else:
                self._again(job, attempt)
        self._save(self.limits.patience)

    def _again(self, job: Job, attempt: Attempt) -> None:
        """Try a group again; at last its trials one by one; then they have failed."""
        why = (attempt.error or "it was interrupted").strip().rpartition("\n")[2]
        if job.attempts <= self.limits.retries:
            self._log(f"{job.label}: attempt {job.attempts} failed ({why}); it is tried again.")
            job.release(clean=False)
            self.pending.append(job)
        elif len(job.group) > 1:
            self._log(f"{job.label}: {why}; its {len(job.group)} trials are tried one by one.")
            job.release(clean=True)
            self.pending.extend(Job((t,), job.work, self.limits.retries) for t in job.group)
        else:
            self._log(f"{job.label}: failed ({why}).")
            self.unsaved.append((job, settle(job.group, attempt, job.attempts)))

    def _save(self, patience: float) -> None:
        """Store what has ended; where the disk is full, wait for space a while."""
        if not self.unsaved:
            return
        deadline = time.monotonic() + patience
        told = False
        while True:
            try:
                self.store.add(one for _, settled in self.unsaved for one in settled)
                break
            except StoreError as error:
                if self.asked.signal or time.monotonic() >= deadline:
                    raise
                if not told:
                    self._log(f"{error} Waiting {patience:.0f} s for it to become possible.")
                told = True
                time.sleep(_TICK)
        for job, settled in self.unsaved:
            for one in settled:
                self._count(one)
            job.release(clean=all(one.row["status"] != "failed" for one in settled))
        self.unsaved = []

    def _count(self, one: Settled) -> None:
        status = one.row["status"]
        setattr(self.tally, status, getattr(self.tally, status) + 1)
        if status == "failed":
            self.failures.append(Failure(one.trial, one.row["error"]))

    # --- the end -----------------------------------------------------------

    def _break(self, why: str) -> None:
        self.broken = self.broken or why

    def _end(self) -> None:
        """Ask what is under way to stop, store what ended all the same, and let go."""
        try:
            if self.flying:
                self._stop_flying()
            self._save(0.0)
        except OSError as error:
            self._break(str(error))
        for job in [*self.flying.values(), *(job for job, _ in self.unsaved)]:
            job.release(clean=False)

    def _stop_flying(self) -> None:
        for future in self.flying:
            future.cancel()
        self.crew.channel.stop(self._folders())
        deadline, times = time.monotonic() + self.limits.grace, self.asked.times
        while self.flying and time.monotonic() < deadline and self.asked.times == times:
            self._collect()
        if self.flying:
            self.crew.kill()
            self._collect()

    def _collect(self) -> None:
        """Keep the results of what ends though the run is over."""
        for job, attempt in self._wait(_TICK):
            if attempt.outcomes:
                self.unsaved.append((job, settle(job.group, attempt, job.attempts)))
            else:
                job.release(clean=False)

    def _folders(self) -> dict[str, Path]:
        return {job.name: job.folder for job in self.flying.values()}

    def _show(self) -> None:
        if self.progress is None:
            return
        latest = self.crew.channel.latest(self._folders())
        running = [job.running(latest.get(job.name, {})) for job in self.flying.values()]
        self.progress.update(self.tally, running)

    def _log(self, message: str) -> None:
        if self.progress is not None:
            self.progress.log(message)


def _attempt(job: Job, future: Future[Attempt]) -> Attempt:
    """Return how an attempt went; the worker may be gone, and its future hold an error."""
    try:
        return future.result()
    except CancelledError:
        error = "The executor took the task back."
    except Exception as raised:  # noqa: BLE001 - an executor's own, as of a lost worker
        error = f"{type(raised).__name__}: {raised}"
    return lost(job.started, job.seconds, error)
