"""DDP and FSDP2 over gloo on loopback, with 2 and 4 processes."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

worlds = pytest.mark.parametrize("world", [2, 4])


@functools.cache
def findings() -> dict[str, str]:
    """Return what ranks found, by check: nothing where all is right."""
    torch = pytest.importorskip("torch")
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    done = subprocess.run(
        [sys.executable, str(TESTS / "torch_optim_worker.py")],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]),
            "OMP_NUM_THREADS": "1",
            "NUMBA_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
@worlds
def test_replicas_are_equal_after_twenty_steps(world: int) -> None:
    """And a name has no "module." in it: the noise is that of one process."""
    assert findings()[f"ddp {world}"] == ""


@pytest.mark.slow
@worlds
def test_replicas_of_the_hook_that_one_would_write_are_not(world: int) -> None:
    assert findings()[f"ddp_with_a_naive_hook {world}"] == ""


@pytest.mark.slow
@worlds
def test_a_shard_gets_the_slice_of_the_noise_of_one_process(world: int) -> None:
    assert findings()[f"fsdp_slices {world}"] == ""


@pytest.mark.slow
@worlds
def test_shards_under_the_hook_that_one_would_write_all_get_the_same_noise(world: int) -> None:
    assert findings()[f"fsdp_with_a_naive_hook {world}"] == ""


@pytest.mark.slow
def test_the_number_of_ranks_changes_nothing() -> None:
    """2, then 4, then 1, from one distributed checkpoint to the next; as 1 that never stopped."""
    found = findings()
    assert found["part 2"] == found["part 4"] == ""
    assert found["any number of ranks"] == ""
