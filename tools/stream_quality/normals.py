"""Many normals, drawn and tallied a step at a time; an interrupted run goes on where it was."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from gradnoise_core.random import TABLE_SHA256, leaf_key, standard_normal

from .exact import checks
from .tally import Tally, join, tally

__all__ = ["CHUNK", "findings", "sample"]

LEAF = "layers/0/weight"

#: Elements of the leaf at each step: 400 MB.
CHUNK = 10**8
#: Seconds between two saves of 110 MB.
PAUSE = 60.0


def sample(
    seed: int, count: int, processes: int = 1, state: Path | None = None, chunk: int = CHUNK
) -> Tally:
    """Return the tally of `count` normals: those of the leaf at step 0, 1, ..., `chunk` a step.

    With `state`, what is done is kept in that file, and a run that finds it goes on from there.
    The tallies are joined in the order of the steps, so that the result is the same to the bit
    however many processes there are and however often it was interrupted.
    """
    sizes = [min(chunk, count - start) for start in range(0, count, chunk)]
    done, found = (0, None) if state is None else _load(state, seed, count, chunk)
    saved = time.monotonic()
    for part in _parts(seed, list(enumerate(sizes))[done:], processes):
        found = part if found is None else join([found, part])
        done += 1
        if state is not None and (done == len(sizes) or time.monotonic() - saved >= PAUSE):
            _save(state, found, seed=seed, count=count, chunk=chunk, done=done)
            saved = time.monotonic()
            print(f"{done} of {len(sizes)} steps", flush=True)
    assert found is not None
    return found


def findings(seed: int, count: int, found: Tally) -> dict[str, Any]:
    """Return what is found of a sample, and which sample it is."""
    return {
        "table": TABLE_SHA256,
        "leaf": LEAF,
        "seed": seed,
        "count": count,
        "steps": -(-count // CHUNK),
        "smallest": found.smallest,
        "largest": found.largest,
        **checks(found),
    }


def step_tally(seed_step_size: tuple[int, int, int]) -> Tally:
    """Return the tally of the first elements of the leaf at a step."""
    seed, step, size = seed_step_size
    return tally(standard_normal(leaf_key(seed, LEAF, step), (size,)))


def _parts(seed: int, steps: Sequence[tuple[int, int]], processes: int) -> Iterator[Tally]:
    todo = [(seed, step, size) for step, size in steps]
    if processes == 1:
        yield from map(step_tally, todo)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(step_tally, todo)


def _save(path: Path, found: Tally, **about: int) -> None:
    """Write the state beside its place and move it there: it is whole or it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as out:
        np.savez(out, **found._asdict(), **about)  # type: ignore[arg-type]
    part.replace(path)


def _load(path: Path, seed: int, count: int, chunk: int) -> tuple[int, Tally | None]:
    """Return how many steps are done and their tally; refuse the state of another run."""
    if not path.exists():
        return 0, None
    with np.load(path) as held:
        about = tuple(int(held[name]) for name in ("seed", "count", "chunk"))
        if about != (seed, count, chunk):
            message = f"{path} is of another run, {about}: remove it or name another state."
            raise ValueError(message)
        found = Tally(
            int(held["size"]),
            held["cells"],
            tuple(float(s) for s in held["sums"]),
            float(held["smallest"]),
            float(held["largest"]),
        )
        return int(held["done"]), found
