"""Running a worker: all checks of one adapter in one process, of which tests read the findings."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from doc_examples import page

__all__ = ["findings"]

TESTS = Path(__file__).parent


@functools.cache
def findings(worker: str, documentation: str, folder: Path, **environment: str) -> dict[str, Any]:
    """Return what a worker found, by check, after it ran in a folder.

    Frameworks choose their backend when they are imported, and take long to be; so their checks
    share a process. Warnings are errors in it, as in the tests' own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    example = folder / "page.py"
    example.write_text(page(f"integrations/{documentation}"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(TESTS / f"{worker}.py"), str(folder), str(example)],
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            # Small leaves: to compile loops for them takes longer than all that they do.
            "GRADNOISE_NUMBA": "0",
            "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]),
            **environment,
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
