"""The table, the files and the plot of an experiment whose arms are compared by test accuracy."""

import csv
import io
import json
import platform
import statistics
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gradnoise_reference_models._extras import require
from gradnoise_reference_models.checkpoint import written_whole
from gradnoise_reference_models.experiments.zero_init import ARMS, ZeroInit, by_arm
from gradnoise_reference_models.training import EpochRecord

__all__ = ["COLUMNS", "LAST", "LAST_EPOCHS", "drawable", "rows", "writable", "write"]

#: Epochs that the median is over: one epoch's accuracy is partly luck.
LAST = 5

COLUMNS = (
    "setting",
    "runs",
    "best",
    "average",
    f"median of last {LAST} epochs",
    "paper best",
    "paper average",
)

#: What the columns are, in words.
LAST_EPOCHS = (
    "Best and average are over the runs, at the last epoch. The median is each run's over its last "
    f"{LAST} epochs, averaged over the runs."
)


def rows(history: Sequence[EpochRecord]) -> list[tuple[Any, ...]]:
    """Return the table: test accuracy in % over the runs of each arm, as `LAST_EPOCHS` says."""
    medians = by_arm(
        [
            statistics.median(run)
            for run in zip(*(r.test_accuracy for r in history[-LAST:]), strict=True)
        ]
    )
    last = by_arm(history[-1].test_accuracy)
    out = []
    for arm in ARMS:
        percent = [100.0 * a for a in last[arm.name]]
        median = 100.0 * statistics.fmean(medians[arm.name])
        ours = max(percent), sum(percent) / len(percent), median
        out.append((arm.name, len(percent), *ours, arm.paper_best, arm.paper_average))
    return out


def drawable() -> None:
    """Find out now whether the plot can be drawn.

    Raises
    ------
    ImportError
        If it cannot; the message names the extra.
    """
    _figure()


def writable(folder: Path) -> None:
    """Make the folder, and find out now whether files can be written there.

    Raises
    ------
    OSError
        If they cannot; the message names the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        with written_whole(probe) as file:
            file.write(b"probe")
        probe.unlink()
    except OSError as error:
        message = (
            f"`--results` must be a folder that can be written to, got {str(folder)!r} "
            f"({error.strerror or error}). Name another one."
        )
        raise OSError(message) from error


def write(
    folder: Path,
    settings: ZeroInit,
    history: Sequence[EpochRecord],
    about: dict[str, Any],
) -> list[Path]:
    """Write ``table.csv``, ``table.json``, ``history.csv`` and ``accuracy.png``."""
    parts: dict[str, Callable[[], bytes]] = {
        "table.csv": lambda: _csv(COLUMNS, rows(history)),
        "table.json": lambda: _json(settings, history, about),
        "history.csv": lambda: _csv(*_history(settings, history)),
        "accuracy.png": lambda: _plot(settings, history),
    }
    for name, content in parts.items():  # the plot last, for the others need no library
        made = content()
        with written_whole(folder / name) as file:
            file.write(made)
    return [folder / name for name in parts]


def _csv(columns: Sequence[str], table: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in table:
        writer.writerow([f"{x:.6g}" if isinstance(x, float) else x for x in row])
    return text.getvalue().encode()


def _json(settings: ZeroInit, history: Sequence[EpochRecord], about: dict[str, Any]) -> bytes:
    document = {
        "settings": settings.settings(),
        "data": {"title": settings.data.title, "source": settings.data.source},
        "epochs": history[-1].epoch,
        "epochs_wanted": settings.epochs,
        "steps": history[-1].step,
        "complete": history[-1].epoch >= settings.epochs,
        "score": f"test accuracy in %. {LAST_EPOCHS}",
        "table": [dict(zip(COLUMNS, row, strict=True)) for row in rows(history)],
        "python": platform.python_version(),
        "gradnoise_core": version("gradnoise-core"),
        **about,
    }
    return (json.dumps(document, indent=2) + "\n").encode()


def _history(
    settings: ZeroInit, history: Sequence[EpochRecord]
) -> tuple[list[str], list[list[Any]]]:
    columns = ["epoch", "step", "setting", "seed", "train_loss", "test_accuracy_percent"]
    table = [
        [record.epoch, record.step, arm.name, seed, loss, 100.0 * accuracy]
        for record in history
        for arm, seed, loss, accuracy in zip(
            settings.arms, settings.seeds, record.loss, record.test_accuracy, strict=True
        )
    ]
    return columns, table


def _figure() -> Any:
    return require("matplotlib.figure", purpose="draw the results").Figure


def _plot(settings: ZeroInit, history: Sequence[EpochRecord]) -> bytes:
    fig = _figure()(figsize=(7.2, 4.2), dpi=150, layout="constrained")
    axes = fig.add_subplot()
    epochs = [record.epoch for record in history]
    colours = {"no noise": "#c2452d", "annealed noise": "#1f6f8b"}
    for i, arm in enumerate(settings.arms):
        accuracy = [100.0 * record.test_accuracy[i] for record in history]
        first = i % settings.runs == 0
        label = f"{arm.name} (eta = {arm.eta:g})" if first else None
        axes.plot(epochs, accuracy, color=colours[arm.name], lw=1.4, alpha=0.9, label=label)
    axes.set(xlabel="epoch", ylabel="test accuracy (%)", ylim=(0, 100))
    axes.set_xlim(0, max(settings.epochs, epochs[-1]))
    axes.set_title(
        f"{settings.hidden_layers} ReLU layers of {settings.width}, all weights zero at first\n"
        f"{settings.data.title}",
        fontsize=10,
    )
    steps = axes.secondary_xaxis(
        "top",
        functions=(
            lambda e: e * history[-1].step / history[-1].epoch,
            lambda s: s * history[-1].epoch / history[-1].step,
        ),
    )
    steps.set_xlabel("step")
    axes.grid(alpha=0.25)
    axes.spines[["right"]].set_visible(False)
    axes.legend(loc="center left", frameon=False)
    png = io.BytesIO()
    fig.savefig(png, format="png")
    return png.getvalue()
