"""The script of the page on sweeps runs as it stands, and its claims hold."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from doc_examples import page

from gradnoise_reference_models.runner import Store


@pytest.mark.slow
def test_the_script_of_the_page_runs_and_goes_on(tmp_path: Path) -> None:
    script, path = tmp_path / "script.py", tmp_path / "results.sqlite"
    script.write_text(page("runner.rst"), encoding="utf-8")
    environment = os.environ | {"PYTHONWARNINGS": "error"}

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, str(script), str(path)],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )

    first = run()
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert len(lines) == 6
    for line in lines:
        _, status, spread = line.split()
        assert status == "done"
        assert 5 < float(spread) < 15  # 100 steps of standard deviation 1
    with Store(path, read_only=True) as store:
        finished = {r.key: r.finished for r in store.records()}
        ends = np.asarray([r.metrics["end"] for r in store.records()])
    assert len(finished) == 12
    assert len(set(ends)) == 12, "each seed has its own noise"
    again = run()
    assert again.stdout == first.stdout
    with Store(path, read_only=True) as store:
        assert {r.key: r.finished for r in store.records()} == finished
