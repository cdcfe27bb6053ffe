"""The figure of an experiment whose arms are compared by test accuracy: curves, and every run."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradnoise_reference_models._extras import require
from gradnoise_reference_models.experiments._accuracy_table import Row, labels, rows
from gradnoise_reference_models.experiments.ablations import ABLATIONS
from gradnoise_reference_models.experiments.table1 import ANNEALED, DROPOUT, NO_NOISE
from gradnoise_reference_models.runner import Record, register_plot

__all__ = ["draw"]

_COLOURS = {NO_NOISE: "#c2452d", ANNEALED: "#1f6f8b", DROPOUT: "#b8860b"}
_OTHERS = ("#7a4fa3", "#2a9d5c", "#c77f9d", "#5b5b5b", "#8a5a2b", "#4f6fd0")

#: By order of the rates.
_STYLES = ("-", ":", "--", "-.")
_MARKERS = "o^sD"

_LEGEND = "mark: a run; stroke and bar: average, 95 %; cross: the paper's average"


def draw(records: Sequence[Record]) -> Any:
    """Return the figure: a line of panels an experiment, with curves and with the last epoch."""
    table = rows(records)
    named = list(zip(labels(table), table, strict=True))
    titles = list(dict.fromkeys(title for (title, _), _ in named))
    made = require("matplotlib.figure", purpose="draw the results").Figure
    figure = made(figsize=(10, 1.0 + 2.3 * len(titles)), dpi=100, layout="constrained")
    grid = figure.add_gridspec(max(len(titles), 1), 2, width_ratios=(3, 2))
    for i, title in enumerate(titles):
        arms = [(arm, row) for (other, arm), row in named if other == title]
        left, right = (figure.add_subplot(grid[i, j]) for j in range(2))
        left.set_title(title, fontsize=9, loc="left")
        _curves(left, arms)
        _distribution(right, arms)
        if i == 0:
            right.set_title(_LEGEND, fontsize=6.5, loc="right")
        last = i == len(titles) - 1
        if last:
            left.set_xlabel("updates", fontsize=8)
            right.set_xlabel("test accuracy after the last epoch (%)", fontsize=8)
    return figure


def _curves(axes: Any, arms: Sequence[tuple[str, Row]]) -> None:
    """Draw a line a run."""
    for arm, row, colour in _coloured(arms):
        rates = list(row.by_rate)
        for record in row.records:
            values = 100.0 * np.asarray(record.curves["test_accuracy"])
            updates = np.linspace(0, record.metrics["updates"], len(values) + 1)[1:]
            style = _STYLES[rates.index(record.setting["learning_rate"]) % len(_STYLES)]
            axes.plot(updates, values, style, color=colour, lw=0.8, alpha=0.6)
        axes.plot([], [], color=colour, lw=2, label=arm)
    rates = sorted({rate for _, row in arms for rate in row.by_rate}, reverse=True)
    for rate, style, marker in zip(rates, _STYLES, _MARKERS, strict=False):
        label = f"rate {rate:g}"
        axes.plot([], [], style, color="grey", lw=1, marker=marker, ms=3.5, label=label)
    axes.margins(x=0)
    axes.set(xlim=(0, None), ylim=(0, 100))
    axes.set_ylabel("test accuracy (%)", fontsize=8)
    _plain(axes)
    axes.legend(fontsize=6.5, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def _distribution(axes: Any, arms: Sequence[tuple[str, Row]]) -> None:
    """Draw a mark a run, and the average as a stroke with its interval."""
    for y, (_, row, colour) in enumerate(_coloured(arms)):
        for k, values in enumerate(row.by_rate.values()):
            spread = y + 0.13 * (k + 1) + 0.04 * (np.arange(len(values)) % 3 - 1)
            marker = _MARKERS[k % len(_MARKERS)]
            axes.plot(values, spread, marker, color=colour, ms=3.5, alpha=0.65, mew=0)
        average, interval = row.average
        if interval is not None:
            axes.plot(interval, [y - 0.15] * 2, color=colour, lw=3, alpha=0.35)
        axes.plot(average, y - 0.15, "|", color="black", ms=8, mew=1.4)
        if row.paper is not None:
            axes.plot(row.paper.average, y - 0.32, "x", color="black", ms=4, mew=0.9)
    axes.set_yticks(range(len(arms)), [arm for arm, _ in arms], fontsize=7)
    axes.set(xlim=(0, 100), ylim=(len(arms) - 0.4, -0.6))
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


for _name in ("table1", *ABLATIONS):
    register_plot(_name)(draw)
