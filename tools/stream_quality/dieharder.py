"""Runs of dieharder on the stream, each recorded whole in a file of docs/results/dieharder."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gradnoise_core.backend import backend_for
from gradnoise_core.oracle import check_stream_bits

from .report import Run, parse, summary

__all__ = ["FOLDER", "battery", "control", "record", "recorded", "retest", "summarise"]

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "results" / "dieharder"
SUMMARY = FOLDER.with_suffix(".json")

#: Raw words from the standard input; the number of each test in the table of results.
INPUT = ("-g", "200", "-D", "default", "-D", "show_num")

#: The tests whose ntuple is a choice, and not a part of the test.
WITH_NTUPLE = (200, 201, 202, 203)
#: What is added to a seed to have a fresh one.
FRESH = 1000
#: Tests of less than a minute: birthdays, ranks of 32x32, runs, serial, bytes.
QUICK = (0, 2, 101, 102, 205)


def battery(source: str, seed: int, folder: Path = FOLDER) -> Run:
    """Run every test of dieharder, with its own default sizes, on a source."""
    return record(f"{source}-seed-{seed}", "battery", source, seed, ("-a",), folder)


def retest(run: Run, folder: Path = FOLDER) -> None:
    """Run again, with ever more samples until the matter is settled, each test that did not pass.

    Once with the run's own seed and once with a fresh one.
    """
    source, seed = run.notes["source"], int(run.notes["seed"])
    for number, ntuple in sorted(
        {(r.number, r.ntuple) for r in run.results if r.assessment != "PASSED"}
    ):
        chosen = ("-n", str(ntuple)) if number in WITH_NTUPLE else ()
        for again in (seed, seed + FRESH):
            name = f"{source}-seed-{seed}-retest-{number}-{ntuple}-seed-{again}"
            options = ("-d", str(number), *chosen, "-k", "2", "-Y", "1")
            record(name, "retest", source, again, options, folder)


def control(source: str, folder: Path = FOLDER) -> None:
    """Run a few quick tests on words that are bad on purpose."""
    for number in QUICK:
        record(f"control-{source}-{number}", "control", source, 1, ("-d", str(number)), folder)


def record(
    name: str, kind: str, source: str, seed: int, tests: Sequence[str], folder: Path = FOLDER
) -> Run:
    """Run dieharder on a source and write its report, or read the one that is there."""
    path = folder / f"{name}.txt"
    if not path.exists():
        # So that a report is of version 1 of the stream, whichever kernel draws it.
        if not check_stream_bits(backend_for(np)).passed:
            message = "This installation does not draw version 1 of the stream."
            raise RuntimeError(message)
        folder.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        part = path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as out:
            drawn = ["-m", "tools.stream_quality", "words", "--source", source, "--seed", str(seed)]
            tested = ["dieharder", *tests, *INPUT]
            print(f"# kind: {kind}\n# source: {source}\n# seed: {seed}", file=out)
            print(f"# command: python {' '.join(drawn)} | {' '.join(tested)}", file=out, flush=True)
            _pipe([sys.executable, *drawn], tested, out.fileno())
            out.seek(0, 2)
            print(f"# seconds: {time.perf_counter() - began:.0f}", file=out)
        part.rename(path)
    return parse(path.read_text("utf-8"))


def _pipe(drawn: Sequence[str], tested: Sequence[str], out: int) -> None:
    """Run two commands, one into the other; refuse the result unless both ended well."""
    with (
        subprocess.Popen(drawn, stdout=subprocess.PIPE, cwd=ROOT) as left,
        subprocess.Popen(tested, stdin=left.stdout, stdout=out) as right,
    ):
        assert left.stdout is not None
        left.stdout.close()  # the reader's end is the test's alone, so that its death is noticed
    if left.returncode or right.returncode:
        message = f"{' '.join(tested)} gave {right.returncode}, its input {left.returncode}."
        raise RuntimeError(message)


def recorded(folder: Path = FOLDER) -> list[Run]:
    """Return the runs on record, by name."""
    return [parse(path.read_text("utf-8")) for path in sorted(folder.glob("*.txt"))]


def summarise(folder: Path = FOLDER, to: Path = SUMMARY) -> None:
    """Write the summary of all runs on record."""
    to.write_text(json.dumps([summary(run) for run in recorded(folder)], indent=1) + "\n", "utf-8")
