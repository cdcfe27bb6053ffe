"""DTensor: every rank's block of a noisy update is the slice of the whole, to the bit.

Two and four ranks run over gloo on loopback, in one process each, through all cases at once.
"""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sharding_torch_layouts import layouts

TESTS = Path(__file__).parents[1]
WORLDS = (2, 4)
PLACED = [(w, str(layout)) for w in WORLDS for layout in layouts(w)]

worlds = pytest.mark.parametrize("world", WORLDS)
placed = pytest.mark.parametrize(("world", "layout"), PLACED, ids=[f"{w}-{p}" for w, p in PLACED])


@functools.cache
def verdicts(world: int) -> dict[str, list[str]]:
    """Return what the ranks found, by check: nothing where all is right."""
    torch = pytest.importorskip("torch")
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    done = subprocess.run(
        [sys.executable, str(TESTS / "sharding_torch_worker.py"), str(world)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]),
            "OMP_NUM_THREADS": "1",
            "NUMBA_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@placed
def test_the_block_that_a_rank_holds_is_drawn_by_itself(world: int, layout: str) -> None:
    assert verdicts(world)[f"blocks {layout}"] == []


@placed
def test_noise_on_a_block_is_the_slice_of_the_whole(world: int, layout: str) -> None:
    assert verdicts(world)[f"noise {layout}"] == []


@placed
def test_noisy_adam_on_a_block_is_the_slice_of_the_whole(world: int, layout: str) -> None:
    assert verdicts(world)[f"adam {layout}"] == []


@worlds
@pytest.mark.parametrize("eta", ["one", "each"])
@pytest.mark.parametrize("axis", ["S0", "S1", "S2", "R"])
def test_replicas_are_cut_along_any_axis(world: int, axis: str, eta: str) -> None:
    assert verdicts(world)[f"replicas {axis} {eta}"] == []


@worlds
@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_other_dtypes(world: int, dtype: str) -> None:
    assert verdicts(world)[f"dtype torch.{dtype}"] == []


CHECKS = {
    "transposed": "a leaf whose memory is in another order than its axes",
    "outside": "a rank that the mesh leaves out",
    "under way": "a collective that is not awaited yet",
    "fsdp": "gradients of FSDP2, on four ranks with tensor parallelism",
}


@worlds
@pytest.mark.parametrize("check", CHECKS)
def test_what_torch_makes_of_tensors(world: int, check: str) -> None:
    assert verdicts(world)[check] == [], CHECKS[check]


def only(found: list[Any]) -> str:
    assert len(found) == 1, found
    return str(found[0])


@worlds
@pytest.mark.parametrize("check", ["refused partial", "refused in update"])
def test_partial_sums_are_refused_on_every_rank(world: int, check: str) -> None:
    message = only(verdicts(world)[check])
    rule = (
        "A DTensor must be placed by Shard or Replicate, got shape (3,) placed by (Partial(sum),)"
    )
    assert message.startswith(rule)
    assert "Redistribute it first: noise on partial sums would be added once a rank." in message


@worlds
def test_blocks_of_sizes_that_chunk_does_not_make_are_refused(world: int) -> None:
    """Their place in the whole is known to no rank alone."""
    found = verdicts(world)["refused other sizes"]
    assert any(
        "cut as torch.chunk cuts" in message and "not (1, 2), got" in message for message in found
    ), found


@worlds
def test_a_block_of_rows_that_do_not_follow_one_another_is_refused(world: int) -> None:
    found = verdicts(world)["refused strided"]
    assert all("must be one box of the whole" in message for message in found)
    assert all("_StridedShard(dim=0, sf=3)" in message for message in found), found


def test_a_tensor_that_is_not_cut_costs_no_import() -> None:
    pytest.importorskip("torch")
    program = (
        "import sys, torch\n"
        "from gradnoise_backends._torch_sharded import shard_of, whole\n"
        "for x in (torch.ones(3), torch.nn.Parameter(torch.ones(3)), 3.0):\n"
        "    assert shard_of(x) is None and whole(x) is x\n"
        "class Other(torch.Tensor): pass\n"
        "assert shard_of(torch.ones(3).as_subclass(Other)) is None\n"
        "assert 'torch.distributed.tensor' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
