"""What the commands that run many trials have in common: their options, and the run."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from gradnoise_reference_models.runner import (
    DEFAULT_STORE,
    DaskWorkers,
    Function,
    Grouping,
    Store,
    Summary,
    Trial,
    run_trials,
    solo,
)
from gradnoise_reference_models.runner.progress import progress_on

__all__ = ["store_option", "sweep", "sweep_options"]

C = TypeVar("C", bound=Callable[..., Any])

#: Where the results are.
store_option = click.option(
    "--store",
    "store_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_STORE,
    show_default=True,
    help="The file of results.",
)

_OPTIONS = (
    store_option,
    click.option(
        "--workers",
        type=click.IntRange(1),
        help="Groups of trials at a time; by default as many as there are cores, or Dask threads.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Threads of each worker's libraries.",
    ),
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Run on the Dask cluster of this scheduler, such as tcp://10.0.0.1:8786.",
    ),
    click.option(
        "--retries",
        type=click.IntRange(0),
        default=2,
        show_default=True,
        help="How often a group is tried again after an error or a lost worker.",
    ),
)


def sweep_options(command: C) -> C:
    """Add ``--store``, ``--workers``, ``--threads``, ``--scheduler`` and ``--retries``.

    The command hands them all to `sweep`, as its keyword arguments.
    """
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def sweep(
    trials: Iterable[Trial],
    function: Function,
    *,
    store_path: Path,
    workers: int | None,
    threads: int,
    scheduler: str | None,
    retries: int,
    grouping: Grouping = solo,
) -> Summary:
    """Run what is missing, with progress on standard error, and say there what it came to.

    The command then prints its table, and ends with
    ``click.get_current_context().exit(summary.exit_code)``.

    Raises
    ------
    click.ClickException
        If the store or the scheduler cannot be reached, or an extra is missing.
    """
    progress = progress_on()
    executor = partial(DaskWorkers, scheduler) if scheduler else None
    try:
        with Store(store_path) as store:
            summary = run_trials(
                trials,
                function,
                store=store,
                executor=executor,
                workers=workers,
                threads=threads,
                grouping=grouping,
                retries=retries,
                progress=progress,
            )
    except (ImportError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{summary} Results: {store_path}", err=True)
    return summary
