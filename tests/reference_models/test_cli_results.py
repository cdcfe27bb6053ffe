"""``gradnoise results``, as a user meets it."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import pytest
import runner_functions
from click.testing import CliRunner, Result
from runner_process import Case, until

from gradnoise_reference_models.cli import cli
from gradnoise_reference_models.cli._sweep import sweep, sweep_options
from gradnoise_reference_models.runner import (
    Context,
    Outcome,
    Record,
    Store,
    Trial,
    register_plot,
    run_trials,
)

ETAS = (0.0, 0.01)


def train(group: Sequence[Trial], context: Context) -> list[Outcome]:
    (trial,) = group
    if trial.seed == 3:
        raise RuntimeError("out of luck")
    accuracy = 0.1 * trial.seed + trial.setting["eta"]
    loss = float("nan") if trial.seed == 2 else 0.25
    return [Outcome({"accuracy": accuracy, "loss": loss}, {"accuracy": [0.0, accuracy]})]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 2 settings, each with 2 seeds done, one diverged and one failed; and another."""
    path = tmp_path_factory.mktemp("results") / "results.sqlite"
    trials = [
        Trial("shown", {"eta": eta, "init": "zero", "clip": None}, seed, 1, {"backend": "numpy"})
        for eta in ETAS
        for seed in range(4)
    ]
    with Store(path) as store, ThreadPoolExecutor(2) as executor:
        run_trials(trials, train, store=store, executor=executor, retries=0)
        other = [Trial("other", {"eta": 1, "size": [1, 2]}, 0)]
        run_trials(other, runner_functions.square, store=store, executor=executor)
    return path


def run(path: Path, *arguments: str) -> Result:
    name, *rest = arguments
    return CliRunner().invoke(cli, ["results", name, *rest, "--store", str(path)])


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_list_is_a_table_for_people(path: Path) -> None:
    result = run(path, "list", "--experiment", "shown", "--where", "eta=0.01")
    assert result.exit_code == 0
    assert "4 trials" in result.stdout
    for part in ("clip=None, eta=0.01, init=zero", "diverged", "failed", "accuracy=0.11"):
        assert part in result.stdout


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ([], 9),
        (["--experiment", "shown"], 8),
        (["--experiment", "none"], 0),
        (["--status", "failed"], 2),
        (["--where", "eta=0.01"], 4),
        (["--where", "eta=1.0"], 1),
        (["--where", "init=zero", "--where", "eta=0", "--status", "done"], 2),
        (["--where", "clip=null"], 8),
        (["--where", "backend=numpy"], 8),
        (["--where", "size=[1, 2]"], 1),
    ],
)
def test_what_a_machine_reads_is_filtered_and_whole(
    path: Path, filters: list[str], count: int
) -> None:
    records = json.loads(run(path, "list", "--format", "json", *filters).stdout)
    table = rows(run(path, "list", "--format", "csv", *filters).stdout)
    assert len(records) == len(table) == count
    assert [r["key"] for r in records] == [r["key"] for r in table]


def test_json_has_all_and_no_nan(path: Path) -> None:
    text = run(path, "list", "--format", "json", "--status", "diverged").stdout
    first = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))[0]
    assert first["metrics"] == {"accuracy": 0.2, "loss": "nan"}
    assert first["setting"] == {"eta": 0, "init": "zero", "clip": None}
    assert first["conditions"] == {"backend": "numpy", "stream": 1}
    assert first["finished"].endswith("+00:00")


def test_a_condition_that_is_none_is_refused(path: Path) -> None:
    for bad in ("eta", "=3"):
        result = run(path, "list", "--where", bad)
        assert result.exit_code == 2
        assert "must be NAME=VALUE, as in eta=0.01" in result.output


def test_summary_has_a_line_a_setting(path: Path) -> None:
    result = run(path, "summary", "--experiment", "shown")
    assert result.exit_code == 0
    (line,) = (s for s in result.stdout.splitlines() if "eta=0.01" in s)
    cells = [cell.strip() for cell in line.replace("│", "|").strip("| ").split("|")]
    # Trials, done, diverged, failed; then the mean and the range over those that are done.
    assert cells[2:] == ["4", "2", "1", "1", "accuracy", "0.06", "0.01", "0.11"]


def test_show_has_the_curves_and_the_error(path: Path) -> None:
    with Store(path, read_only=True) as store:
        done = store.records(status="done", experiment="shown")[1]
        failed = store.records(status="failed")[0]
    shown = json.loads(run(path, "show", done.key[:12]).stdout)
    assert shown["key"] == done.key
    assert shown["curves"] == {"accuracy": [0.0, done.metrics["accuracy"]]}
    assert "out of luck" in json.loads(run(path, "show", failed.key).stdout)["error"]
    many = run(path, "show", "")
    assert many.exit_code == 1
    assert "9 match" in many.output


