"""The commands of table 1 and of its ablations: tiny runs, whose figures mean nothing."""

import csv
import json
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gradnoise_reference_models.cli import _accuracy, cli
from gradnoise_reference_models.data import load
from gradnoise_reference_models.experiments._plan import Plan
from gradnoise_reference_models.runner import Context, Outcome, Store, Summary, Trial, run_trials

TABLE1 = ["reproduce", "table1"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def where(folder: Path) -> list[str]:
    return ["--store", str(folder / "r.sqlite"), "--results", str(folder / "out")]


def lines(folder: Path) -> list[dict[str, str]]:
    with (folder / "out" / "table.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run trials in a thread of this process: the tests of the runner start processes."""

    def sweep(trials: Iterable[Trial], function: Any, **options: Any) -> Summary:
        with Store(options["store_path"]) as store, ThreadPoolExecutor(1) as executor:
            return run_trials(
                trials,
                function,
                store=store,
                executor=executor,
                retries=0,
                grouping=options["grouping"],
            )

    monkeypatch.setattr(_accuracy, "sweep", sweep)


def test_a_run_in_processes_prints_the_table_and_a_rerun_trains_nothing(tmp_path: Path) -> None:
    words = [*TABLE1, "--experiment", "1,6", "--runs", "4", "--epochs", "1", *where(tmp_path)]
    result = run(*words, "--workers", "1")
    assert result.exit_code == 0, result.output
    assert "20 trials: 20 done" in result.output
    assert "1,437 training and 360 test" in result.output
    for paper in ("96.7, 52.7", "89.9, 43.1", "11.3, 10.8", "94.5, 49.7", "11.4, 10.1"):
        assert paper in result.output
    found = lines(tmp_path)
    assert [(row["experiment"][0], row["setting"]) for row in found] == [
        ("1", "no noise"),
        ("1", "annealed noise"),
        ("1", "dropout"),
        ("6", "no noise"),
        ("6", "annealed noise"),
    ]
    assert all(row["runs"] == "4" for row in found)
    assert (tmp_path / "out" / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    document = json.loads((tmp_path / "out" / "table.json").read_text())
    assert document["command"].endswith("reproduce table1 --experiment 1,6 --runs 4 --epochs 1")
    assert document["trials"] == {"asked for": 20, "with a result": 20}
    assert str(tmp_path) not in json.dumps(document)

    again = run(*words)
    assert again.exit_code == 0
    assert "20 were there before, 0 done" in again.output
    with Store(tmp_path / "r.sqlite", read_only=True) as store:
        records = store.records(curves=True)
    assert all(len(record.curves["test_accuracy"]) == 1 for record in records)
    assert {record.group_size for record in records} == {2}

    picture = tmp_path / "again.png"
    drawn = run(
        "results", "plot", "table1", "--store", str(tmp_path / "r.sqlite"), "-o", str(picture)
    )
    assert drawn.exit_code == 0, drawn.output
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("name", "arms"), [("annealed-vs-fixed", 6), ("batch-noise", 4)])
@pytest.mark.usefixtures("in_a_thread")
def test_an_ablation_runs_on_the_same_machinery(tmp_path: Path, name: str, arms: int) -> None:
    words = ["--model", "mlp", "--experiment", "5-layer", "--runs", "2", "--epochs", "1"]
    result = run("reproduce", name, *words, *where(tmp_path))
    assert result.exit_code == 0, result.output
    found = lines(tmp_path)
    assert len({row["setting"] for row in found}) == len(found) == arms
    with Store(tmp_path / "r.sqlite", read_only=True) as store:
        assert {record.experiment for record in store.records()} == {name}


@pytest.mark.usefixtures("in_a_thread")
def test_trials_that_fail_are_told_by_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(group: tuple[Trial, ...], context: Context) -> list[Outcome]:
        message = "out of memory"
        raise RuntimeError(message)

    monkeypatch.setattr(_accuracy, "train", fails)
    result = run(*TABLE1, "--experiment", "6", "--epochs", "1", "--runs", "2", *where(tmp_path))
    assert result.exit_code == 1
    assert not list((tmp_path / "out").iterdir())


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Plan, list[Any]]]:
    """Return what would be run; nothing is. MNIST is stood in for by the digits."""
    asked: list[tuple[Plan, list[Any]]] = []

    def reproduced(name: str, settings: Any, plan: Plan, *_: Any, **__: Any) -> int:
        asked.append((plan, list(settings)))
        return 0

    monkeypatch.setattr("gradnoise_reference_models.cli.table1.reproduced", reproduced)
    return asked


