"""Intervals, table, plot and cost of table 1, from records made up for the purpose."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import scipy.stats

from gradnoise_core.backend import backend_for
from gradnoise_reference_models.experiments import cost
from gradnoise_reference_models.experiments._accuracy_plot import draw
from gradnoise_reference_models.experiments._accuracy_table import (
    COLUMNS,
    csv_of,
    json_of,
    labels,
    rows,
)
from gradnoise_reference_models.experiments.ablations import ABLATIONS
from gradnoise_reference_models.experiments.bootstrap import best_interval, mean_interval
from gradnoise_reference_models.experiments.table1 import ANNEALED, DROPOUT, NO_NOISE
from gradnoise_reference_models.runner import Record, plot_of

# --- intervals -----------------------------------------------------------------------------------


def resampled(groups: list[list[float]], reduce: Any, times: int = 20_000) -> Any:
    """The bootstrap in its plainest form: each group is drawn from with replacement."""
    rng = np.random.default_rng(7)
    drawn = [np.asarray(g)[rng.integers(0, len(g), (times, len(g)))] for g in groups]
    return np.quantile(reduce(np.concatenate(drawn, axis=1), axis=1), [0.025, 0.975])


GROUPS = [[95.0, 96.5, 90.0, 97.0, 10.0], [11.0, 12.0, 10.0, 9.0, 55.0]]


def test_the_interval_of_the_mean_is_the_bootstraps() -> None:
    found = mean_interval(GROUPS)
    assert found is not None
    # A quantile of 20,000 resamples is known to about a hundredth of the spread, 12.
    np.testing.assert_allclose(found, resampled(GROUPS, np.mean), atol=0.5)
    one = mean_interval([GROUPS[0]])
    theirs = scipy.stats.bootstrap(
        (GROUPS[0],), np.mean, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert one is not None
    np.testing.assert_allclose(one, theirs, atol=1e-9)


def test_each_rate_is_resampled_in_itself() -> None:
    """Runs drawn from all rates together would have an interval several times as wide."""
    apart = [[90.0, 91.0, 92.0, 93.0], [10.0, 11.0, 12.0, 13.0]]
    found = mean_interval(apart)
    assert found is not None
    assert found.high - found.low < 2
    mixed = mean_interval([[x for group in apart for x in group]])
    assert mixed is not None
    assert mixed.high - mixed.low > 40


def test_the_best_is_never_better_than_the_best() -> None:
    found = best_interval(GROUPS)
    assert found is not None
    np.testing.assert_allclose(found, resampled(GROUPS, np.max), atol=1e-9)
    assert found.high == 97.0
    assert found.low < 97.0


def test_the_same_runs_have_the_same_interval_and_one_run_has_none() -> None:
    assert mean_interval(GROUPS) == mean_interval(GROUPS)
    assert mean_interval([[1.0], [2.0]]) is None
    assert mean_interval([[1.0, 2.0], [3.0]]) is None
    assert mean_interval([]) is None
    assert mean_interval([[5.0, 5.0], []]) == (5.0, 5.0)


# --- the table -----------------------------------------------------------------------------------

SETTING = {
    "data": "digits",
    "init": "simple",
    "clip": None,
    "eta": 0,
    "gamma": 0.55,
    "dropout_rate": 0,
    "batch_size": 50,
    "epochs": 3,
    "hidden_layers": 20,
    "width": 50,
    "dtype": "float32",
}


def record(
    accuracy: float, *, seed: int = 0, rate: float = 0.1, status: str = "done", **setting: Any
) -> Record:
    whole = {"experiment": "1", "arm": NO_NOISE, "learning_rate": rate, **SETTING, **setting}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    metrics = {
        "test_accuracy": accuracy,
        "median_test_accuracy": accuracy / 2,
        "train_loss": 1.0,
        "updates": 84,
    }
    curves = {"test_accuracy": np.asarray([0.1, 0.2, accuracy]), "train_loss": np.ones(3)}
    return Record(
        f"{seed}{rate}{whole}",
        "table1",
        1,
        seed,
        whole,
        {"backend": "numpy", "device": "default", "data_sha256": "ab", "stream": 1},
        status,
        metrics if status != "failed" else {},
        None,
        1,
        1,
        2.0,
        now,
        now,
        {},
        {},
        curves,
    )


def test_best_and_average_are_over_both_rates() -> None:
    records = [
        *(record(a, seed=i) for i, a in enumerate((0.9, 0.95))),
        *(record(a, seed=i, rate=0.01) for i, a in enumerate((0.1, 0.2))),
    ]
    (row,) = rows(records)
    assert row.by_rate == {0.1: [90.0, 95.0], 0.01: [10.0, 20.0]}
    assert row.best[0] == 95.0
    assert row.average[0] == pytest.approx((90 + 95 + 10 + 20) / 4)
    assert row.median == pytest.approx(row.average[0] / 2)
    assert row.paper == (89.9, 43.1)
    assert row.diverged == 0


def test_runs_that_diverged_count_and_those_that_failed_do_not() -> None:
    records = [
        record(0.9),
        record(0.1, seed=1, status="diverged"),
        record(0.0, seed=2, status="failed"),
    ]
    (row,) = rows(records)
    assert (len(row.values), row.diverged) == (2, 1)
    assert row.average[0] == pytest.approx(50.0)
    assert rows([record(0.0, status="failed")]) == []


def test_rows_stand_as_in_the_paper() -> None:
    records = [
        record(0.5, experiment=name, arm=arm)
        for name in ("5-layer", "6", "1")
        for arm in (DROPOUT, ANNEALED, NO_NOISE)
    ]
    found = [(row.experiment, row.arm) for row in rows(records)]
    arms = (NO_NOISE, ANNEALED, DROPOUT)
    assert found == [(name, arm) for name in ("1", "6", "5-layer") for arm in arms]


def test_runs_of_other_settings_are_in_rows_of_their_own() -> None:
    records = [
        record(0.5),
        record(0.6, batch_size=25),
        record(0.7, arm=DROPOUT, dropout_rate=0.5),
        record(0.8, arm=DROPOUT, dropout_rate=0.2),
    ]
    found = dict(zip(labels(rows(records)), (r.best[0] for r in rows(records)), strict=True))
    title = "1 Simple Init, no clipping"
    assert found == {
        (f"{title}; batch size 50", NO_NOISE): 50.0,
        (f"{title}; batch size 25", NO_NOISE): 60.0,
        (title, f"{DROPOUT}; dropout rate 0.5"): 70.0,
        (title, f"{DROPOUT}; dropout rate 0.2"): 80.0,
    }


def test_csv_and_json_hold_the_table() -> None:
    table = rows([record(0.9), record(0.8, seed=1), record(0.5, arm=ANNEALED, eta=0.01)])
    lines = list(csv.DictReader(io.StringIO(csv_of(table).decode())))
    assert [line["setting"] for line in lines] == [NO_NOISE, ANNEALED]
    assert lines[0]["best"] == "90.00"
    assert (lines[0]["average from"], lines[0]["average to"]) == ("80.00", "90.00")
    assert lines[1]["average from"] == ""
    assert lines[1]["eta"] == "0.01"
    document = json.loads(json_of(table, {"experiment": "table1"}))
    assert document["experiment"] == "table1"
    assert set(document["table"][0]) == {*COLUMNS, "common"}
    assert document["table"][0]["average"] == pytest.approx(85.0)
    assert document["table"][1]["paper best"] == 96.7


# --- the plot ------------------------------------------------------------------------------------


def test_the_figure_has_a_curve_and_a_mark_for_every_run() -> None:
    records = [
        record(0.3 + 0.1 * seed, seed=seed, rate=rate, experiment=name, arm=arm)
        for seed in range(3)
        for rate in (0.1, 0.01)
        for name in ("1", "6")
        for arm in (NO_NOISE, ANNEALED)
    ]
    figure = draw(records)
    left, right = figure.axes[0], figure.axes[1]
    assert len(figure.axes) == 4
    curves = [line for line in left.lines if len(line.get_xdata()) == 3]
    assert len(curves) == 12
    assert curves[0].get_xdata().tolist() == [28, 56, 84]
    marks = [x for line in right.lines if line.get_marker() in "o^" for x in line.get_xdata()]
    assert sorted(marks) == pytest.approx(sorted([30, 40, 50] * 4))
    texts = [text.get_text() for text in left.get_legend().get_texts()]
    assert texts == [NO_NOISE, ANNEALED, "rate 0.1", "rate 0.01"]


def test_the_experiments_can_be_drawn_again() -> None:
    assert {plot_of(name) for name in ("table1", *ABLATIONS)} == {draw}


# --- the cost ------------------------------------------------------------------------------------


def test_the_cost_is_runs_times_updates_times_the_time_of_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cost, "_step", lambda *_: 1e-3)
    monkeypatch.setattr(cost, "_evaluation", lambda *_: 0.5)
    module = "gradnoise_reference_models.experiments._memory_cost"
    monkeypatch.setattr(f"{module}.measured", lambda *_: (3600.0, 1800.0))
    first, second, *others = cost.costs(backend_for(np))
    assert (first.grid.runs, first.grid.updates) == (15 * 40, 60 * 1200)
    assert first.seconds == pytest.approx(1e-3)
    assert first.hours == pytest.approx(600 * (72_000 * 1e-3 + 60 * 0.5) / 3600)
    assert second.grid.updates is not None
    assert second.seconds == pytest.approx(3600 / (second.grid.runs * second.grid.updates))
    assert second.hours == pytest.approx(1.5)
    assert [c.grid.table for c in (second, *others)] == ["2", "3", "4", "5"]
    assert all(c.hours is None for c in others)


def test_the_time_of_a_step_is_measured() -> None:
    setting = next(iter(cost._full()))
    data = cost._like_mnist()
    where = cost.Where(backend_for(np), None, 2, cost.CLOCKS["wall"])
    seconds = cost._step(setting, data, where)
    assert 1e-6 < seconds < 10
    assert data.train_x.shape == (6000, 784)
