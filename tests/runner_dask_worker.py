"""A run on a Dask cluster, to be stopped: ``python runner_dask_worker.py ADDRESS STORE LOG``."""

import sys

import runner_functions

from gradnoise_reference_models.runner import DaskWorkers, Store, run_trials

if __name__ == "__main__":
    address, path, log = sys.argv[1:]
    with Store(path) as store, DaskWorkers(address) as executor:
        summary = run_trials(
            runner_functions.grid(6, log=log),
            runner_functions.slow,
            store=store,
            executor=executor,
            checkpoint_every=0.05,
        )
    sys.exit(summary.exit_code)
