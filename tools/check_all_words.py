"""Check the normal of every 32-bit word against the exact quantile, and its symmetry.

For each word u in [start, stop) and its complement ~u: |z(u) - Phi^-1((u + 1/2) / 2**32)|, with
Phi^-1 in float64 by ``scipy.special.ndtri``, is at most 2**-20; and z(~u) = -z(u) to the bit, so
that the error of ~u is that of u. The words below 2**31 and their complements are all 2**32.

Usage: python tools/check_all_words.py [--start N] [--stop N] [--processes N] [--json PATH]
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri

from gradnoise_core.backend import backend_for
from gradnoise_core.random import TABLE_SHA256
from gradnoise_core.random._normal import quantile

BOUND = 2.0**-20
CHUNK = 1 << 20  # 8 MB of float64: the working set of one process stays small
Quantile = Callable[[Any], Any]


class Part(NamedTuple):
    """What was found in the words [start, stop) and their complements."""

    start: int
    stop: int
    error: float
    error_at: int
    largest: float
    asymmetric: int
    descents: int


def normals(words: Any) -> Any:
    """Return the float32 normals of int32 words, on NumPy."""
    return quantile(backend_for(np), words)


def check(start: int, stop: int, z: Quantile = normals) -> Part:
    """Return what is found in the words [start, stop), stop <= 2**31, and their complements.

    `descents` counts the words u with z(u + 1) < z(u), which the bound allows.
    """
    # One word more, so that no pair of neighbours is lost between chunks.
    words = np.arange(start, min(stop + 1, 1 << 31), dtype=np.int64).astype(np.int32)
    values = z(words)
    descents = int(np.count_nonzero(values[1:] < values[:-1]))
    words, values = words[: stop - start], values[: stop - start]
    mirrored = z(~words)
    # A sign is a bit: adding the top one is flipping it, and -0.0 is not 0.0.
    flipped = values.view(np.uint32) ^ np.uint32(1 << 31)
    error = np.abs(values - ndtri((words + 0.5) * 2.0**-32))
    # A NaN is the largest error, not none.
    error[np.isnan(error)] = np.inf
    worst = int(np.argmax(error))
    return Part(
        start=start,
        stop=stop,
        error=float(error[worst]),
        error_at=start + worst,
        largest=float(np.max(np.abs(values))),
        asymmetric=int(np.count_nonzero(mirrored.view(np.uint32) != flipped)),
        descents=descents,
    )


def join(a: Part, b: Part) -> Part:
    """Return what was found in two parts, the second of which follows the first."""
    worse = max(a, b, key=lambda part: part.error)
    return Part(
        start=a.start,
        stop=b.stop,
        error=worse.error,
        error_at=worse.error_at,
        largest=max(a.largest, b.largest),
        asymmetric=a.asymmetric + b.asymmetric,
        descents=a.descents + b.descents,
    )


def check_chunk(start_stop: tuple[int, int]) -> Part:
    """Do as `check`, for an executor's map."""
    return check(*start_stop)


def report(found: Part) -> str:
    """Return the findings as text."""
    good = found.error <= BOUND and found.asymmetric == 0
    return "\n".join(
        [
            f"table           {TABLE_SHA256}",
            f"words checked   {2 * (found.stop - found.start)}",
            f"these           [{found.start}, {found.stop}) and their complements",
            f"largest error   {found.error:.6g} at word {found.error_at} (bound {BOUND:.6g})",
            f"largest normal  {found.largest:.6f}",
            f"asymmetric      {found.asymmetric}",
            f"descents        {found.descents}",
            "all words pass" if good else "FAILED",
        ]
    )


def main() -> int:
    """Check the words, print the findings, return 0 if all pass."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--start", type=int, default=0, help="first word (default: 0)")
    parser.add_argument("--stop", type=int, default=1 << 31, help="end of words (default: 2**31)")
    parser.add_argument("--processes", type=int, default=2, help="(default: 2)")
    parser.add_argument("--json", type=Path, help="write the findings to this file too")
    given = parser.parse_args()
    if not 0 <= given.start < given.stop <= 1 << 31:
        parser.error("0 <= start < stop <= 2**31 must hold: ~u stands for the words above")
    began = time.perf_counter()
    chunks = [(s, min(s + CHUNK, given.stop)) for s in range(given.start, given.stop, CHUNK)]
    found: Part | None = None
    with ProcessPoolExecutor(given.processes) as pool:
        for i, part in enumerate(pool.map(check_chunk, chunks, chunksize=4), 1):
            found = part if found is None else join(found, part)
            if i % 256 == 0:
                done = f"{i} of {len(chunks)} chunks, {time.perf_counter() - began:.0f} s"
                print(f"{done}, largest error so far {found.error:.6g}", flush=True)
    assert found is not None
    print(report(found))
    if given.json is not None:
        about = {"table": TABLE_SHA256, "words": 2 * (found.stop - found.start)}
        given.json.write_text(json.dumps({**about, **found._asdict()}, indent=2) + "\n")
    print(f"seconds         {time.perf_counter() - began:.0f}")
    return 0 if found.error <= BOUND and found.asymmetric == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
