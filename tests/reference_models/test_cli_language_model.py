"""The command of the language model: tiny runs, whose figures mean nothing."""

import csv
import json
import shutil
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gradnoise_reference_models.cli import _language, cli
from gradnoise_reference_models.data import TextData, load_text
from gradnoise_reference_models.experiments._language_plan import FULL, USUAL, LanguagePlan
from gradnoise_reference_models.experiments.language_model import settings
from gradnoise_reference_models.runner import Context, Outcome, Store, Summary, Trial, run_trials

COMMAND = ["reproduce", "language-model"]
TINY = ["--hidden", "4", "--epochs", "2", "--runs", "2"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def said(result: Result) -> str:
    return " ".join(result.output.split())


def where(folder: Path) -> list[str]:
    return ["--store", str(folder / "r.sqlite"), "--results", str(folder / "out")]


def lines(folder: Path) -> list[dict[str, str]]:
    with (folder / "out" / "table.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def ptb(tmp_path: Path) -> Path:
    """Files in the form of the Penn Treebank's, where Mikolov's archive has them."""
    folder = tmp_path / "somewhere" / "mine"
    (folder / "simple-examples" / "data").mkdir(parents=True)
    for part, count in (("train", 120), ("valid", 110), ("test", 9)):
        words = [f" the <unk> {'cat' if i % 3 else 'dog'} sat \n" for i in range(count)]
        (folder / "simple-examples" / "data" / f"ptb.{part}.txt").write_text("".join(words))
    return folder


@pytest.fixture
def in_a_thread(monkeypatch: pytest.MonkeyPatch) -> list[Summary]:
    """Run trials in a thread of this process, and return what runs came to.

    The tests of the runner start processes.
    """
    summaries: list[Summary] = []

    def sweep(trials: Iterable[Trial], function: Any, **options: Any) -> Summary:
        with Store(options["store_path"]) as store, ThreadPoolExecutor(1) as executor:
            summary = run_trials(
                trials,
                function,
                store=store,
                executor=executor,
                retries=0,
                grouping=options["grouping"],
            )
        summaries.append(summary)
        return summary

    monkeypatch.setattr(_language, "sweep", sweep)
    return summaries


def test_your_own_files_are_trained_on_in_processes_and_a_rerun_trains_nothing(
    tmp_path: Path, ptb: Path
) -> None:
    words = [*COMMAND, "--corpus", str(ptb), *TINY, *where(tmp_path)]
    result = run(*words, "--workers", "1")
    assert result.exit_code == 0, result.output
    assert "6 trials: 6 done" in result.output
    assert "600 training, 550 validation and 45 test tokens, vocabulary of 6" in said(result)
    assert "asked for by path" in result.output
    assert "under the grammar" not in result.output
    found = lines(tmp_path)
    assert [(row["setting"], row["paper"], row["runs"]) for row in found] == [
        ("no noise", "95", "2"),
        ("annealed noise, eta 0.01", "98", "2"),
        ("annealed noise, eta 0.001", "95", "2"),
    ]
    assert all(1 < float(row["test"]) < 7 for row in found)
    assert all(float(r["test from"]) <= float(r["test"]) <= float(r["test to"]) for r in found)
    assert len({row["test"] for row in found}) == 3
    assert (tmp_path / "out" / "perplexity.png").read_bytes().startswith(b"\x89PNG")
    document = json.loads((tmp_path / "out" / "table.json").read_text())
    assert document["command"].endswith(
        "reproduce language-model --corpus mine --hidden 4 --epochs 2 --runs 2"
    )
    assert document["trials"] == {"asked for": 6, "with a result": 6}
    assert str(tmp_path) not in json.dumps(document)
    assert said(result).count("The paper: +3.2 %.") == 2

    # What decides the outcome is the text, and not where it is.
    moved = tmp_path / "moved"
    shutil.move(ptb, moved)
    again = run(*COMMAND, "--corpus", str(moved), *TINY, *where(tmp_path))
    assert again.exit_code == 0, again.output
    assert "6 were there before, 0 done" in again.output

    drawn = run("results", "plot", "language-model", *where(tmp_path)[:2])
    assert drawn.exit_code == 0, drawn.output
    assert (tmp_path / "language-model.png").read_bytes().startswith(b"\x89PNG")


def test_more_of_it_trains_what_is_missing(
    tmp_path: Path, ptb: Path, in_a_thread: list[Summary]
) -> None:
    words = [*COMMAND, "--corpus", str(ptb), *TINY, *where(tmp_path)]
    assert run(*words, "--eta", "0").exit_code == 0
    assert run(*words, "--eta", "0,0.1", "--runs", "3").exit_code == 0
    assert [(s.total, s.kept, s.done) for s in in_a_thread] == [(2, 0, 2), (6, 2, 4)]
    with Store(tmp_path / "r.sqlite", read_only=True) as store:
        records = store.records(curves=True)
    assert sorted((r.setting["eta"], r.seed) for r in records) == [
        (eta, seed) for eta in (0.0, 0.1) for seed in range(3)
    ]
    assert {len(r.curves["validation_perplexity"]) for r in records} == {2}
    assert {r.group_size for r in records} == {1, 2}


@pytest.mark.usefixtures("in_a_thread")
def test_without_data_it_says_so_and_gives_the_floor(tmp_path: Path) -> None:
    words = ["--eta", "0", "--runs", "1", "--epochs", "1", "--hidden", "2", "--vocabulary", "40"]
    result = run(*COMMAND, *words, *where(tmp_path))
    assert result.exit_code == 0, result.output
    floor = load_text("generated").floor
    assert floor is not None
    assert f"has perplexity {floor:.1f} under the grammar" in said(result)
    assert "our generator" in result.output
    assert "why: the default; --corpus chooses" in result.output
    assert "what noise changes is to be set beside them" in said(result)
    document = json.loads((tmp_path / "out" / "table.json").read_text())
    assert document["data"]["floor"] == pytest.approx(floor)
    assert document["comparisons"] == []


@pytest.mark.usefixtures("in_a_thread")
def test_a_perplexity_that_is_not_finite_is_reported(tmp_path: Path, ptb: Path) -> None:
    words = ["--corpus", str(ptb), *TINY, "--eta", "0,1e30"]
    result = run(*COMMAND, *words, *where(tmp_path))
    assert result.exit_code == 0, result.output
    assert "2 (2 diverged)" in result.output
    assert "a run diverged" in said(result)
    quiet, noisy = lines(tmp_path)
    assert (noisy["test"], noisy["diverged"], noisy["test from"]) == ("inf", "2", "")
    assert (quiet["diverged"], float(quiet["test"]) < 7) == ("0", True)
    text = (tmp_path / "out" / "table.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["table"][1]["test"] == "inf"


@pytest.mark.usefixtures("in_a_thread")
def test_trials_that_fail_are_told_by_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ptb: Path
) -> None:
    def fails(group: tuple[Trial, ...], context: Context, *, corpus: str) -> list[Outcome]:
        message = "out of memory"
        raise RuntimeError(message)

    monkeypatch.setattr(_language, "train", fails)
    result = run(*COMMAND, "--corpus", str(ptb), *TINY, *where(tmp_path))
    assert result.exit_code == 1
    assert not list((tmp_path / "out").iterdir())


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[tuple[LanguagePlan, TextData]]:
    """Return what would be run; nothing is. The generated text stands in for those by name."""
    asked: list[tuple[LanguagePlan, TextData]] = []
    text = load_text("generated")

    def reproduced(corpus: str | None, plan: LanguagePlan, found: TextData, **_: Any) -> int:
        asked.append((plan, found))
        return 0

    def loads(corpus: str, size: int | None) -> TextData:
        return load_text("generated", size=size) if corpus != text.name else text

    monkeypatch.setattr("gradnoise_reference_models.cli.language_model.reproduced", reproduced)
    monkeypatch.setattr(_language, "load_words", loads)
    return asked


def test_by_default_it_is_what_a_laptop_affords(plans: list[tuple[LanguagePlan, TextData]]) -> None:
    assert run(*COMMAND).exit_code == 0
    ((plan, found),) = plans
    assert (plan.corpus, plan.runs, plan.recipe) == ("generated", 3, USUAL.recipe)
    assert plan.vocabulary == len(found.vocabulary)
    assert [s.eta for s in settings(plan)] == [0.0, 0.01, 0.001]
    assert {s.dropout_rate for s in settings(plan)} == {0.0}


def test_full_is_the_published_network_and_options_go_before_it(
    plans: list[tuple[LanguagePlan, TextData]],
) -> None:
    assert run(*COMMAND, "--full").exit_code == 0
    words = ["--hidden", "9", "--layers", "1", "--epochs", "39", "--runs", "2", "--dropout", "0,.5"]
    assert run(*COMMAND, "--full", *words, "--vocabulary", "100").exit_code == 0
    (full, _), (other, _) = plans
    assert (full.runs, full.recipe) == (5, FULL.recipe)
    assert FULL.corpus == "war_and_peace"
    assert (other.runs, other.vocabulary) == (2, 100)
    assert (other.recipe.units, other.recipe.layers, other.recipe.epochs) == (9, 1, 39)
    assert len(list(settings(other))) == 6
    assert other.recipe.rate(1)(38) == pytest.approx(2.0**-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--corpus", "shakespear"], "or a folder of Penn Treebank files, got 'shakespear'"),
        (["--corpus", "{empty}"], "lacks ptb.train.txt, ptb.valid.txt, ptb.test.txt"),
        (["--corpus", "{short}"], "`corpus` must have 420 train tokens or more"),
        (["--corpus", "{bad}"], "line 1 must be UTF-8, got the byte 0xff"),
        (["--eta", "-1"], "-1.0 is not in the range x>=0"),
        (["--eta", "little"], "'little' is not a valid float"),
        (["--dropout", "1"], "1.0 is not in the range 0<=x<1"),
        (["--vocabulary", "2"], "2 is not in the range x>=3"),
        (["--hidden", "0"], "0 is not in the range x>=1"),
        (["--layers", "0"], "0 is not in the range x>=1"),
        (["--bound", "0"], "0.0 is not in the range x>0"),
        (["--device", "cuda"], "--device of numpy must be one of cpu, got cuda"),
    ],
)
def test_bad_options_are_refused_before_anything_is_run(
    tmp_path: Path, options: list[str], message: str
) -> None:
    folders = {name: tmp_path / name for name in ("empty", "short", "bad")}
    for name, folder in folders.items():
        folder.mkdir()
        for part in ("train", "valid", "test") if name != "empty" else ():
            (folder / f"ptb.{part}.txt").write_bytes(b"a b\n" if name == "short" else b"\xff\n")
    words = [word.format(**folders) for word in options]
    out = tmp_path / "out"
    result = run(*COMMAND, *words, "--store", str(out / "r.sqlite"), "--results", str(out / "r"))
    assert result.exit_code != 0
    assert message in said(result)
    assert not out.exists()


def test_a_missing_plotting_library_is_found_out_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    result = run(*COMMAND, *where(tmp_path))
    assert result.exit_code == 1
    assert "matplotlib" in result.output
    assert not list(tmp_path.iterdir())
