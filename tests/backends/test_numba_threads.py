"""The compiled loops take numba's number of threads and leave everybody else's alone."""

import importlib.util
import subprocess
import sys

import pytest

SCRIPT = """
import torch
import gradnoise_core as gn
before = torch.get_num_threads()
grads = {"w": torch.zeros(1 << 18)}
noise = gn.add_gradient_noise()
noise.update(grads, noise.init(grads))
assert torch.get_num_threads() == before, (before, torch.get_num_threads())
import numba
from gradnoise_backends import _numba_stream
assert _numba_stream._threads() == numba.config.NUMBA_NUM_THREADS == 2
numba.set_num_threads(1)
assert _numba_stream._threads() == 1
"""


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "numba")),
    reason="torch or numba is not installed",
)
def test_drawing_changes_no_number_of_threads_and_numbas_is_obeyed() -> None:
    """Where numba has another number than OpenMP, its threads would set torch's to it."""
    script = "import os\nos.environ.update(NUMBA_NUM_THREADS='2', OMP_NUM_THREADS='1')" + SCRIPT
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
