"""The command ``gradnoise judge``, as a user meets it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gradnoise_reference_models.cli import cli
from gradnoise_reference_models.world import WORLD, Record

RECORD = Path(__file__).parents[2] / "docs" / "results" / "world.json"
FEW = ("--only", "neural_gpu*", "--only", "SGLD of Edward*")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["judge", *map(str, arguments)])


def test_list_shows_what_there_is_and_what_is_installed() -> None:
    result = run("--list", "--only", "restated", "--only", "torch")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert any(line.startswith(("torch 2", "torch: not installed (pip install")) for line in lines)
    assert "  torch.optim.Adam, fused" in lines
    assert "published formulas, restated" in lines
    assert lines[-1].endswith(f" of {len(WORLD)} subjects")


def test_verdicts_are_printed_and_written(tmp_path: Path) -> None:
    path = tmp_path / "few.json"
    result = run(*FEW, "--json", path)
    assert result.exit_code == 0, result.output
    assert "FAIL  neural_gpu's gradient noise" in result.output
    assert "2 judged: 0 are what they claim, 0 are the paper's" in result.output
    record = Record.from_json(path.read_text("utf-8"))
    assert list(record.verdicts) == [
        "neural_gpu's gradient noise",
        "SGLD of Edward until its pull request 731",
    ]
    assert record.command == (
        "gradnoise judge --only 'neural_gpu*' --only 'SGLD of Edward*' --json few.json"
    )


def test_the_same_as_the_record() -> None:
    result = run(*FEW, "--against", RECORD)
    assert result.exit_code == 0, result.output
    assert "as in the record" in result.output


def test_other_than_the_record(tmp_path: Path) -> None:
    held = json.loads(RECORD.read_text("utf-8"))
    held["versions"]["numpy"] = "1.0"
    held["verdicts"] = [
        {**v, "passed": True, "cause": ""}
        for v in held["verdicts"]
        if v["name"].startswith("neural_gpu")
    ]
    path = tmp_path / "other.json"
    path.write_text(json.dumps(held), "utf-8")
    result = run(*FEW, "--against", path)
    assert result.exit_code == 1
    assert "neural_gpu's gradient noise: passed is False, not True" in result.output
    assert "SGLD of Edward until its pull request 731: it is not in the record" in result.output
    assert ", not 1.0" in result.output
    assert "differences from the record" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--only", "no such thing"), "must match a subject or a framework"),
        (("--python", "chainer"), "`--python` must be FRAMEWORK=PYTHON"),
        (("--python", "chainer=no/such/python"), "path of an interpreter"),
        (("--python", f"optax={__file__}"), "of keras-jax, keras-torch, tensorflow"),
        (("--against", __file__), "Extra data"),
        ((*FEW[:2], "--json", "no/such/folder/few.json"), "No such file or directory"),
    ],
)
def test_bad_input_is_refused(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())
