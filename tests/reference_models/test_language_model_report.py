"""Table, differences and plot of the language model, from records made up for the purpose."""

import csv
import io
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import scipy.stats

from gradnoise_reference_models.experiments._language_compare import (
    COMPARED,
    comparisons,
    student_interval,
)
from gradnoise_reference_models.experiments._language_plot import draw
from gradnoise_reference_models.experiments._language_rows import FIGURES, labels, rows
from gradnoise_reference_models.experiments._language_setting import LanguageSetting
from gradnoise_reference_models.experiments._language_table import COLUMNS, csv_of, json_of
from gradnoise_reference_models.experiments.bootstrap import mean_interval
from gradnoise_reference_models.experiments.language_model import ETAS, NAME, percent
from gradnoise_reference_models.language_training import Recipe
from gradnoise_reference_models.runner import Record, plot_of

WORDS = 14

SETTING = LanguageSetting.of(
    Recipe(8, 0.1, 0.0, 3, 1, 2.0, 5.0, window=5, batch_size=4), "corpus", WORDS, 0.0, "float32"
)

# --- the table -----------------------------------------------------------------------------------


def record(
    test: float, *, eta: float = 0.0, seed: int = 0, status: str = "done", **setting: Any
) -> Record:
    whole = {**SETTING.as_dict(), "eta": eta, **setting}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    metrics = {
        "test_perplexity": test,
        "validation_perplexity": 2 * test,
        "best_validation_perplexity": 1.5 * test,
        "best_epoch": 2,
        "train_perplexity": test / 2,
        "embedding_sd": 0.25,
        "updates": 30,
    }
    return Record(
        f"{seed}{whole}",
        NAME,
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
        {
            "validation_perplexity": np.asarray([13.0, 12.0, 2 * test]),
            "train_perplexity": np.asarray([14.0, 11.0, test / 2]),
        },
    )


def test_a_row_is_a_noise_with_its_runs_in_the_papers_order() -> None:
    made = [
        record(test + 10 * (eta == 0.01), eta=eta, seed=seed)
        for eta in (0.001, 1.0, 0.0, 0.01)
        for seed, test in enumerate((100.0, 102.0, 107.0))
    ]
    table = rows([*made, record(1.0, seed=9, status="failed")])
    assert [row.eta for row in table] == [0.0, 0.01, 0.001, 1.0]
    assert [row.paper for row in table] == [95.0, 98.0, 95.0, None]
    assert table[0].seeds == [0, 1, 2]
    assert table[0].average("test") == (103.0, mean_interval([[100.0, 102.0, 107.0]]))
    assert table[1].average("validation")[0] == 226.0
    assert table[1].average("best validation")[0] == pytest.approx(1.5 * 113)
    assert table[1].average("train")[0] == 56.5
    assert {setting for _, setting in labels(table)} == {
        "no noise",
        "annealed noise, eta 0.01",
        "annealed noise, eta 0.001",
        "annealed noise, eta 1",
    }
    assert len({title for title, _ in labels(table)}) == 1


def test_other_texts_and_networks_are_told_apart() -> None:
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"bound": 0.2},
        {"dropout_rate": 0.5},
        {"units": 9},
        {"corpus": "generated"},
    )
    titles = [title for title, _ in labels(rows([record(9.0, **change) for change in changes]))]
    assert len(set(titles)) == 5
    assert "corpus, 14 words; 2 x 8 units, no dropout; bound 0.2" in titles
    assert "corpus, 14 words; 2 x 8 units, dropout 0.5" in titles


def test_a_run_that_diverged_makes_the_average_infinite_and_is_counted() -> None:
    for odd in (math.inf, math.nan):
        made = [record(50.0), record(odd, seed=1, status="diverged"), record(60.0, eta=0.01)]
        (row, noisy) = rows(made)
        assert (len(row.records), row.diverged) == (2, 1)
        assert row.average("test") == (math.inf, None)
        assert row.average("train") == (math.inf, None)
        document = json.loads(json_of([row, noisy], {}), parse_constant=pytest.fail)
        assert document["table"][0]["test"] == "inf"
        assert document["table"][0]["tests"] == [50.0, "inf"]
        assert document["table"][0]["best test"] == 50.0
        lines = list(csv.DictReader(io.StringIO(csv_of([row, noisy]).decode())))
        assert (lines[0]["test"], lines[0]["test from"], lines[0]["diverged"]) == ("inf", "", "1")


