"""Choice of restarts, intervals, paired tests, table and plot of table 2, from made-up records."""

import csv
import io
import itertools
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import scipy.stats

from gradnoise_reference_models.experiments._memory_compare import comparisons
from gradnoise_reference_models.experiments._memory_plot import draw
from gradnoise_reference_models.experiments._memory_rows import labels, rows
from gradnoise_reference_models.experiments._memory_table import COLUMNS, csv_of, json_of, lines
from gradnoise_reference_models.experiments._restarts import (
    Restarts,
    chosen,
    difference_interval,
    interval,
    mean,
    sign_flip_test,
)
from gradnoise_reference_models.experiments.table1 import ANNEALED, NO_NOISE
from gradnoise_reference_models.experiments.table2 import ARMS
from gradnoise_reference_models.runner import Record, plot_of

# --- restarts ------------------------------------------------------------------------------------

TASKS = [
    Restarts(np.asarray([2, 0, 1, 3]), np.asarray([5.0, 9.0, 1.0, 2.0])),
    Restarts(np.asarray([0, 3, 2, 1]), np.asarray([30.0, 10.0, 50.0, 40.0])),
]


def test_the_chosen_restart_is_that_of_the_lowest_training_error_whatever_its_value() -> None:
    assert chosen(TASKS) == (9 + 30) / 2
    assert mean(TASKS) == pytest.approx((17 / 4 + 130 / 4) / 2)


@pytest.mark.parametrize("reduce", [chosen, mean])
def test_intervals_are_the_bootstraps(reduce: Any) -> None:
    rng = np.random.default_rng(7)
    drawn = []
    for _ in range(4000):
        some = []
        for task in TASKS:
            i = rng.integers(0, 4, 4)
            some.append(Restarts(task.order[i], task.values[i]))
        drawn.append(reduce(some))
    low, high = np.quantile(drawn, [0.025, 0.975])
    found = interval(TASKS, reduce)
    assert found is not None
    np.testing.assert_allclose(found, (low, high), atol=1.0)
    assert interval([Restarts(np.zeros(1), np.ones(1))], reduce) is None


def test_pairs_are_resampled_together() -> None:
    """Resampled apart, as wide as both arms together, the interval would hold 0."""
    values = np.arange(10.0) * 10
    arms = [[Restarts(np.arange(10), values - shift)] for shift in (3.0, 0.0)]
    found = difference_interval(arms[0], arms[1], mean)
    assert found == pytest.approx((-3.0, -3.0))
    with pytest.raises(ValueError, match="`others` must have as many restarts"):
        difference_interval(arms[0], TASKS, mean)


@pytest.mark.parametrize(
    "differences", [[3, 1, 2, 5, 1], [-4, 0, 7, 7, -1, 2, 0, 3], [1] * 9, [-2, 2], [0, 0], [-5]]
)
def test_the_paired_test_counts_every_assignment_of_signs(differences: list[int]) -> None:
    signs = itertools.product((-1, 1), repeat=len(differences))
    sums = [abs(sum(s * d for s, d in zip(some, differences, strict=True))) for some in signs]
    expected = np.mean([x >= abs(sum(differences)) for x in sums])
    assert sign_flip_test(differences) == pytest.approx(expected)


