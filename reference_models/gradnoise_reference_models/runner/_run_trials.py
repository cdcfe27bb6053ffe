"""The one call that runs a grid of trials."""

from collections.abc import Iterable

from gradnoise_reference_models.runner._crew import AnyExecutor, Crew
from gradnoise_reference_models.runner._groups import Grouping, solo
from gradnoise_reference_models.runner._run import Limits, Run
from gradnoise_reference_models.runner._signals import asked_to_stop
from gradnoise_reference_models.runner._store import Store
from gradnoise_reference_models.runner._summary import Summary
from gradnoise_reference_models.runner._task import Function
from gradnoise_reference_models.runner._trial import Trial
from gradnoise_reference_models.runner._view import Progress, Tally

__all__ = ["run_trials"]


def run_trials(
    trials: Iterable[Trial],
    function: Function,
    *,
    store: Store,
    executor: AnyExecutor | None = None,
    workers: int | None = None,
    threads: int = 1,
    grouping: Grouping = solo,
    retries: int = 2,
    checkpoint_every: float = 20.0,
    patience: float = 60.0,
    grace: float = 10.0,
    progress: Progress | None = None,
) -> Summary:
    """Run the trials that have no result in the store yet, and store each as it finishes.

    Whatever happens to a worker or to this process, no stored result is lost or counted twice, and
    the same call goes on with what is missing. Trials that failed before are run again; trials
    that diverged are not, for that is a result.

    Parameters
    ----------
    trials : iterable of Trial
        The grid; the same trial twice is one.
    function : callable
        ``function(group, context) -> outcomes``: runs a tuple of trials, and returns an `Outcome`
        for each, in their order. `context` is a `Context`. It must be picklable, as a function at
        the top of a module is, or a `functools.partial` of one.
    store : Store
        Only this process writes to it.
    executor : Executor or callable, optional
        `ProcessWorkers` by default; `DaskWorkers`; or any other `concurrent.futures.Executor`,
        which stays the caller's to shut down. A callable makes one, and another if that breaks.
    workers : int, optional
        Groups at a time. By default as many as the executor has workers, if it says so, as both of
        ours do; else as there are cores.
    threads : int
        Of BLAS, OpenMP, numba and torch in each worker; 1 by default, so that they do not fight.
    grouping : callable
        Which trials train together; `solo` by default, or `ensembles`.
    retries : int
        How often a group is tried again after an error or a lost worker. Then the trials of a group
        of several are tried one by one, once each, and those that fail again are stored as failed.
    checkpoint_every : float
        Seconds between checkpoints, of functions that make some.
    patience : float
        Seconds to wait for space on a full disk before giving up.
    grace : float
        Seconds that running groups have to keep a checkpoint after Ctrl-C or SIGTERM; a second
        signal ends them at once.
    progress : Progress, optional
        Where to show how far it is, as
        `~gradnoise_reference_models.runner.progress.progress_on` makes; nowhere by default.

    Returns
    -------
    Summary
        What it came to, with the exit code for a command.

    Raises
    ------
    ValueError
        If a number is out of its range, or the function cannot be sent to a worker process.
    StoreError
        If the store cannot be read. That it cannot be written ends the run, as the summary says.

    Examples
    --------
    >>> import tempfile
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from pathlib import Path
    >>> from gradnoise_reference_models.runner import Outcome
    >>> def roll(group, context):
    ...     return [Outcome({"dots": 1 + trial.seed * trial.setting["a"] % 6}) for trial in group]
    >>> trials = [Trial("dice", {"a": 5}, seed) for seed in range(4)]
    >>> with (
    ...     tempfile.TemporaryDirectory() as folder,
    ...     Store(Path(folder) / "results.sqlite") as store,
    ...     ThreadPoolExecutor(2) as executor,
    ... ):
    ...     first = run_trials(trials, roll, store=store, executor=executor)
    ...     again = run_trials(trials, roll, store=store, executor=executor)
    ...     dots = [record.metrics["dots"] for record in store.records()]
    >>> print(first, again, dots)
    4 trials: 4 done. 4 trials: 4 were there before, 0 done. [1, 6, 5, 4]
    """
    whole = {"workers": (workers, 1), "threads": (threads, 1), "retries": (retries, 0)}
    for name, (number, least) in whole.items():
        if number is not None and number < least:
            message = f"`{name}` must be at least {least}, got {number}."
            raise ValueError(message)
    wanted = {trial.key: trial for trial in trials}
    kept = store.finished(wanted)
    missing = [trial for key, trial in wanted.items() if key not in kept]
    tally = Tally(total=len(wanted), kept=len(kept))
    if not missing:
        return Summary(total=tally.total, kept=tally.kept)
    limits = Limits(retries, threads, checkpoint_every, patience, grace)
    with asked_to_stop() as asked:
        crew = Crew(executor, workers, threads)
        try:
            crew.check(function)
            groups = grouping(missing)
            return Run(groups, function, store, crew, limits, asked, progress, tally).go()
        finally:
            crew.close()
