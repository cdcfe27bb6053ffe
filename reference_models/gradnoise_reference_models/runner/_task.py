"""What a worker does with a group of trials."""

import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from gradnoise_reference_models.runner._context import Context, Interrupted
from gradnoise_reference_models.runner._limits import limited
from gradnoise_reference_models.runner._outcome import Outcome
from gradnoise_reference_models.runner._settled import Attempt, encode
from gradnoise_reference_models.runner._trial import Trial

__all__ = ["Function", "attempt_now", "host", "lost", "now", "versions"]

#: Runs a group of trials, and returns what each came to, in their order.
Function = Callable[[Sequence[Trial], Context], Iterable[Outcome]]

#: Letters of a traceback that are kept: the end says what happened.
_ERROR = 8000

#: Distributions whose versions are kept, if they are in use.
_LIBRARIES = {
    "gradnoise_core": "gradnoise-core",
    "numpy": "numpy",
    "torch": "torch",
    "jax": "jax",
    "cupy": "cupy",
    "numba": "numba",
}


def attempt_now(
    function: Function, group: tuple[Trial, ...], context: Context, threads: int
) -> Attempt:
    """Run a group and return how it went, whatever happens but the death of the process."""
    started, clock = now(), time.perf_counter()
    outcomes: tuple[tuple[str, str, dict[str, bytes]], ...] = ()
    error, interrupted = None, False
    try:
        context.folder.mkdir(parents=True, exist_ok=True)  # on another machine it may be missing
        with limited(threads):
            outcomes = tuple(encode(outcome) for outcome in _checked(function, group, context))
    except Interrupted:
        interrupted = True
    except (Exception, SystemExit):  # noqa: BLE001 - whatever the function raises is its outcome
        error = traceback.format_exc()[-_ERROR:]
    return Attempt(
        started=started,
        finished=now(),
        seconds=time.perf_counter() - clock,
        host=host(),
        versions=versions(),
        outcomes=outcomes,
        error=error,
        interrupted=interrupted,
    )


def lost(started: str, seconds: float, error: str) -> Attempt:
    """Return how an attempt went whose worker says nothing any more."""
    return Attempt(started, now(), seconds, host={}, versions={}, error=error)


def now() -> str:
    """Return the time, in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def host() -> dict[str, Any]:
    """Return what machine this is."""
    return {
        "name": platform.node(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries in use."""
    found = {"python": platform.python_version()}
    for module, distribution in _LIBRARIES.items():
        if module in sys.modules:
            try:
                found[distribution] = version(distribution)
            except PackageNotFoundError:  # under another name, as CuPy's builds are
                found[distribution] = str(getattr(sys.modules[module], "__version__", "unknown"))
    return found


def _checked(function: Function, group: tuple[Trial, ...], context: Context) -> list[Outcome]:
    outcomes = list(function(group, context))
    kinds = {type(outcome).__name__ for outcome in outcomes} - {Outcome.__name__}
    if kinds or len(outcomes) != len(group):
        message = (
            f"`function` must return an Outcome for each of {len(group)} trials, got "
            f"{len(outcomes)} results{f', some of type {min(kinds)}' if kinds else ''}."
        )
        raise TypeError(message)
    return outcomes
