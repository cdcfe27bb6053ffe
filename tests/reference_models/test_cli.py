"""The command line, as a user meets it."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from gradnoise_core.backend import backend_for, registered
from gradnoise_core.random import key
from gradnoise_reference_models.cli import cli
from gradnoise_reference_models.experiments.zero_init import ARMS

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


def test_an_unwritable_results_folder_is_found_out_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")

    def never(*_: Any, **__: Any) -> None:
        pytest.fail("it trained before it looked")

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


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT as a terminal does")
def test_ctrl_c_keeps_finished_epochs_and_a_resumed_run_is_the_same(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    command = [sys.executable, "-m", "gradnoise_reference_models", *ZERO_INIT, "--steps", "280"]
    # A shell that runs tests in the background makes its children ignore SIGINT.
    wake = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{wake}\nfrom gradnoise_reference_models.__main__ import main\nmain()"
    broken_command = [sys.executable, "-c", code, *command[3:], "--results", str(broken)]
    with subprocess.Popen(broken_command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        for line in started.stdout:
            if line.startswith("epoch"):
                break
        started.send_signal(signal.SIGINT)
        output = started.stdout.read()
        assert started.wait(60) == 130
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
    result = run(*ZERO_INIT, "--device", "cuda:9", "--results", str(tmp_path))
    assert result.exit_code == 1
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
