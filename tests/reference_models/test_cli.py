"""The command line, as a user meets it."""

import csv
import dataclasses
import functools
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from rich.console import Console
from threadpoolctl import threadpool_info, threadpool_limits

from gradnoise_core.backend import backend_for, registered
from gradnoise_core.random import key
from gradnoise_reference_models.cli import _compare, _train, cli
from gradnoise_reference_models.cli._backends import choose_device
from gradnoise_reference_models.cli._progress import Bar
from gradnoise_reference_models.cli._stop import Terminated
from gradnoise_reference_models.data import load as load_data
from gradnoise_reference_models.experiments import report
from gradnoise_reference_models.experiments.zero_init import ARMS, ZeroInit
from gradnoise_reference_models.training import EpochRecord, Trainer

ZERO_INIT = ["reproduce", "zero-init", "--data", "digits"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "table.csv").open() as file:
        return list(csv.DictReader(file))


def test_zero_init_writes_table_history_and_plot_and_says_where(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "results"
    result = run(*ZERO_INIT, "--steps", "56", "--runs", "2", "--results", str(folder))
    assert result.exit_code == 0, result.output
    rows = table(folder)
    assert [row["setting"] for row in rows] == [arm.name for arm in ARMS]
    assert [(row["paper best"], row["paper average"]) for row in rows] == [
        ("11.4", "10.1"),
        ("94.5", "49.7"),
    ]
    assert all(row["runs"] == "2" for row in rows)
    document = json.loads((folder / "table.json").read_text())
    assert document["complete"] is True
    assert document["steps"] == 56
    assert "1,437 training and 360 test" in document["data"]["title"]
    with (folder / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    assert len(history) == 2 * 2 * 2
    assert (folder / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    assert "1,437 training and 360 test" in result.output
    assert "ships with scikit-learn" in result.output
    for name in ("table.csv", "table.json", "history.csv", "accuracy.png"):
        assert name in result.output.replace("\n", "")


def test_the_score_is_the_last_epochs_accuracy(tmp_path: Path) -> None:
    run(*ZERO_INIT, "--steps", "84", "--runs", "3", "--results", str(tmp_path))
    with (tmp_path / "history.csv").open() as file:
        last = [row for row in csv.DictReader(file) if row["epoch"] == "3"]
    for row in table(tmp_path):
        scores = [float(h["test_accuracy_percent"]) for h in last if h["setting"] == row["setting"]]
        assert float(row["best"]) == pytest.approx(max(scores), rel=1e-5)
        assert float(row["average"]) == pytest.approx(np.mean(scores), rel=1e-5)


def test_the_median_is_over_the_last_five_epochs(tmp_path: Path) -> None:
    run(*ZERO_INIT, "--steps", "196", "--runs", "2", "--results", str(tmp_path))
    with (tmp_path / "history.csv").open() as file:
        history = [row for row in csv.DictReader(file) if int(row["epoch"]) > 7 - 5]
    for row in table(tmp_path):
        medians = [
            np.median(
                [
                    float(h["test_accuracy_percent"])
                    for h in history
                    if (h["setting"], h["seed"]) == (row["setting"], seed)
                ]
            )
            for seed in ("0", "1")
        ]
        assert float(row["median of last 5 epochs"]) == pytest.approx(np.mean(medians), rel=1e-5)


def test_one_epochs_luck_does_not_move_the_median() -> None:
    steady = [EpochRecord(e, e, (1.0, 1.0), (0.5, 0.5)) for e in range(1, 9)]
    lucky = [*steady, EpochRecord(9, 9, (1.0, 1.0), (0.9, 0.1))]
    (_, _, best, _, median, *_), (_, _, other, _, same, *_) = report.rows(lucky)
    assert (best, other) == (pytest.approx(90.0), pytest.approx(10.0))
    assert median == same == pytest.approx(50.0)


def never(*_: Any, **__: Any) -> None:
    pytest.fail("it trained before it looked")


def test_a_missing_plotting_library_is_found_out_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    monkeypatch.setattr("gradnoise_reference_models.training.Trainer.steps", never)
    result = run(*ZERO_INIT, "--results", str(tmp_path / "results"))
    assert result.exit_code == 1
    assert "matplotlib" in result.output
    assert not (tmp_path / "results").exists()


def test_a_plot_that_fails_costs_neither_table_nor_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> bytes:
        raise OSError("no font")

    monkeypatch.setattr(report, "_plot", fails)
    result = run(*ZERO_INIT, "--steps", "28", "--results", str(tmp_path))
    assert result.exit_code == 1
    assert {"table.csv", "table.json", "history.csv"} <= {p.name for p in tmp_path.iterdir()}


def test_an_error_in_training_keeps_the_finished_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an output that nobody reads is: it raises where the epoch is told of."""

    def breaks(self: Any, record: EpochRecord) -> None:
        if record.epoch == 2:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("gradnoise_reference_models.cli._progress.Bar.epoch", breaks)
    result = run(*ZERO_INIT, "--steps", "84", "--results", str(tmp_path))
    assert result.exit_code == 1
    monkeypatch.undo()
    document = json.loads((tmp_path / "table.json").read_text())
    assert (document["epochs"], document["complete"]) == (2, False)
    again = run(*ZERO_INIT, "--steps", "84", "--results", str(tmp_path), "--resume")
    assert "Resumed after epoch 2" in again.output


@pytest.mark.parametrize("name", ["KeyboardInterrupt", "Terminated"])
def test_a_signal_at_any_line_keeps_state_and_history_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Raised before each line of the loop in turn, as a handler may, of the second epoch."""
    kind = {"KeyboardInterrupt": KeyboardInterrupt, "Terminated": Terminated}[name]
    code = _train._Run.go.__code__
    lines = sorted({line for _, _, line in code.co_lines() if line and line > code.co_firstlineno})
    backend = backend_for(np)
    settings = ZeroInit(load_data("digits"), steps=84, hidden_layers=1, width=2)
    trainer = settings.trainer(backend, compiled=False)
    for at in lines:
        folder = tmp_path / f"{name}-{at}"
        folder.mkdir()
        start = _train._Done(settings.start(trainer), ())
        going = _train._Run(settings, backend, folder, start)
        bar = Bar(Console(file=io.StringIO()), settings, trainer.steps_per_epoch, 0)

        def tracer(frame: Any, event: str, _: Any, at: int = at, going: Any = going) -> Any:
            if frame.f_code is not code:
                return None
            if event == "line" and frame.f_lineno == at and len(going.done.history) == 1:
                raise kind
            return tracer

        before = sys.gettrace()
        sys.settrace(tracer)
        try:
            going.go(trainer, bar)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        assert going.done.state.epoch == len(going.done.history)


@pytest.mark.parametrize(
    ("name", "found"), [("cuda", "cuda:0"), ("cuda:1", "cuda:1"), ("cpu", "cpu")]
)
def test_a_device_without_a_number_is_the_first_of_its_kind(name: str, found: str) -> None:
    devices = {"cpu": "C", "cudax:0": "X", "cuda:0": "0", "cuda:1": "1"}
    backend = dataclasses.replace(backend_for(np), devices=lambda: devices)
    assert choose_device(backend, name) == (found, devices[found])


def test_jax_trains_on_a_device_by_the_name_of_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jax")
    shallow = functools.partial(ZeroInit, hidden_layers=1)  # JAX compiles 20 layers for long
    module = sys.modules["gradnoise_reference_models.cli.reproduce"]  # whose name is the command's
    monkeypatch.setattr(module, "ZeroInit", shallow)
    options = ["--backend", "jax", "--device", "cpu", "--steps", "28", "--results", str(tmp_path)]
    result = run(*ZERO_INIT, *options)
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "table.json").read_text())["device"].startswith("cpu:")


@pytest.mark.parametrize("runs", [1, 2])
def test_all_that_the_progress_says_is_seen_on_80_columns(runs: int) -> None:
    settings = ZeroInit(load_data("digits"), steps=40_000, runs=runs)
    console = Console(width=80, force_terminal=True, file=io.StringIO())
    bar = Bar(console, settings, 28, 0)
    bar.step(1428, 28)
    bar.epoch(
        EpochRecord(
            1429, 40_012, (2.302,) * runs + (0.123,) * runs, (0.081,) * runs + (0.972,) * runs
        )
    )
    with console.capture() as capture:
        console.print(bar.progress.get_renderable())
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in capture.get().splitlines()]
    assert len(lines) == 3
    assert max(map(len, lines)) <= 80
    assert "━" * 10 in lines[0]
    assert re.search(r"40,012/40,012 steps \d:\d\d:\d\d ETA [\d-]:[\d-]{2}:[\d-]{2}", lines[0])
    for line, arm, loss, accuracy in zip(
        lines[1:], ARMS, ("2.302", "0.123"), ("8.1 %", "97.2 %"), strict=True
    ):
        assert line.startswith(arm.name)
        assert f"loss {loss}" in line
        assert f"accuracy {accuracy}" in line


