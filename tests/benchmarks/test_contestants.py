"""Every contestant makes a call that runs, and ours gives our numbers."""

import importlib.util
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import optree
import pytest

import benchmarks
from benchmarks.place import VARIANTS, Place, missing, open_place
from benchmarks.sections import SECTIONS, Section, contestants
from benchmarks.timed import Entry, pairs
from benchmarks.work import Contestant, Work, split
from gradnoise_core.random import fold_in, leaf_key, standard_normal

TIMED = [s for s in SECTIONS.values() if s.how == "timed"]
CPU = [v for v in VARIANTS.values() if "cpu" in v.devices and v.name != "numpy-numba"]


@pytest.fixture(params=CPU, ids=lambda variant: variant.name, scope="module")
def place(request: pytest.FixtureRequest) -> Place:
    why = missing(request.param, "cpu")
    if why is not None:
        pytest.skip(why)
    return open_place(request.param, "cpu", threads=1)


def eager(section: Section, library: str) -> list[Contestant]:
    """Return all but what takes a compiler seconds; the command's own test runs that."""
    return [c for c in contestants(section, library) if "torch.compile" not in c.name]


def leaves(place: Place, value: Any) -> list[Any]:
    return [
        np.asarray(x.detach() if place.library == "torch" else x) for x in optree.tree_leaves(value)
    ]


@pytest.mark.parametrize("section", TIMED, ids=lambda section: section.name)
def test_a_call_computes_all_elements_in_float32(section: Section, place: Place) -> None:
    for who in eager(section, place.library):
        n = 1 if section.name == "normals" else 3
        call = who.make(place, Work(30, n))
        for _ in range(3):
            out = call()
            place.wait(out)
        arrays = leaves(place, out)
        assert {x.dtype for x in arrays} == {np.dtype(np.float32)}, who.name
        assert [x.size for x in arrays] == [30 // n] * n, who.name
        assert all(np.isfinite(x).all() for x in arrays), who.name


def test_two_calls_draw_other_normals(place: Place) -> None:
    for who in eager(SECTIONS["normals"], place.library):
        call = who.make(place, Work(1000))
        a, b = (np.array(leaves(place, call())[0]) for _ in range(2))
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.15, who.name
        assert np.std(a) == pytest.approx(1, abs=0.1), who.name


def test_ours_are_the_streams_normals(place: Place) -> None:
    key = fold_in(leaf_key(0, "w", 0), 0)
    for who in eager(SECTIONS["normals"], place.library):
        if who.ours:
            (found,) = leaves(place, who.make(place, Work(999))())
            assert np.array_equal(found, standard_normal(key, (999,)))


def test_a_size_is_split_evenly() -> None:
    for size, n in itertools.product((1000, 1001, 1999), (1, 10, 1000)):
        sizes = split(size, n)
        assert sum(sizes) == size
        assert len(sizes) == n
        assert max(sizes) - min(sizes) <= 1


def test_ours_is_compared_with_peers_and_many_leaves_with_one() -> None:
    ours, peer = (Contestant(name, name == "ours", lambda *_: int) for name in ("ours", "peer"))
    entries = [Entry(c, n) for n in (1, 10, 100) for c in (ours, peer)]
    found = [(a.contestant.name, a.leaves, b.contestant.name, b.leaves) for a, b in pairs(entries)]
    assert sorted(found) == [
        ("ours", 1, "peer", 1),
        ("ours", 10, "ours", 1),
        ("ours", 10, "peer", 10),
        ("ours", 100, "ours", 1),
        ("ours", 100, "peer", 100),
        ("peer", 10, "peer", 1),
        ("peer", 100, "peer", 1),
    ]


def test_listing_contestants_imports_no_framework() -> None:
    """A first call is timed from its import on, so nothing may have imported it before."""
    libraries = {variant.library for variant in VARIANTS.values()}
    code = f"""
import sys
from benchmarks import first_call, memory, timed, worker
from benchmarks.sections import SECTIONS, contestants
for library in {libraries}:
    for section in SECTIONS.values():
        assert contestants(section, library)
print(sorted(({libraries} | {{"numba", "gradnoise_core"}}) & set(sys.modules)))
"""
    root = Path(benchmarks.__file__).parents[1]
    words = [sys.executable, "-c", code]
    ended = subprocess.run(words, capture_output=True, text=True, check=True, cwd=root)
    assert ended.stdout.strip() == "[]"


def test_a_library_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing(VARIANTS["cupy"], "cpu") == "cupy does not run on cpu"
    assert missing(VARIANTS["numpy"], "cuda") == "numpy does not run on cuda"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert missing(VARIANTS["jax"], "cpu") == "not installed: jax, optax"
