"""The figure of an experiment with memory networks: error by epoch, and every task's restarts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradnoise_core.typing import Array
from gradnoise_reference_models._extras import require
from gradnoise_reference_models.experiments._memory_rows import Row, labels, rows
from gradnoise_reference_models.experiments.ablations import MEMORY_NETWORK, on_model
from gradnoise_reference_models.experiments.table1 import ANNEALED, NO_NOISE
from gradnoise_reference_models.runner import Record, register_plot

__all__ = ["draw"]

_COLOURS = {NO_NOISE: "#c2452d", ANNEALED: "#1f6f8b"}
_OTHERS = ("#7a4fa3", "#2a9d5c", "#b8860b", "#5b5b5b", "#8a5a2b", "#4f6fd0")

_LEGEND = "mark: a restart; ring: the chosen one; stroke: the mean of all"


def draw(records: Sequence[Record]) -> Any:
    """Return the figure: for each procedure curves of mean error, and each task's restarts."""
    table = rows(records)
    named = list(zip(labels(table), table, strict=True))
    titles = list(dict.fromkeys(title for (title, _), _ in named))
    made = require("matplotlib.figure", purpose="draw the results").Figure
    figure = made(figsize=(10, 0.6 + 3.0 * max(len(titles), 1)), dpi=100, layout="constrained")
    grid = figure.add_gridspec(max(len(titles), 1), 2, width_ratios=(2, 3))
    for i, title in enumerate(titles):
        arms = [(arm, row) for (other, arm), row in named if other == title]
        left, right = (figure.add_subplot(grid[i, j]) for j in range(2))
        left.set_title(f"{title}: mean over tasks and restarts", fontsize=9, loc="left")
        _curves(left, arms)
        _tasks(right, arms)
        if i == 0:
            right.set_title(_LEGEND, fontsize=7, loc="right")
    return figure


def _curves(axes: Any, arms: Sequence[tuple[str, Row]]) -> None:
    """Draw the mean validation error by epoch, and dotted the running training error."""
    for arm, row, colour in _coloured(arms):
        for name, style in (("validation_error", "-"), ("train_error", ":")):
            values = _mean_curve(row, name)
            epochs = np.arange(1, len(values) + 1)
            label = arm if style == "-" else None
            axes.plot(epochs, values, style, color=colour, lw=1.2, label=label)
    axes.plot([], [], "-", color="grey", lw=1, label="validation")
    axes.plot([], [], ":", color="grey", lw=1, label="training")
    axes.margins(x=0)
    axes.set(ylim=(0, None))
    axes.set_xlabel("epoch", fontsize=8)
    axes.set_ylabel("error (%)", fontsize=8)
    _plain(axes)
    axes.legend(fontsize=6.5, frameon=False)


def _mean_curve(row: Row, name: str) -> Array:
    """Return the mean over tasks of the mean over restarts, in %."""
    means = [
        np.mean([record.curves[name] for record in cell.records], axis=0)
        for cell in row.cells.values()
    ]
    return 100.0 * np.mean(means, axis=0)


def _tasks(axes: Any, arms: Sequence[tuple[str, Row]]) -> None:
    """Draw each restart's validation error by task, the arms beside each other."""
    tasks = list(dict.fromkeys(task for _, row in arms for task in row.cells))
    width = 0.8 / len(arms)
    for k, (_, row, colour) in enumerate(_coloured(arms)):
        for task, cell in row.cells.items():
            found = cell.restarts("validation")
            x = tasks.index(task) + width * (k - (len(arms) - 1) / 2)
            spread = x + 0.2 * width * (np.arange(len(found.values)) % 3 - 1)
            axes.plot(spread, found.values, "o", color=colour, ms=2.5, alpha=0.6, mew=0)
            best = int(np.argmin(found.order))
            ring = {"mfc": "none", "mec": "black", "mew": 0.8, "ms": 5}
            axes.plot(spread[best], found.values[best], "o", **ring)
            ends = [x - 0.4 * width, x + 0.4 * width]
            axes.plot(ends, [found.values.mean()] * 2, color=colour, lw=1.5)
    axes.set_xticks(range(len(tasks)), tasks, fontsize=7)
    axes.set(xlim=(-0.6, len(tasks) - 0.4), ylim=(-2, None))
    axes.set_xlabel("task", fontsize=8)
    axes.set_ylabel("validation error (%)", fontsize=8)
    _plain(axes)


def _coloured(arms: Sequence[tuple[str, Row]]) -> list[tuple[str, Row, str]]:
    """Return each arm with its colour: the same in every panel."""
    others = iter(_OTHERS * (1 + len(arms) // len(_OTHERS)))
    used: set[str] = set()
    out = []
    for arm, row in arms:
        colour = _COLOURS.get(row.arm)
        colour = next(others) if colour is None or colour in used else colour
        used.add(colour)
        out.append((arm, row, colour))
    return out


def _plain(axes: Any) -> None:
    axes.grid(alpha=0.25)
    axes.spines[["right", "top"]].set_visible(False)
    axes.tick_params(labelsize=7)


for _name in ("table2", on_model("annealed-vs-fixed", MEMORY_NETWORK)):
    register_plot(_name)(draw)