def test_help_says_that_steps_become_whole_epochs() -> None:
    assert "rounded up to whole epochs" in " ".join(run(*ZERO_INIT[:2], "--help").output.split())


def test_a_file_that_is_no_checkpoint_is_refused_in_our_words(tmp_path: Path) -> None:
    for garbage in (b"garbage", b"", b"PK\x03\x04 cut short"):
        (tmp_path / "checkpoint.npz").write_bytes(garbage)
        result = run(*ZERO_INIT, "--results", str(tmp_path), "--resume")
        output = " ".join(result.output.split())
        assert result.exit_code == 1
        assert "cannot be read as a checkpoint" in output
        assert "Run without --resume" in output
        assert "pickle" not in output


def test_a_step_runs_on_one_thread_of_every_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BLAS's threads and OpenMP's, which torch has; in training and in the comparison."""
    pytest.importorskip("torch")
    settings = ZeroInit(load_data("digits"), steps=28, hidden_layers=1)  # loads OpenMP
    seen: list[tuple[str, int]] = []
    step = Trainer.step

    def counted(self: Any, *operands: Any) -> Any:
        seen.extend((pool["user_api"], pool["num_threads"]) for pool in threadpool_info())
        return step(self, *operands)

    monkeypatch.setattr(Trainer, "step", counted)
    with threadpool_limits(limits=2):  # more than one, as on a machine of many cores
        before = {(pool["user_api"], pool["num_threads"]) for pool in threadpool_info()}
        if ("openmp", 2) not in before:
            pytest.skip("no library here has OpenMP threads")
        _train.train(settings, "torch", None, tmp_path, resume=False)
        assert set(seen) == {("blas", 1), ("openmp", 1)}
        seen.clear()
        _compare.trajectory(settings, backend_for(np), steps=2)
        assert set(seen) == {("blas", 1), ("openmp", 1)}


def test_an_unwritable_results_folder_is_found_out_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")

    monkeypatch.setattr("gradnoise_reference_models.training.Trainer.steps", never)
    result = run(*ZERO_INIT, "--results", str(tmp_path / "file" / "results"))
    assert result.exit_code == 1
    assert "`--results` must be a folder that can be written to" in result.output


def test_resume_without_a_checkpoint_says_so(tmp_path: Path) -> None:
    result = run(*ZERO_INIT, "--results", str(tmp_path), "--resume")
    assert result.exit_code == 1
    assert "nothing to resume" in result.output.replace("\n", " ")


def test_resume_goes_on_and_longer(tmp_path: Path) -> None:
    whole, parts = str(tmp_path / "whole"), str(tmp_path / "parts")
    run(*ZERO_INIT, "--steps", "84", "--results", whole)
    run(*ZERO_INIT, "--steps", "28", "--results", parts)
    result = run(*ZERO_INIT, "--steps", "84", "--results", parts, "--resume")
    assert "Resumed after epoch 1" in result.output
    for name in ("table.csv", "history.csv"):
        assert (Path(whole) / name).read_bytes() == (Path(parts) / name).read_bytes()


def test_a_new_run_keeps_the_checkpoint_of_an_unfinished_one(tmp_path: Path) -> None:
    run(*ZERO_INIT, "--steps", "28", "--results", str(tmp_path))
    before = (tmp_path / "checkpoint.npz").read_bytes()
    result = run(*ZERO_INIT, "--steps", "56", "--results", str(tmp_path))
    assert (tmp_path / "checkpoint.previous.npz").read_bytes() == before
    assert "checkpoint.previous.npz" in result.output.replace("\n", "")


@pytest.mark.skipif(os.name != "posix", reason="sends signals as a terminal and a shell do")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_finished_epochs_and_a_resumed_run_is_the_same(
    tmp_path: Path, number: int, code: int
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    command = [sys.executable, "-m", "gradnoise_reference_models", *ZERO_INIT, "--steps", "280"]
    # A shell that runs tests in the background makes its children ignore SIGINT.
    wake = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    script = f"{wake}\nfrom gradnoise_reference_models.__main__ import main\nmain()"
    broken_command = [sys.executable, "-c", script, *command[3:], "--results", str(broken)]
    with subprocess.Popen(broken_command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        for line in started.stdout:
            if line.startswith("epoch"):
                break
        started.send_signal(number)
        output = started.stdout.read()
        assert started.wait(60) == code
    assert "--resume" in output
    document = json.loads((broken / "table.json").read_text())
    assert document["complete"] is False
    assert 1 <= document["epochs"] < 10
    for folder, more in ((broken, ["--resume"]), (whole, [])):
        subprocess.run(
            [*command, "--results", str(folder), *more], check=True, stdout=subprocess.DEVNULL
        )
    assert (broken / "history.csv").read_bytes() == (whole / "history.csv").read_bytes()


def test_backends_lists_every_registered_one_and_checks_its_bits() -> None:
    result = run("backends")
    assert result.exit_code == 0, result.output
    for name in registered():
        assert name in result.output
    assert "bit-identical" in result.output


def test_backends_fails_when_the_bits_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradnoise_core.oracle._stream.key", lambda seed: key(seed + 1))
    result = run("backends")
    assert result.exit_code == 1
    assert "words and normals differ" in " ".join(result.output.split())


def test_backend_all_prints_how_far_each_library_is_from_numpy() -> None:
    result = run(*ZERO_INIT, "--backend", "all")
    assert result.exit_code == 0, result.output
    for name in registered():
        assert name in result.output
    assert "0.0e+00" in result.output


def test_an_absent_backend_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    result = run(*ZERO_INIT, "--backend", "cupy", "--results", str(tmp_path))
    assert result.exit_code == 1
    assert "backend cupy cannot be used" in result.output


def test_an_unknown_device_names_those_that_there_are(tmp_path: Path) -> None:
    result = run(*ZERO_INIT, "--device", "cuda:9", "--results", str(tmp_path / "results"))
    assert result.exit_code == 1
    assert not (tmp_path / "results").exists()
    assert "--device of numpy must be one of cpu, got cuda:9" in result.output


def test_data_list_says_where_each_set_is() -> None:
    result = run("data", "list")
    assert result.exit_code == 0
    assert "digits: scikit-learn digits, 1,437 training and 360 test images" in result.output


def test_mnist_that_is_asked_for_and_absent_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRADNOISE_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    result = run("reproduce", "zero-init", "--data", "mnist")
    assert result.exit_code == 1
    assert "gradnoise data download mnist" in result.output


def test_the_command_without_its_extra_names_it() -> None:
    code = (
        "import sys; sys.modules['click'] = None\n"
        "from gradnoise_reference_models.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "gradnoise-core[models]" in done.stderr


def test_version_and_help() -> None:
    assert "0." in run("--version").output
    assert "zero-init" in run("reproduce", "--help").output
    assert backend_for(np).name == "numpy"
