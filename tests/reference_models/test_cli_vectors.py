"""The command ``gradnoise vectors``, as a user meets it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from vector_cases import PUBLISHED, answer

from gradnoise_core.oracle.vectors import VECTORS, published_vectors
from gradnoise_reference_models.cli import cli

DOCS = Path(__file__).parents[2] / "docs"
ADAM = "trajectories/adam/torch/plain"
KERAS = PUBLISHED["trajectories/adam/keras/plain"].outputs["parameters"].array


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["vectors", *map(str, arguments)])


def test_list_shows_every_vector_and_what_is_due_of_it() -> None:
    result = run("list")
    assert result.exit_code == 0, result.output
    assert all(name in result.output for name in VECTORS)
    assert f"{len(VECTORS)} vectors, in {published_vectors()}" in result.output
    assert "keys: uint32 [7, 9, 9, 10, 2]\n" in result.output


def test_list_shows_some() -> None:
    result = run("list", "--only", "words/cipher", "--only", "*/value")
    assert "words/cipher" in result.output
    assert "3 vectors, in" in result.output
    assert "words/seeds" not in result.output


def test_write_then_check(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "set"
    only = ("--only", "clipping", "--only", "*/sgd/paper")
    written = run("write", folder, *only)
    assert written.exit_code == 0, written.output
    assert written.output.strip() == f"8 vectors (clipping 6, trajectories 2) in {folder}"
    checked = run("check", folder, *only)
    assert checked.exit_code == 0, checked.output
    lines = checked.output.splitlines()
    assert lines[0] == "pass  clipping/global-norm/float32"
    assert lines[-1] == "8 vectors (clipping 6, trajectories 2): all passed"
    assert len(lines) == 9


def test_check_fails_where_some_are_missing_and_says_which(tmp_path: Path) -> None:
    folder = answer(tmp_path, {}, ["words/scalar"])
    result = run("check", folder, "--quiet")
    assert result.exit_code == 1
    assert "FAIL  words/seeds: missing" in result.output
    assert "words/scalar" not in result.output
    assert f": {len(VECTORS) - 1} failed" in result.output.splitlines()[-1]


def test_check_names_the_first_element_that_differs(tmp_path: Path) -> None:
    folder = answer(tmp_path, {ADAM: KERAS}, [ADAM, "words/scalar"])
    result = run("check", folder, "--only", ADAM)
    assert result.exit_code == 1
    assert f"FAIL  {ADAM}: parameters[0, 0] is " in result.output
    assert "this is trajectories/adam/keras/plain" in result.output
    page = (DOCS / "vectors.rst").read_text(encoding="utf-8")
    assert "".join(f"   {line}\n" for line in result.output.splitlines()) in page


def test_check_against_a_reference_of_ones_own(tmp_path: Path) -> None:
    folder = answer(tmp_path / "set", {}, ["words/scalar"])
    assert run("check", folder, "--reference", folder).exit_code == 0
    wrong = answer(tmp_path / "wrong", {ADAM: KERAS})
    assert run("check", published_vectors(), "--reference", wrong, "--only", ADAM).exit_code == 1


def test_write_never_writes_over_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    result = run("write", tmp_path, "--only", "clipping")
    assert result.exit_code == 1
    assert "`folder` must be new or empty" in result.output
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("command", ["list", "write", "check"])
def test_a_pattern_that_matches_nothing_is_refused(tmp_path: Path, command: str) -> None:
    where = [] if command == "list" else [tmp_path / "x" if command == "write" else tmp_path]
    if command == "check":
        answer(tmp_path, {}, ["words/scalar"])
    result = run(command, *where, "--only", "adam")
    assert result.exit_code == 1
    assert "`only` must match vectors, got 'adam'" in result.output
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("content", [None, b"{", b"\xff", b'{"format": "other"}'])
def test_a_folder_that_is_no_set_is_refused_without_a_traceback(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)
    result = run("check", tmp_path)
    assert result.exit_code == 1
    assert result.output.startswith("Error: manifest.json ")
    assert isinstance(result.exception, SystemExit)


def test_what_cannot_be_written_is_said_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("write", tmp_path / "file" / "below", "--only", "clipping")
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert isinstance(result.exception, SystemExit)


def test_text_of_a_stranger_is_no_markup(tmp_path: Path) -> None:
    folder = answer(tmp_path, {}, ["words/scalar"])
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["vectors"]["words/scalar"]["parameters"]["cases"] = "[bold red]\x1b[31m"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    result = run("check", folder, "--only", "words/scalar")
    assert r"parameter 'cases' is '[bold red]\x1b[31m'" in result.output


def test_the_exit_code_reaches_a_shell(tmp_path: Path) -> None:
    folder = answer(tmp_path, {ADAM: KERAS})
    command = [sys.executable, "-m", "gradnoise_reference_models", "vectors", "check", str(folder)]
    assert subprocess.run([*command, "--only", ADAM], check=False, timeout=120).returncode == 1