def test_the_paired_test_is_scipys() -> None:
    differences = [3, -1, 4, 1, -5, 9, 2, 6]
    theirs = scipy.stats.permutation_test(
        (differences,), np.sum, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_test(differences) == pytest.approx(theirs.pvalue)


def test_the_paired_test_is_exact_on_many_pairs_and_seldom_wrong() -> None:
    """On pairs that do not differ it stays above 0.05 in 95 of 100; a sure effect it does not miss."""
    rng = np.random.default_rng(1)
    found = [sign_flip_test(rng.integers(-9, 10, 200).tolist()) for _ in range(300)]
    assert np.mean(np.asarray(found) < 0.05) == pytest.approx(0.05, abs=0.035)
    assert sign_flip_test([*rng.integers(-9, 14, 400)]) < 0.01
    assert sign_flip_test([]) == 1.0
    with pytest.raises(TypeError, match="`differences` must be integers, got dtype float64"):
        sign_flip_test([0.5])  # type: ignore[list-item]


# --- the table -----------------------------------------------------------------------------------

SETTING = {
    "data": "babi",
    "gamma": 0.55,
    "epochs": 3,
    "halving": 25,
    "linear_rate": 0.005,
    "hops": 3,
    "dtype": "float32",
}

#: Rate and epochs of the linear stage.
STAGES = {"one-stage": (0.01, 0), "two-stage": (0.005, 20)}


def record(
    train: float,
    validation: float,
    *,
    seed: int = 0,
    task: str = "1",
    procedure: str = "one-stage",
    arm: str = NO_NOISE,
    loss: float = 1.0,
    status: str = "done",
    **setting: Any,
) -> Record:
    rate, linear = STAGES[procedure]
    whole = {
        **SETTING,
        "task": task,
        "procedure": procedure,
        "arm": arm,
        "eta": 0.01 if arm == ANNEALED else 0.0,
        "learning_rate": rate,
        "linear_epochs": linear,
        **setting,
    }
    now = datetime(2026, 1, 1, tzinfo=UTC)
    metrics = {
        "train_error": train / 1000,
        "validation_error": validation / 100,
        "test_error": 2 * validation / 1000,
        "train_loss": loss,
        "updates": 84,
        "train_answers": 1000,
        "validation_answers": 100,
        "test_answers": 1000,
    }
    names = ("train_error", "validation_error", "test_error", "train_loss")
    curves = {name: np.asarray([1.0, 0.5, metrics[name]]) for name in names}
    around = {"backend": "numpy", "device": "default", "data_sha256": task, "stream": 1}
    return Record(
        f"{seed}{whole}",
        "table2",
        1,
        seed,
        whole,
        around,
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


def grid(shift: int = 3, tasks: tuple[str, ...] = ("1", "16")) -> list[Record]:
    """Return seven restarts of each cell: noise is better in one stage, by `shift` of 100."""
    return [
        record(
            10 * seed,
            20 + seed - (shift if (arm, procedure) == (ANNEALED, "one-stage") else 0),
            seed=seed,
            task=task,
            procedure=procedure,
            arm=arm,
        )
        for task in tasks
        for procedure in STAGES
        for arm in (NO_NOISE, ANNEALED)
        for seed in range(7)
    ]


def test_ties_of_training_error_go_to_the_lower_loss_and_a_lost_restart_is_never_chosen() -> None:
    (row,) = rows(
        [
            record(5, 40, seed=0, loss=0.9),
            record(5, 30, seed=1, loss=0.2),
            record(1000, 100, seed=2, loss=float("nan"), status="diverged"),
            record(5, 60, seed=3, loss=0.2),
            record(0, 0, seed=4, status="failed"),
        ]
    )
    cell = row.cells["1"]
    assert cell.order.tolist() == [2, 0, 3, 1]
    assert chosen(row.restarts("validation")) == 30.0
    assert mean(row.restarts("validation")) == pytest.approx((40 + 30 + 100 + 60) / 4)
    assert cell.diverged == 1


def test_if_all_are_lost_the_error_is_100() -> None:
    table = rows([record(1000, 100, seed=i, loss=float("nan"), status="diverged") for i in (0, 1)])
    (line,) = lines(table)
    assert line.figures["best", "train"][0] == line.figures["best", "validation"][0] == 100.0
    assert line.diverged == 2


def test_means_over_tasks_stand_first_and_beside_the_papers() -> None:
    found = lines(rows([*grid()][::-1]))
    assert [(x.task, x.procedure, x.setting) for x in found] == [
        (task, procedure, arm)
        for task in ("mean of 2", "1", "16")
        for procedure in STAGES
        for arm in (NO_NOISE, ANNEALED)
    ]
    assert [x.paper for x in found[:4]] == [(10.5, 19.5), (9.6, 16.6), (6.2, 10.9), (5.9, 10.8)]
    assert {x.paper for x in found[4:]} == {None}
    assert [x.published for x in found[8:]] == [52.1, None, 1.3, None]
    assert found[0].figures["best", "validation"][0] == 20.0
    assert found[1].figures["best", "validation"][0] == 17.0
    assert found[0].figures["mean", "validation"][0] == pytest.approx(23.0)


def test_no_published_error_stands_beside_generated_stories() -> None:
    (line,) = lines(rows([record(1, 2, task="16", data="stories")]))
    assert line.published is None


def test_settings_that_differ_have_rows_of_their_own() -> None:
    table = rows([record(1, 2), record(1, 2, hops=1), record(1, 2, arm=ANNEALED, eta=1.0)])
    table += rows([record(1, 2, arm=ANNEALED)])
    assert labels(table) == [
        ("one-stage; hops 1", NO_NOISE),
        ("one-stage; hops 3", NO_NOISE),
        ("one-stage", "annealed noise; eta 1.0"),
        ("one-stage", "annealed noise; eta 0.01"),
    ]


def test_comparisons_say_what_the_intervals_say() -> None:
    found = {(c.procedure, c.against, c.figure, c.of): c for c in comparisons(rows(grid()))}
    assert len(found) == 3 * 3 * 2
    noise = found["one-stage", "with no noise", "validation", "mean"]
    assert noise.difference == pytest.approx(-3.0)
    assert noise.pairs == 14
    assert noise.p == pytest.approx(2 / 2**14)
    assert noise.sentence.endswith("0 is outside the interval.")
    assert "3.0 points lower than with no noise" in noise.sentence
    none = found["two-stage", "with no noise", "validation", "mean"]
    assert (none.difference, none.p) == (0.0, 1.0)
    assert none.sentence.endswith("no difference is shown.")
    assert "no higher and no lower" in none.sentence
    assert found["two-stage", "in one stage", "train", "best"].p is None  # two tasks are too few


def test_restarts_of_other_seeds_are_not_compared() -> None:
    others = [r for r in grid() if r.setting["arm"] == NO_NOISE or r.seed > 0]
    assert {c.against for c in comparisons(rows(others))} == {"in one stage"}
    mixed = [r for r in grid() if r.setting["arm"] == NO_NOISE]
    mixed += [record(1, 2, arm=ANNEALED, hops=1, seed=i) for i in range(7)]
    assert {c.against for c in comparisons(rows(mixed))} == {"in one stage"}


def test_fixed_noise_is_compared_with_annealed_noise_too() -> None:
    fixed = [record(1, 9, arm="fixed variance 0.001", eta=1e-3, seed=i) for i in range(2)]
    usual = [record(1, 7 + k, arm=arm, seed=i) for k, arm in enumerate(ARMS) for i in range(2)]
    found = {(c.setting, c.against): c.difference for c in comparisons(rows([*usual, *fixed]))}
    assert set(found) == {
        (ANNEALED, "with no noise"),
        ("fixed variance 0.001", "with no noise"),
        ("fixed variance 0.001", "with annealed noise"),
    }
    several = [record(1, 2, arm=ANNEALED, eta=eta) for eta in (0.01, 1.0)]
    assert not comparisons(rows(several))


def test_a_single_restart_proves_nothing() -> None:
    table = rows([record(1, 9), record(1, 5, arm=ANNEALED)])
    found = comparisons(table)
    assert all(c.interval is None and c.p is None for c in found)
    assert all("one restart says nothing" in c.sentence for c in found)
    assert lines(table)[0].figures["best", "train"][1] is None


def test_csv_and_json_hold_the_table() -> None:
    table = rows(grid())
    found = list(csv.DictReader(io.StringIO(csv_of(table).decode())))
    assert len(found) == 12
    assert found[0]["best validation"] == "20.00"
    assert float(found[0]["mean validation from"]) < 23.0 < float(found[0]["mean validation to"])
    assert (found[0]["eta"], found[1]["eta"]) == ("0.0", "0.01")
    document = json.loads(json_of(table, {"experiment": "table2"}))
    assert set(document["table"][0]) == {*COLUMNS, "common"}
    assert document["table"][1]["paper validation"] == 16.6
    assert len(document["comparisons"]) == 18
    assert all(c["sentence"] for c in document["comparisons"])


# --- the plot ------------------------------------------------------------------------------------


def test_the_figure_has_a_mark_for_every_restart_and_a_ring_for_every_choice() -> None:
    figure = draw(grid())
    assert len(figure.axes) == 4
    curves, tasks = figure.axes[:2]
    assert len([line for line in curves.lines if len(line.get_xdata()) == 3]) == 2 * 2
    marks = [
        line for line in tasks.lines if line.get_marker() == "o" and len(line.get_xdata()) == 7
    ]
    assert len(marks) == 2 * 2
    rings = [line for line in tasks.lines if line.get_markerfacecolor() == "none"]
    assert len(rings) == 4
    assert sorted(float(line.get_ydata()[0]) for line in rings) == [17.0, 17.0, 20.0, 20.0]


def test_the_experiments_can_be_drawn_again() -> None:
    assert plot_of("table2") is plot_of("annealed-vs-fixed-memory-network") is draw
