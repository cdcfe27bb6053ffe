"""One short float64 trajectory on every array library, side by side."""

import dataclasses
import itertools
import statistics
import time
from typing import Any

import numpy as np
import optree
from rich.console import Console
from rich.table import Table
from rich.text import Text
from threadpoolctl import threadpool_limits

from gradnoise_core.backend import Backend
from gradnoise_reference_models.cli._backends import Installed, installed
from gradnoise_reference_models.experiments.zero_init import ZeroInit

__all__ = ["STEPS", "compare", "trajectory"]

#: Long enough for every part of a step to matter, short enough not to be chaotic.
STEPS = 50


def compare(settings: ZeroInit) -> None:
    """Print the largest difference of a parameter to NumPy, and the time of a step."""
    settings = dataclasses.replace(settings, dtype="float64", init="he")
    console = Console()
    console.print(
        f"{STEPS} float64 steps from He's initial weights (at zero no signal would pass), "
        "with and without noise."
    )
    table = Table("backend", "version", "largest difference to NumPy", "ms a step", "first step")
    reference: list[Any] = []
    for found in installed():
        table.add_row(*_row(settings, found, reference))
    console.print(table)


def _row(settings: ZeroInit, found: Installed, reference: list[Any]) -> tuple[str | Text, ...]:
    if found.backend is None:
        return found.name, found.version or "-", Text(found.reason, "dim"), "", ""
    leaves, first, later = trajectory(settings, found.backend)
    if not reference:
        reference.extend(leaves)
    worst = max(float(np.max(np.abs(a - b))) for a, b in zip(leaves, reference, strict=True))
    times = f"{1e3 * later:.2f}", f"{first:.2f} s"
    return found.name, found.version, f"{worst:.1e}", *times


def trajectory(
    settings: ZeroInit, backend: Backend, steps: int = STEPS
) -> tuple[list[Any], float, float]:
    """Return the parameters after some steps, and the seconds of the first and of a later step."""
    if backend.name == "jax":
        import jax

        with jax.enable_x64(True):
            return _trajectory(settings, backend, steps, compiled=True)
    return _trajectory(settings, backend, steps, compiled=False)


def _trajectory(
    settings: ZeroInit, backend: Backend, steps: int, *, compiled: bool
) -> tuple[list[Any], float, float]:
    trainer = settings.trainer(backend, compiled=compiled)
    ticks = [time.perf_counter()]
    state = settings.start(trainer)
    # As in training: matrices this small are not worth sharing among threads.
    with threadpool_limits(limits=1):
        for now, loss in itertools.islice(trainer.steps(state, settings.epochs), steps):
            backend.synchronize(loss)
            state = now
            ticks.append(time.perf_counter())
    leaves = [backend.to_numpy(x) for x in optree.tree_leaves(state.params)]
    return leaves, ticks[1] - ticks[0], statistics.median(np.diff(ticks[1:]))
