"""The commands of table 2 and of its ablation: tiny runs, whose figures mean nothing."""

import csv
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gradnoise_reference_models.cli import _memory, cli
from gradnoise_reference_models.data import load_stories
from gradnoise_reference_models.experiments._memory_plan import MemoryPlan, usual_tasks
from gradnoise_reference_models.experiments.table2 import TASKS
from gradnoise_reference_models.runner import Store, Summary, run_trials

TABLE2 = ["reproduce", "table2"]
ABLATION = ["reproduce", "annealed-vs-fixed", "--model", "memory-network"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def where(folder: Path) -> list[str]:
    return ["--store", str(folder / "r.sqlite"), "--results", str(folder / "out")]


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "out" / "table.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(autouse=True)
def no_data_at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GRADNOISE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no-cache"))


@pytest.fixture
def in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run trials in a thread of this process: the tests of the runner start processes."""

    def sweep(trials: Iterable[Any], function: Any, **options: Any) -> Summary:
        with Store(options["store_path"]) as store, ThreadPoolExecutor(1) as executor:
            grouping = options["grouping"]
            return run_trials(
                trials, function, store=store, executor=executor, retries=0, grouping=grouping
            )

    monkeypatch.setattr(_memory, "sweep", sweep)


def test_a_run_in_processes_prints_the_table_and_a_rerun_trains_nothing(tmp_path: Path) -> None:
    words = [*TABLE2, "--task", "15,1", "--restarts", "2", "--epochs", "1", *where(tmp_path)]
    result = run(*words, "--workers", "1")
    assert result.exit_code == 0, result.output
    assert "16 trials: 16 done" in result.output
    text = " ".join(result.output.split())
    assert "generated stories like bAbI, tasks 15, 1" in text
    assert "bAbI was not found" in text
    for paper in ("10.5, 19.5", "9.6, 16.6", "6.2, 10.9", "5.9, 10.8"):
        assert paper in result.output
    assert "one-stage, annealed noise: validation error of the chosen restarts" in text
    assert "these errors are not to be set beside the paper's" in text
    assert "95 %" in text
    found = table(tmp_path)
    assert [row["task"] for row in found] == ["mean of 2"] * 4 + ["1"] * 4 + ["15"] * 4
    assert {row["restarts"] for row in found} == {"2"}
    assert {row["data"] for row in found} == {"stories"}
    assert (tmp_path / "out" / "error.png").read_bytes().startswith(b"\x89PNG")
    document = json.loads((tmp_path / "out" / "table.json").read_text())
    assert document["command"].endswith("table2 --task 15,1 --restarts 2 --epochs 1")
    assert document["trials"] == {"asked for": 16, "with a result": 16}
    assert str(tmp_path) not in json.dumps(document)

    again = run(*words)
    assert again.exit_code == 0
    assert "16 were there before, 0 done" in again.output
    with Store(tmp_path / "r.sqlite", read_only=True) as store:
        records = store.records(curves=True)
    lengths = {(r.setting["procedure"], len(r.curves["train_error"])) for r in records}
    assert lengths == {("one-stage", 1), ("two-stage", 21)}
    assert {record.group_size for record in records} == {2}

    picture = tmp_path / "again.png"
    drawn = run(
        "results", "plot", "table2", "--store", str(tmp_path / "r.sqlite"), "-o", str(picture)
    )
    assert drawn.exit_code == 0, drawn.output
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("in_a_thread")
def test_the_ablation_runs_on_the_same_machinery(tmp_path: Path) -> None:
    words = ["--task", "15", "--runs", "2", "--epochs", "1"]
    result = run(*ABLATION, *words, *where(tmp_path))
    assert result.exit_code == 0, result.output
    found = table(tmp_path)
    arms = ["no noise", "annealed noise", "fixed variance 0.001", "fixed variance 1e-06"]
    assert sorted(row["setting"] for row in found) == sorted(arms)
    with Store(tmp_path / "r.sqlite", read_only=True) as store:
        names = {record.experiment for record in store.records()}
    assert names == {"annealed-vs-fixed-memory-network"}


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[tuple[MemoryPlan, list[Any]]]:
    """Return what would be run; nothing is."""
    asked: list[tuple[MemoryPlan, list[Any]]] = []

    def reproduced(name: str, settings: Any, plan: MemoryPlan, *_: Any, **__: Any) -> int:
        asked.append((plan, list(settings)))
        return 0

    monkeypatch.setattr("gradnoise_reference_models.cli.table2.reproduced", reproduced)
    monkeypatch.setattr("gradnoise_reference_models.cli._memory.reproduced", reproduced)
    return asked


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Return what data would be loaded; a task of stories stands in for each."""
    asked: list[tuple[str, ...]] = []
    stand_in = load_stories("15", "stories")

    def loads(tasks: Any, source: str) -> Any:
        asked.append((*tasks, source))
        return dict.fromkeys(tasks, stand_in)

    monkeypatch.setattr(_memory, "load_tasks", loads)
    return asked


def test_by_default_it_is_what_minutes_afford(plans: Any, loaded: Any) -> None:
    assert run(*TABLE2).exit_code == 0
    ((plan, settings),) = plans
    assert loaded == [(*usual_tasks("auto"), "auto")]
    assert (plan.data, plan.restarts, plan.epochs) == ("stories", 10, 100)
    assert len(settings) == 4 * len(usual_tasks("auto"))
    assert {s.eta for s in settings} == {0.0, 0.01}


def test_full_is_the_papers_and_options_go_before_it(plans: Any, loaded: Any) -> None:
    assert run(*TABLE2, "--full").exit_code == 0
    assert (
        run(*TABLE2, "--full", "--data", "stories", "--task", "2", "--epochs", "9").exit_code == 0
    )
    assert loaded == [(*TASKS, "babi"), ("2", "stories")]
    assert [(plan.restarts, plan.epochs) for plan, _ in plans] == [(10, 200), (10, 9)]


def test_options_reach_the_settings(plans: Any, loaded: Any) -> None:
    words = ["--task", "joint", "--stages", "two", "--arm", "annealed noise", "--eta", "0.01,1.0"]
    more = ["--hops", "1", "--encoding", "bag-of-words", "--tying", "layer-wise"]
    assert run(*TABLE2, *words, *more, "--norm", "spectral", "--seed", "7").exit_code == 0
    ((plan, settings),) = plans
    assert plan.seed == 7
    assert [s.eta for s in settings] == [0.01, 1.0]
    for s in settings:
        assert (s.task, s.procedure, s.size) == ("joint", "two-stage", 50)
        assert (s.hops, s.encoding, s.tying, s.norm) == (
            1,
            "bag-of-words",
            "layer-wise",
            "spectral",
        )


def test_the_ablation_has_one_stage_unless_told(plans: Any, loaded: Any) -> None:
    assert run(*ABLATION).exit_code == 0
    assert run(*ABLATION, "--stages", "two", "--task", "16", "--full").exit_code == 0
    (_, usual), (plan, two) = plans
    assert {s.procedure for s in usual} == {"one-stage"}
    assert len(usual) == 4 * len(usual_tasks("auto"))
    assert [s.procedure for s in two] == ["two-stage"] * 4
    assert (plan.epochs, loaded[1]) == (200, ("16", "babi"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([*TABLE2, "--task", "21"], "'21' is not one of"),
        ([*TABLE2, "--task", "1,joint"], "`tasks` must be numbers, or joint alone"),
        ([*TABLE2, "--data", "babi"], "bAbI must be in one of the places looked at"),
        ([*TABLE2, "--task", "9"], "of which stories can be generated, got '9'"),
        ([*TABLE2, "--stages", "three"], "'three' is not one of"),
        ([*TABLE2, "--restarts", "0"], "0 is not in the range x>=1"),
        ([*TABLE2, "--eta", "0"], "0.0 is not in the range x>0"),
        ([*TABLE2, "--task", "1", "--device", "cuda"], "--device of numpy must be one of cpu"),
        ([*ABLATION, "--experiment", "1"], "is an option of --model mlp, not of memory-network"),
        ([*ABLATION, "--batch-size", "5"], "is an option of --model mlp, not of memory-network"),
        ([*ABLATION, "--data", "mnist"], "`source` must be one of auto, babi, stories"),
        (
            ["reproduce", "annealed-vs-fixed", "--task", "1"],
            "is an option of --model memory-network, not of mlp",
        ),
        (["reproduce", "batch-noise", "--model", "memory-network"], "is not 'mlp'"),
    ],
)
def test_bad_options_are_refused_before_anything_is_run(
    tmp_path: Path, options: list[str], message: str
) -> None:
    result = run(*options, *where(tmp_path))
    assert result.exit_code != 0
    assert message in " ".join(result.output.replace("│", " ").split())
    assert not list(tmp_path.iterdir())


def test_the_ablations_options_are_said_for_both_models() -> None:
    text = " ".join(run("reproduce", "annealed-vs-fixed", "--help").output.split())
    for what in ("digits by default", "else stories that we generate", "restarts, 10 by default"):
        assert what in text
    assert "memory-network:" not in run("reproduce", "batch-noise", "--help").output