def test_export_to_csv(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "trials.csv"
    result = run(path, "export", str(out), "--experiment", "shown")
    assert result.exit_code == 0, result.output
    assert f"8 rows in {out}" in result.stdout
    table = rows(out.read_text())
    assert {(r["setting.eta"], r["seed"]) for r in table} == {
        (eta, str(s)) for eta in ("0", "0.01") for s in range(4)
    }
    by_seed = {r["seed"]: r for r in table if r["setting.eta"] == "0.01"}
    assert by_seed["1"]["metrics.accuracy"] == repr(0.1 + 0.01)
    assert by_seed["1"]["setting.clip"] == ""
    assert by_seed["2"]["metrics.loss"] == "nan"
    assert by_seed["3"]["metrics.accuracy"] == ""
    assert "out of luck" in by_seed["3"]["error"]


def test_export_of_curves(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "curves.csv"
    result = run(path, "export", str(out), "--curves", "--experiment", "shown", "--status", "done")
    assert result.exit_code == 0, result.output
    table = rows(out.read_text())
    points = [
        (r["setting.eta"], r["seed"], r["curve"], r["index"], float(r["value"])) for r in table
    ]
    assert points == [
        (text, str(seed), "accuracy", str(i), value)
        for text, eta in (("0", 0.0), ("0.01", 0.01))
        for seed in range(2)
        for i, value in enumerate((0.0, 0.1 * seed + eta))
    ]


def test_export_to_parquet_keeps_types(path: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "trials.parquet"
    result = run(path, "export", str(out))
    assert result.exit_code == 0, result.output
    table = parquet.read_table(out).to_pydict()
    with Store(path, read_only=True) as store:
        records = store.records()
    assert table["key"] == [r.key for r in records]
    assert table["seed"] == [r.seed for r in records]
    assert table["finished"] == [r.finished for r in records]
    assert table["setting.eta"] == [float(r.setting["eta"]) for r in records]
    assert table["setting.size"] == ["[1, 2]" if r.experiment == "other" else None for r in records]
    assert repr(table["metrics.loss"]) == repr([r.metrics.get("loss") for r in records])
    curves = tmp_path / "curves.parquet"
    assert run(path, "export", str(curves), "--curves").exit_code == 0
    values = parquet.read_table(curves).to_pydict()["value"]
    assert len(values) == 5 + 2 * 2 * 3


def test_a_missing_parquet_library_is_named_with_its_extra(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = run(path, "export", str(tmp_path / "trials.parquet"))
    assert result.exit_code == 1
    assert 'pip install "gradnoise-core[parquet]"' in result.output.replace("\n", " ")
    assert list(tmp_path.iterdir()) == []


def test_a_format_that_is_not_known_is_refused(path: Path, tmp_path: Path) -> None:
    result = run(path, "export", str(tmp_path / "trials.xlsx"))
    assert result.exit_code == 1
    assert "must end in .csv or .parquet" in result.output


def test_plot_draws_what_is_stored_and_runs_nothing(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Record] = []

    def draw(records: Sequence[Record]) -> Any:
        from matplotlib.figure import Figure

        seen.extend(records)
        figure = Figure()
        axes = figure.add_subplot()
        for record in records:
            axes.plot(record.curves.get("accuracy", []))
        return figure

    monkeypatch.setattr("gradnoise_reference_models.runner._plots._PLOTS", {})
    register_plot("shown")(draw)
    out = tmp_path / "shown.svg"
    result = run(path, "plot", "shown", "-o", str(out))
    assert result.exit_code == 0, result.output
    assert f"8 trials in {out}" in result.stdout
    assert "<svg" in out.read_text()
    assert sorted(r.seed for r in seen if r.curves) == [0, 0, 1, 1, 2, 2]
    assert run(path, "plot", "shown").exit_code == 0
    assert path.with_name("shown.png").read_bytes().startswith(b"\x89PNG")
    missing = run(path, "plot", "other")
    assert missing.exit_code == 1
    assert "`experiment` must have a plot, got 'other'. Those that have: shown" in missing.output
    register_plot("empty")(draw)
    assert "has no trials of 'empty'" in run(path, "plot", "empty").output


def test_no_store_is_said_and_none_is_made(tmp_path: Path) -> None:
    for arguments in (["list"], ["summary"], ["show", "x"], ["export", "x.csv"]):
        result = run(tmp_path / "none.sqlite", *arguments)
        assert result.exit_code == 1
        assert "there are no results yet" in result.output.replace("\n", " ")
    assert list(tmp_path.iterdir()) == []


def test_it_works_while_a_run_is_writing(tmp_path: Path) -> None:
    case = Case(tmp_path, trials=12, pause=0.02)
    with case.running() as process:
        until(lambda: len(case.records()) >= 2, "two are stored")
        counts = []
        while process.poll() is None:
            result = run(case.path, "list", "--format", "json")
            assert result.exit_code == 0, result.output
            counts.append(len(json.loads(result.stdout)))
    assert process.returncode == 0
    assert counts == sorted(counts)
    assert counts[0] < 12, "it was read while it was written"
    assert len(case.records()) == 12


def test_a_sweep_keeps_standard_output_for_what_is_printed(tmp_path: Path) -> None:
    @click.command()
    @sweep_options
    def command(**options: Any) -> None:
        summary = sweep(runner_functions.grid(3), runner_functions.square, **options)
        click.echo("the table")
        click.get_current_context().exit(summary.exit_code)

    path = tmp_path / "r.sqlite"
    result = CliRunner().invoke(command, ["--store", str(path), "--workers", "1"])
    assert result.exit_code == 0, result.output
    assert result.stdout == "the table\n"
    assert "3 trials: 3 done." in result.stderr
    assert str(path) in result.stderr
    bad = CliRunner().invoke(command, ["--store", str(tmp_path / "r.sqlite"), "--workers", "0"])
    assert bad.exit_code == 2


def test_a_sweep_says_what_is_missing_for_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    @sweep_options
    def command(**options: Any) -> None:
        sweep(runner_functions.grid(3), runner_functions.square, **options)

    monkeypatch.setitem(sys.modules, "distributed", None)
    arguments = ["--store", str(tmp_path / "r.sqlite"), "--scheduler", "tcp://127.0.0.1:9"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 1
    assert 'pip install "gradnoise-core[cluster]"' in result.output


def test_output_that_is_cut_short_is_no_crash(path: Path) -> None:
    command = (
        f"{sys.executable} -m gradnoise_reference_models results list --store {path} | head -1"
    )
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
