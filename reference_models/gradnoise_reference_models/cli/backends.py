"""``gradnoise backends``: what is installed, and does it draw the stream's very numbers?"""

import time

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradnoise_core.backend import Backend
from gradnoise_core.oracle import check_stream_bits
from gradnoise_core.typing import Device
from gradnoise_reference_models.cli._backends import installed

__all__ = ["backends"]


@click.command()
def backends() -> None:
    """List array libraries, versions, devices, and a live check of the noise stream on each.

    The check draws a million words and a million normals on every device and compares their
    SHA-256 with the published ones. The exit code is 1 if any differs.
    """
    table = Table("backend", "version", "device", "stream version 1", "seconds")
    good = True
    for found in installed():
        if found.backend is None:
            table.add_row(found.name, found.version or "-", "-", Text(found.reason, "dim"), "")
            continue
        for name, device in found.backend.devices().items():
            passed, verdict, seconds = _check(found.backend, device)
            good = good and passed
            table.add_row(found.name, found.version, name, verdict, f"{seconds:.2f}")
    Console().print(table)
    if not good:
        raise SystemExit(1)


def _check(backend: Backend, device: Device) -> tuple[bool, str, float]:
    start = time.perf_counter()
    report = check_stream_bits(backend, device)
    seconds = time.perf_counter() - start
    if report.passed:
        return True, "[green]bit-identical[/]", seconds
    wrong = " and ".join(n for n, ok in report._asdict().items() if not ok)
    return False, f"[bold red]{wrong} differ[/]", seconds