def test_by_default_it_is_what_a_laptop_affords(plans: list[tuple[Plan, list[Any]]]) -> None:
    assert run(*TABLE1).exit_code == 0
    ((plan, settings),) = plans
    assert (plan.data, plan.runs, plan.epochs) == ("digits", 4, 1429)
    assert len(settings) == 2 * 15
    assert {s.batch_size for s in settings} == {50}
    assert {s.eta for s in settings} == {0.0, 0.01}


def test_full_is_the_papers_runs_and_options_go_before_it(
    plans: list[tuple[Plan, list[Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def loads(name: str) -> Any:
        asked.append(name)
        return load("digits")

    monkeypatch.setattr(_accuracy, "load", loads)
    assert run(*TABLE1, "--full").exit_code == 0
    assert run(*TABLE1, "--full", "--data", "digits", "--runs", "6").exit_code == 0
    assert asked == ["mnist", "digits"]
    assert [(plan.runs, plan.epochs) for plan, _ in plans] == [(40, 60), (6, 60)]


def test_several_values_are_several_variants(plans: list[tuple[Plan, list[Any]]]) -> None:
    words = ["--experiment", "1", "--eta", "0.01,1.0", "--dropout-rate", "0.2,0.5"]
    assert run(*TABLE1, *words, "--batch-size", "25, 50").exit_code == 0
    ((plan, settings),) = plans
    assert plan.etas == (0.01, 1.0)
    assert plan.dropout_rates == (0.2, 0.5)
    assert len(settings) == 2 * 2 * (1 + 2 + 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--experiment", "7"], "'7' is not one of"),
        (["--experiment", "1,7"], "'7' is not one of"),
        (["--experiment", "6", "--arm", "dropout"], "`arms` must be among those of experiment 6"),
        (["--runs", "3"], "`runs` must be an even number"),
        (["--dropout-rate", "1"], "1.0 is not in the range 0<x<1"),
        (["--eta", "0"], "0.0 is not in the range x>0"),
        (["--eta", "little"], "'little' is not a valid float"),
        (["--batch-size", "0"], "0 is not in the range x>=1"),
        (["--batch-size", "5000", "--epochs", "1"], "`batch_size` must be in [1, n], got 5000"),
        (["--device", "cuda"], "--device of numpy must be one of cpu, got cuda"),
    ],
)
def test_bad_options_are_refused_before_anything_is_run(
    tmp_path: Path, options: list[str], message: str
) -> None:
    result = run(*TABLE1, *options, *where(tmp_path))
    assert result.exit_code != 0
    assert message in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


def test_a_missing_plotting_library_is_found_out_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    result = run(*TABLE1, "--experiment", "6", *where(tmp_path))
    assert result.exit_code == 1
    assert "matplotlib" in result.output
    assert not list(tmp_path.iterdir())


def test_the_cost_is_said_and_what_is_not_measured_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = "gradnoise_reference_models.experiments.cost"
    monkeypatch.setattr(f"{module}._step", lambda *_: 1e-3)
    monkeypatch.setattr(f"{module}._evaluation", lambda *_: 0.0)
    monkeypatch.setattr(f"{module}._memory_cost.measured", lambda *_: (3600.0, 0.0))
    result = run("reproduce", "cost")
    assert result.exit_code == 0, result.output
    assert "12.0" in result.output
    assert result.output.count("not measured") == 3


def test_the_cost_goes_to_a_file_as_it_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = "gradnoise_reference_models.experiments.cost"
    monkeypatch.setattr(f"{module}._step", lambda *_: 1e-3)
    monkeypatch.setattr(f"{module}._evaluation", lambda *_: 0.0)
    monkeypatch.setattr(f"{module}._memory_cost.measured", lambda *_: (3600.0, 0.0))
    file = tmp_path / "cost.csv"
    result = run("reproduce", "cost", "--csv", str(file))
    assert result.exit_code == 0, result.output
    first, second, *_ = csv.reader(file.read_text("utf-8").splitlines())
    assert first[-1] == "hours"
    assert second[0] == "1"
    assert second[-2] == "1.000"
    assert second[-1] in result.output
    assert run("reproduce", "cost", "--csv", str(tmp_path / "none" / "c.csv")).exit_code == 2
