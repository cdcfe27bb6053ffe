"""A run of slow trials to be killed: ``python runner_worker.py STORE LOG OPTIONS-AS-JSON``.

Options: trials, workers, retries, every, group, limit (bytes that a file may have), function.
With "late" true, results are stored at the end alone, which is what the tests must notice.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Any

import runner_functions

from gradnoise_reference_models.runner import Store, ensembles, run_trials
from gradnoise_reference_models.runner.progress import progress_on


def main(path: str, log: str, text: str) -> int:
    options: dict[str, Any] = json.loads(text)
    with Store(path) as store:
        if "limit" in options:
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (options["limit"], hard))
        add, kept = store.add, list[Any]()
        if options.get("late"):
            store.add = kept.extend  # type: ignore[method-assign, assignment]
        summary = run_trials(
            runner_functions.grid(options["trials"], log=log),
            getattr(runner_functions, options.get("function", "slow")),
            store=store,
            workers=options.get("workers", 2),
            retries=options.get("retries", 2),
            checkpoint_every=options.get("every", 0.02),
            grouping=ensembles(options.get("group", 1)),
            patience=options.get("patience", 0.3),
            progress=progress_on(),
        )
        add(kept)
    print(summary)
    return summary.exit_code


if __name__ == "__main__":
    Path(sys.argv[1]).parent.mkdir(parents=True, exist_ok=True)
    sys.exit(main(*sys.argv[1:]))
