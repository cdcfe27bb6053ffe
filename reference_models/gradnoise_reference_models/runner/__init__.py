"""Trials over any executor, their results in one SQLite file.

A `Trial` is (experiment, setting, seed) -> metrics. An experiment is a list of trials, and a
function at the top of a module that runs a group of them side by side along the replica axis and
returns an `Outcome` for each::

    def train(group, context):  # group: trials that differ in the seed alone
        seeds, setting = [trial.seed for trial in group], group[0].setting
        state = start(seeds, setting)
        if context.checkpoint_path.exists():
            state = load(context.checkpoint_path, ...)
        for state, epoch, loss in steps(state):
            context.report_progress(
                epoch, setting["epochs"], save=lambda path: save(path, state), loss=loss.mean()
            )
        return [Outcome({"test_accuracy": a}, curves={"loss": c}) for a, c in zip(...)]

    trials = [Trial("mine", {"eta": eta, "epochs": 9}, seed) for eta in ... for seed in range(20)]
    with Store("results/gradnoise.sqlite") as store:
        summary = run_trials(trials, train, store=store, grouping=ensembles(20))
    sys.exit(summary.exit_code)

The same call again runs what is missing. See the page "Sweeps of many trials".
"""

from gradnoise_reference_models.runner._context import Context, Interrupted
from gradnoise_reference_models.runner._crew import AnyExecutor
from gradnoise_reference_models.runner._dask import DaskWorkers
from gradnoise_reference_models.runner._database import StoreError
from gradnoise_reference_models.runner._groups import Grouping, ensembles, solo
from gradnoise_reference_models.runner._outcome import Outcome
from gradnoise_reference_models.runner._plots import plot_of, plots, register_plot
from gradnoise_reference_models.runner._processes import ProcessWorkers, WorkerLostError
from gradnoise_reference_models.runner._record import Record
from gradnoise_reference_models.runner._run_trials import run_trials
from gradnoise_reference_models.runner._schema import STATUSES, describe_schema
from gradnoise_reference_models.runner._store import DEFAULT_STORE, Store
from gradnoise_reference_models.runner._summary import Failure, Summary
from gradnoise_reference_models.runner._task import Function
from gradnoise_reference_models.runner._trial import Trial, checksum
from gradnoise_reference_models.runner._view import Progress, Running, Tally

__all__ = [
    "DEFAULT_STORE",
    "STATUSES",
    "AnyExecutor",
    "Context",
    "DaskWorkers",
    "Failure",
    "Function",
    "Grouping",
    "Interrupted",
    "Outcome",
    "ProcessWorkers",
    "Progress",
    "Record",
    "Running",
    "Store",
    "StoreError",
    "Summary",
    "Tally",
    "Trial",
    "WorkerLostError",
    "checksum",
    "describe_schema",
    "ensembles",
    "plot_of",
    "plots",
    "register_plot",
    "run_trials",
    "solo",
]