def test_csv_and_json_hold_the_table_and_the_comparisons() -> None:
    made = [
        record(t + 5 * (e > 0), eta=e, seed=s) for e in (0.0, 0.01) for s, t in ((0, 9), (1, 8))
    ]
    table = rows(made)
    document = json.loads(json_of(table, {"experiment": NAME}))
    assert document["experiment"] == NAME
    assert {*COLUMNS, "eta", "seeds", "tests", "common"} == set(document["table"][0])
    assert document["table"][1]["test"] == 13.5
    assert document["table"][1]["paper"] == 98.0
    assert [c["figure"] for c in document["comparisons"]] == list(COMPARED)
    lines = list(csv.DictReader(io.StringIO(csv_of(table).decode())))
    assert [line["eta"] for line in lines] == ["0", "0.01"]
    assert lines[1]["test"] == "13.5"
    assert set(FIGURES) < set(lines[0])


# --- the differences -----------------------------------------------------------------------------


def test_differences_are_of_pairs_in_per_cent() -> None:
    quiet = [record(t, seed=s) for s, t in enumerate((100.0, 200.0, 50.0))]
    noisy = [record(t, eta=0.01, seed=s) for s, t in enumerate((103.0, 208.0, 51.0))]
    found = {c.figure: c for c in comparisons(rows(quiet + noisy))}["test"]
    assert found.percent == pytest.approx(3.0)
    assert found.pairs == 3
    theirs = scipy.stats.ttest_1samp([3.0, 4.0, 2.0], 0.0).confidence_interval(0.95)
    assert found.interval == pytest.approx((theirs.low, theirs.high))
    assert found.paper == percent(0.01)
    assert "noise does harm here. The paper: +3.2 %." in found.sentence


def test_a_seed_that_one_of_both_lacks_is_in_no_pair() -> None:
    made = [record(100.0), record(900.0, seed=1), record(110.0, eta=0.01)]
    found = comparisons(rows(made))[0]
    assert (found.pairs, found.interval) == (1, None)
    assert found.percent == pytest.approx(10.0)
    assert "one pair says nothing" in found.sentence
    assert comparisons(rows([record(100.0), record(100.0, eta=0.01, units=9)])) == []


@pytest.mark.parametrize(
    ("tests", "says"),
    [
        ((100.0, 100.0, 100.0), "0 is inside: no difference is shown"),
        # All above 0, as each fourth time by chance: a bootstrap interval would leave 0 out.
        ((100.1, 100.2, 103.0), "0 is inside: no difference is shown"),
        ((103.0, 103.2, 103.1), "noise does harm here"),
        ((97.0, 97.2, 97.1), "noise helps here"),
        ((103.0, math.inf, 103.1), "cannot be compared with no noise: a run diverged"),
    ],
)
def test_what_is_said_is_what_the_interval_says(tests: Sequence[float], says: str) -> None:
    made = [record(100.0, seed=s) for s in range(3)]
    made += [record(t, eta=0.001, seed=s) for s, t in enumerate(tests)]
    found = comparisons(rows(made))[0]
    assert says in found.sentence
    assert found.paper == 0.0
    if tests[2] == 103.0:
        bootstrapped = mean_interval([[t - 100.0 for t in tests]])
        assert bootstrapped is not None
        assert bootstrapped.low > 0


def test_a_baseline_that_diverged_is_no_measure() -> None:
    made = [record(math.inf, seed=s, status="diverged") for s in range(2)]
    made += [record(90.0, eta=0.01, seed=s) for s in range(2)]
    assert "a run diverged" in comparisons(rows(made))[0].sentence


def test_students_interval_holds_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    drawn = rng.normal(size=(2000, 3)).tolist()
    held = [low <= 0 <= high for low, high in filter(None, map(student_interval, drawn))]
    # Four standard errors of a share of 0.95 in 2,000.
    assert np.mean(held) == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 2000))
    bootstrapped = [mean_interval([values]) for values in drawn[:100]]
    assert np.mean([b is not None and b.low <= 0 <= b.high for b in bootstrapped]) < 0.9


# --- the plot ------------------------------------------------------------------------------------


def test_the_figure_has_the_curves_and_the_marks_of_every_run() -> None:
    made = [record(5.0 + s + 100 * eta, eta=eta, seed=s) for eta in ETAS for s in range(3)]
    made += [record(math.inf, eta=1.0, seed=0, status="diverged"), record(9.0, units=9)]
    figure = draw(made)
    assert len(figure.axes) == 4
    left, right = figure.axes[0], figure.axes[1]
    curves = [line for line in left.lines if len(line.get_xdata()) == 3]
    assert len(curves) == 2 * 10
    marks = [x for line in right.lines if line.get_marker() == "o" for x in line.get_xdata()]
    assert len(marks) == 9
    texts = [text.get_text() for text in left.get_legend().get_texts()]
    assert texts[-3:] == ["annealed noise, eta 1 (1 of 1 diverged)", "validation", "training"]
    values = np.concatenate([line.get_ydata() for line in curves])
    assert np.nanmax(values) <= WORDS
    assert np.isnan(values).any()


def test_it_can_be_drawn_again() -> None:
    assert plot_of(NAME) is draw
