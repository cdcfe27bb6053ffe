"""The plot of a document: time an element against size, and ratios with their quartiles."""

import io
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from benchmarks.records import Document, Found, Ratio, Time
from benchmarks.sections import SECTIONS
from benchmarks.tables import floor
from benchmarks.targets import TARGETS, RatioTarget, is_meant

__all__ = ["plot"]

COLOURS = {
    "numpy": "#1f6f8b",
    "numpy-numba": "#2a9d5c",
    "torch": "#c2452d",
    "jax": "#7a4fa3",
    "cupy": "#b8860b",
}
MARKERS = "osv^D"


def plot(document: Document) -> bytes:
    """Return a PNG: a panel a section over sizes, and one of the ratios at the largest size."""
    found = document.found
    timed = [s for s in SECTIONS.values() if s.how == "timed" and _times(found, s.name)]
    compared = _compared(found)
    rows = max(len(timed), 1)
    height = max(3.6 * rows, 1.5 + 0.24 * len(compared))
    figure = Figure(figsize=(16, height), dpi=130, layout="constrained")
    grid = figure.add_gridspec(rows, 2, width_ratios=(5, 4))
    for row, section in enumerate(timed):
        axes = figure.add_subplot(grid[row, 0])
        _draw_times(axes, found, _times(found, section.name))
        axes.set_title(section.title, fontsize=10)
    _draw_ratios(figure.add_subplot(grid[:, 1]), compared)
    about = document.environment["processor"]
    device = found.rates.device if found.rates else document.settings["device"]
    threads = document.settings["threads"]
    where = device if document.settings["device"] != "cpu" else f"{about}, {threads} thread(s)"
    figure.suptitle(f"{where}, {document.date[:10]}", fontsize=11)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def _times(found: Found, section: str) -> list[Time]:
    return [t for t in found.times if t.section == section]


def _draw_times(axes: Any, found: Found, times: Sequence[Time]) -> None:
    """Draw ns an element: flat is linear growth. Ours is solid, peers are dashed."""
    lines: dict[tuple[str, str], list[Time]] = {}
    for time in times:
        lines.setdefault((time.variant, time.contestant), []).append(time)
    seen: dict[tuple[str, bool], int] = {}
    for (variant, contestant), points in lines.items():
        ours = points[0].ours
        marker = seen[variant, ours] = seen.get((variant, ours), -1) + 1
        axes.plot(
            [t.size for t in points],
            [1e9 * t.seconds.median / t.size for t in points],
            color=COLOURS[variant],
            ls="-" if ours else "--",
            lw=1.8 if ours else 1.0,
            marker=MARKERS[marker % len(MARKERS)],
            ms=4,
            alpha=1.0 if ours else 0.7,
            label=f"{variant}: {contestant}",
        )
    bounds = {t.size: floor(t, found.rates) for t in times if t.ours}
    drawn = {size: bound for size, bound in sorted(bounds.items()) if bound is not None}
    if drawn:
        ns = [1e9 * bound / size for size, bound in drawn.items()]
        axes.plot(list(drawn), ns, color="black", lw=1, ls=":", label="floor of the machine")
    axes.set(xscale="log", yscale="log", xlabel="elements", ylabel="ns an element")
    axes.grid(alpha=0.25)
    axes.spines[["right", "top"]].set_visible(False)
    axes.legend(fontsize=6.5, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def _compared(found: Found) -> list[Ratio]:
    """Return ours over others: of each section at one size, and with the most leaves."""
    ours = {(t.section, t.variant, t.contestant) for t in found.times if t.ours}
    out = []
    for section in SECTIONS:
        here = [r for r in found.ratios if r.section == section]
        here = [r for r in here if (section, r.variant, r.contestant) in ours]
        if not here:
            continue
        wanted = 10**6 if any(r.size == 10**6 for r in here) else max(r.size for r in here)
        most = max(r.leaves for r in here)
        out += [r for r in here if r.size == wanted and r.leaves == most]
    return out


def _draw_ratios(axes: Any, compared: Sequence[Ratio]) -> None:
    if not compared:
        axes.set_axis_off()
        return
    for y, r in enumerate(compared):
        axes.plot([r.ratio.q1, r.ratio.q3], [y, y], color=COLOURS[r.variant], lw=3, alpha=0.4)
        axes.plot(r.ratio.median, y, "o", color=COLOURS[r.variant], ms=5)
        target = _target(r)
        if target is not None:
            axes.plot(target, y, "|", color="black", ms=11, mew=1.5)
    axes.axvline(1, color="grey", lw=0.8)
    axes.set_yticks(range(len(compared)), [_label(r) for r in compared], fontsize=6.5)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="ratio of times; bar: quartiles, stroke: figure to reach")
    axes.set_title("ratios: left of 1 ours is faster", fontsize=10)
    axes.grid(alpha=0.25, axis="x")
    axes.spines[["right", "top"]].set_visible(False)


def _label(r: Ratio) -> str:
    if SECTIONS[r.section].how == "replicas":
        return f"{r.section}, {r.variant}: {r.leaves} runs, {r.contestant} / {r.to_leaves} {r.to}"
    leaves = f" in {r.leaves:,} leaves" if r.leaves > 1 else ""
    other = f"{r.to} in {r.to_leaves:,}" if r.leaves != r.to_leaves else r.to
    return f"{r.section}, {r.variant}, {r.size:.0e}: {r.contestant}{leaves} / {other}"


def _target(ratio: Ratio) -> float | None:
    meant = (t for t in TARGETS if isinstance(t, RatioTarget) and is_meant(t, ratio))
    return next((t.at_most for t in meant), None)
