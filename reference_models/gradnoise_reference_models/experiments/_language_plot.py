"""The figure of the language model: perplexity by epoch, and every run's on the test text."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradnoise_reference_models._extras import require
from gradnoise_reference_models.experiments._language_rows import Row, labels, rows
from gradnoise_reference_models.experiments.language_model import NAME
from gradnoise_reference_models.runner import Record, register_plot

__all__ = ["draw"]

#: By eta; then others in turn.
_COLOURS = {0.0: "#c2452d", 0.01: "#1f6f8b", 0.001: "#b8860b"}
_OTHERS = ("#7a4fa3", "#2a9d5c", "#5b5b5b", "#8a5a2b", "#4f6fd0")

_LEGEND = "mark: a run; stroke and bar: average, 95 %"


@register_plot(NAME)
def draw(records: Sequence[Record]) -> Any:
    """Return the figure: a line of panels a text and network, with curves and with the test."""
    table = rows(records)
    named = list(zip(labels(table), table, strict=True))
    titles = list(dict.fromkeys(title for (title, _), _ in named))
    made = require("matplotlib.figure", purpose="draw the results").Figure
    figure = made(figsize=(10, 0.7 + 3.0 * max(len(titles), 1)), dpi=100, layout="constrained")
    grid = figure.add_gridspec(max(len(titles), 1), 2, width_ratios=(3, 2))
    for i, title in enumerate(titles):
        arms = [(arm, row) for (other, arm), row in named if other == title]
        left, right = (figure.add_subplot(grid[i, j]) for j in range(2))
        left.set_title(title, fontsize=9, loc="left")
        _curves(left, arms)
        _test(right, arms)
        if i == 0:
            right.set_title(_LEGEND, fontsize=7, loc="right")
    return figure


def _curves(axes: Any, arms: Sequence[tuple[str, Row]]) -> None:
    """Draw a line a run; what is not finite, or above the size of the vocabulary, is left out."""
    for arm, row, colour in _coloured(arms):
        for record in row.records:
            for name, style in (("validation_perplexity", "-"), ("train_perplexity", ":")):
                values = np.asarray(record.curves[name], np.float64)
                shown = np.where(values <= row.variant["vocabulary"], values, np.nan)
                epochs = np.arange(1, len(shown) + 1)
                axes.plot(epochs, shown, style, color=colour, lw=0.9, alpha=0.7, marker=".", ms=2)
        axes.plot([], [], color=colour, lw=2, label=_described(arm, row))
    axes.plot([], [], "-", color="grey", lw=1, label="validation")
    axes.plot([], [], ":", color="grey", lw=1, label="training")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(_short)
    axes.yaxis.set_minor_formatter(_short)
    axes.set_xlabel("epoch", fontsize=8)
    axes.set_ylabel("perplexity", fontsize=8)
    _plain(axes)
    axes.legend(fontsize=6.5, frameon=False)


def _test(axes: Any, arms: Sequence[tuple[str, Row]]) -> None:
    """Draw a mark a run that has a finite perplexity, and the average as a stroke."""
    for y, (_, row, colour) in enumerate(_coloured(arms)):
        values = [value for value in row.values("test") if math.isfinite(value)]
        spread = y + 0.13 + 0.05 * (np.arange(len(values)) % 3 - 1)
        axes.plot(values, spread, "o", color=colour, ms=4, alpha=0.65, mew=0)
        average, interval = row.average("test")
        if interval is not None:
            axes.plot(interval, [y - 0.15] * 2, color=colour, lw=3, alpha=0.35)
        if math.isfinite(average):
            axes.plot(average, y - 0.15, "|", color="black", ms=8, mew=1.4)
    axes.set_yticks(range(len(arms)), [arm for arm, _ in arms], fontsize=7)
    axes.set(ylim=(len(arms) - 0.5, -0.6))
    axes.set_xlabel("test perplexity after the last epoch", fontsize=8)
    _plain(axes)


def _described(arm: str, row: Row) -> str:
    return f"{arm} ({row.diverged} of {len(row.records)} diverged)" if row.diverged else arm


def _coloured(arms: Sequence[tuple[str, Row]]) -> list[tuple[str, Row, str]]:
    """Return each arm with its colour: the same in every panel."""
    others = iter(_OTHERS * (1 + len(arms) // len(_OTHERS)))
    return [(arm, row, _COLOURS.get(row.eta) or next(others)) for arm, row in arms]


def _short(value: float, position: int) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _plain(axes: Any) -> None:
    axes.grid(alpha=0.25)
    axes.spines[["right", "top"]].set_visible(False)
    axes.tick_params(labelsize=7, which="both")
