"""NamedSharding: noise is the whole's, to the bit, and no device waits for another.

One process has eight devices; two more, joined on loopback, have two each.
"""

import functools
import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="jax is not installed"
)


def start(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(TESTS / "sharding_jax_worker.py"), *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process: "subprocess.Popen[str]") -> dict[str, str]:
    try:
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0, err
    found: dict[str, str] = json.loads(out.splitlines()[-1])
    return found


@functools.cache
def on_devices() -> dict[str, str]:
    return answer(start("devices"))


@functools.cache
def in_processes() -> list[dict[str, str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    return [answer(p) for p in [start("processes", port, rank) for rank in ("0", "1")]]


@pytest.mark.parametrize("devices", ["1", "2", "4", "8", "2x4", "4x2"])
def test_noise_at_a_traced_step_is_the_whole_s_and_nothing_is_gathered(devices: str) -> None:
    assert on_devices()[f"noise {devices}"] == ""


@pytest.mark.parametrize("devices", ["8", "2x4"])
def test_noise_at_a_static_step_is_the_whole_s_and_nothing_is_gathered(devices: str) -> None:
    assert on_devices()[f"static {devices}"] == ""


@pytest.mark.parametrize("devices", ["8", "2x4"])
def test_noisy_adam_is_the_whole_s_and_nothing_is_gathered(devices: str) -> None:
    assert on_devices()[f"adam {devices}"] == ""


@pytest.mark.parametrize("devices", ["4", "each 8"])
def test_replicas_lie_on_devices_of_their_own(devices: str) -> None:
    assert on_devices()[f"replicas {devices}"] == ""


def test_each_device_does_its_share_of_the_work() -> None:
    shares = {k: float(v) for k, v in on_devices().items() if k.startswith("share ")}
    assert len(shares) == 5
    # An eighth, and the little that each does for itself.
    assert max(shares.values()) < 1 / 7, shares


CONTROLS = {
    "reversed": ("collective-permute", "all-to-all", "all-gather"),
    "gathered": ("all-gather",),
    "summed": ("all-reduce",),
    "called": ("callback",),
    "bit": ("row (slice(14, 16",),
    "placed": ("row placed",),
}


@pytest.mark.parametrize("control", CONTROLS)
def test_negative_control(control: str) -> None:
    found = on_devices()[f"control {control}"]
    assert any(word in found for word in CONTROLS[control]), found


@pytest.mark.parametrize("mesh", ["4", "2x2"])
@pytest.mark.parametrize("rank", [0, 1])
def test_each_of_two_processes_draws_its_blocks(mesh: str, rank: int) -> None:
    assert in_processes()[rank][f"noise {mesh}"] == ""
