"""The command, from its options to its files: tiny runs, whose figures mean nothing."""

import dataclasses
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import benchmarks
from benchmarks.records import SCHEMA, Document, Found, Note
from benchmarks.run import _last_words, _parts
from benchmarks.settings import Settings
from benchmarks.targets import TARGETS
from gradnoise_reference_models.cli import cli

ROOT = Path(benchmarks.__file__).parents[1]
TINY = ["--sizes", "1e3", "--budget", "0.05"]
NORMALS = ["--section", "normals", "--variant", "numpy"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["bench", *arguments])


def test_a_tiny_run_writes_json_and_a_plot(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "results"
    words = [sys.executable, "-m", "benchmarks", *TINY, *NORMALS, "--results", str(folder)]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (folder / "cpu.png").read_bytes().startswith(b"\x89PNG")
    document = Document.from_json((folder / "cpu.json").read_text("utf-8"))
    found = document.found
    assert document.complete
    assert not found.failed
    peers = {f"Generator({bits})" for bits in ("PCG64", "SFC64", "Philox")}
    assert {t.contestant for t in found.times} == {"ours", *peers}
    assert {(r.contestant, r.to) for r in found.ratios} == {("ours", peer) for peer in peers}
    for time in found.times:
        assert (time.size, time.leaves) == (1000, 1)
        assert 0 < time.seconds.q1 <= time.seconds.median <= time.seconds.q3 < 1
    (machine,) = found.machine
    assert all(rate > 1e6 for _, rate in machine.copy)
    assert machine.operations > 1e6
    assert document.settings["threads"] == 1
    assert {"numpy", "gradnoise-core", "processor", "python"} <= set(document.environment)
    assert str(tmp_path) not in document.to_json()
    assert all(target.name[:20] in ended.stdout for target in TARGETS)

    checked = run("--check", "--results", str(folder))
    assert checked.exit_code == 0, checked.output
    assert document.environment["processor"] in checked.output
    assert "not in the run on cpu" in checked.output


def test_sections_are_added_to_what_is_there(tmp_path: Path) -> None:
    folder = ["--results", str(tmp_path)]
    assert run(*TINY, *NORMALS, *folder).exit_code == 0
    first = Document.from_json((tmp_path / "cpu.json").read_text("utf-8"))
    noise = ["--section", "noise", "--variant", "numpy"]
    assert run(*TINY, *noise, *folder, "--add").exit_code == 0
    both = Document.from_json((tmp_path / "cpu.json").read_text("utf-8"))
    assert [t for t in both.found.times if t.section == "normals"] == first.found.times
    assert {t.section for t in both.found.times} == {"normals", "noise"}
    assert len(both.found.machine) == 1
    assert both.command.splitlines() == [first.command, both.command.splitlines()[1]]
    assert both.command.endswith("--section noise --variant numpy --sizes 1000 --budget 0.05 --add")

    other = dataclasses.replace(both, environment={**both.environment, "numpy": "1.0"})
    (tmp_path / "cpu.json").write_text(other.to_json(), "utf-8")
    refused = run(*TINY, *noise, *folder, "--add")
    assert refused.exit_code == 1
    assert "these differ: numpy. Measure all" in refused.output
    assert (tmp_path / "cpu.json").read_text("utf-8") == other.to_json()


def test_the_recorded_command_is_the_one_to_repeat() -> None:
    assert Settings().command == "gradnoise bench"
    settings = Settings(sections=("adam",), sizes=(1000, 10**6), budget=0.5, device="cuda")
    assert settings.command == (
        "gradnoise bench --section adam --sizes 1000,1000000 --budget 0.5 --device cuda"
    )


def test_sizes_are_the_usual_one_or_the_nearest_below_where_one_is_enough() -> None:
    settings = Settings(sizes=(1000, 10**6, 10**8))
    assert settings.task("adam", "numpy").sizes == [1000, 10**6, 10**8]
    assert settings.task("adam-leaves", "numpy").sizes == [10**6]
    assert settings.task("first-call", "numpy", "ours").sizes == [10**6]
    assert settings.task("memory", "numpy", "ours").sizes == [10**6]
    assert Settings(sizes=(10**8,)).task("adam-leaves", "numpy").sizes == [10**8]


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the tasks that processes would be started for; none is."""
    asked: list[Any] = []

    def child(task: Any, timeout: float, extra: Any = None) -> Found:
        asked.append((task, extra))
        return Found(failed=[Note(task.label, "for the test")])

    monkeypatch.setattr("benchmarks.run._child", child)
    return asked


def test_every_section_runs_on_every_library_of_the_device(tasks: list[Any]) -> None:
    found = Found()
    for _, part in _parts(Settings()):
        found.add(part)
    asked = {(task.section, task.variant) for task, _ in tasks}
    said = {tuple(note.what.split(", ")) for note in found.absent}
    settings = Settings()
    everything = {(s, v) for s in settings.sections for v in settings.variants}
    assert (asked - {("machine", "")}) | said == everything
    assert not asked & said
    assert all(("cupy" in note.what) == ("does not run on" in note.why) for note in found.absent)


def test_a_contestant_has_its_own_process_for_memory_and_first_calls(tasks: list[Any]) -> None:
    list(_parts(Settings(sections=("memory", "first-call"), variants=("numpy",))))
    (_, *alone) = tasks
    assert [task.contestant for task, _ in alone].count("") == 0
    for task, extra in alone:
        wanted = "MALLOC_MMAP_THRESHOLD_" if task.section == "memory" else "NUMBA_CACHE_DIR"
        assert wanted in extra


def test_on_a_gpu_that_is_not_there_it_is_said(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("torch finds a CUDA device, and would measure")
    options = ["--section", "normals", "--variant", "torch", "--device", "cuda"]
    result = run(*TINY, *options, "--results", str(tmp_path))
    assert result.exit_code == 0, result.output
    document = Document.from_json((tmp_path / "cuda.json").read_text("utf-8"))
    assert {note.what for note in document.found.absent} == {"machine", "normals, torch"}
    assert all("cuda device" in note.why for note in document.found.absent)
    assert not document.found.times


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--section", "matrices"], "`--section` must be one of normals,"),
        (["--variant", "abacus"], "`--variant` must be one of numpy,"),
        (["--device", "tpu"], "`--device` must be one of cpu, cuda"),
        (["--clock", "sun"], "`--clock` must be one of wall, cpu"),
        (["--sizes", "1e3,many"], "must be whole numbers from 1 up"),
        (["--sizes", "0"], "must be whole numbers from 1 up"),
        (["--leaves", "1.5"], "must be whole numbers from 1 up"),
        (["--budget", "0"], "--budget"),
    ],
)
def test_bad_options_are_refused(tmp_path: Path, options: list[str], message: str) -> None:
    result = run(*options, "--results", str(tmp_path))
    assert result.exit_code != 0
    assert message in result.output
    assert not list(tmp_path.iterdir())


def test_checking_an_empty_folder_is_refused(tmp_path: Path) -> None:
    result = run("--check", "--results", str(tmp_path))
    assert result.exit_code == 1
    assert "must hold figures to check" in result.output


def test_checking_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cpu.json").write_text(json.dumps({"schema": SCHEMA - 1}))
    result = run("--check", "--results", str(tmp_path))
    assert result.exit_code == 1
    assert "`schema` must be" in result.output


def test_without_the_repository_it_says_where_the_benchmarks_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The package's name for the command hides the module.
    module = importlib.import_module("gradnoise_reference_models.cli.bench")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    result = run("--check")
    assert result.exit_code == 1
    assert "live in the repository" in result.output


def test_a_traceback_is_told_without_its_frames_and_folders() -> None:
    errors = (
        f'Traceback (most recent call last):\n  File "{ROOT}/x.py", line 1\nValueError: no {ROOT}'
    )
    told = _last_words(errors)
    assert "ValueError: no ." in told
    assert str(ROOT) not in told


def test_settings_are_json() -> None:
    settings = Settings()
    again = json.loads(json.dumps(settings.as_dict()))
    assert {k: tuple(v) if isinstance(v, list) else v for k, v in again.items()} == (
        dataclasses.asdict(settings)
    )
