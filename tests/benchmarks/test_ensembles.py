"""The section of ensembles: one program and solo runs make the same steps, and its table is right."""

import dataclasses
from typing import Any

import numpy as np
import optree
import pytest

from benchmarks import ensembles
from benchmarks.place import VARIANTS, Place, missing, open_place
from benchmarks.plot import plot
from benchmarks.records import SCHEMA, Document, Found, Ratio, Time
from benchmarks.sections import SECTIONS, contestants
from benchmarks.settings import Settings
from benchmarks.summary import Summary
from benchmarks.tables import TABLES
from benchmarks.timed import Entry, pairs
from benchmarks.work import Work

SECTION = SECTIONS["ensembles"]


@pytest.fixture(params=["numpy", "torch"], scope="module")
def place(request: pytest.FixtureRequest) -> Place:
    """JAX is left to the tests of training: to compile the network takes seconds."""
    variant = VARIANTS[request.param]
    why = missing(variant, "cpu")
    if why is not None:
        pytest.skip(why)
    return open_place(variant, "cpu", threads=1)


def after(place: Place, name: str, runs: int, steps: int = 3) -> list[Any]:
    """Return the parameters of all runs after some steps, a leading axis a run."""
    (who,) = (c for c in contestants(SECTION, place.library) if c.name == name)
    call = who.make(place, Work(ensembles.PARAMETERS, runs))
    for _ in range(steps):
        loss, states = call()
    assert place.backend.to_numpy(loss).shape == (runs // len(states),)
    trees = [optree.tree_leaves(params) for params, _ in states]
    return [
        np.concatenate([place.backend.to_numpy(leaf) for leaf in leaves])
        for leaves in zip(*trees, strict=True)
    ]


def test_the_parameters_are_those_of_one_run(place: Place) -> None:
    leaves = after(place, "one program", 2, steps=1)
    assert sum(leaf[0].size for leaf in leaves) == ensembles.PARAMETERS
    assert len(leaves) == 2 * 21


def test_both_make_as_many_steps_from_the_same_weights(place: Place) -> None:
    together = after(place, "one program", 2)
    in_turn = after(place, "solo runs", 2)
    assert [leaf.shape for leaf in together] == [leaf.shape for leaf in in_turn]
    # Not the same minibatches: close to each other, and apart from the other run's.
    for a, b in zip(together, in_turn, strict=True):
        if a.ndim == 3:
            assert np.abs(a - b).max() < 0.5 * np.abs(a[0] - a[1]).max()
            assert np.any(a[0] != a[1])


def test_numbers_of_runs_do_not_follow_the_options() -> None:
    task = Settings(sizes=(1000,), leaves=(1, 7)).task("ensembles", "numpy")
    assert (task.sizes, task.leaves) == ([ensembles.PARAMETERS], list(ensembles.RUNS))
    assert max(task.leaves) == 40


def test_the_program_is_compared_with_as_many_solo_runs() -> None:
    entries = [Entry(c, n) for n in (1, 40) for c in contestants(SECTION, "numpy")]
    found = {(a.contestant.name, a.leaves, b.contestant.name, b.leaves) for a, b in pairs(entries)}
    assert ("one program", 40, "solo runs", 40) in found
    assert ("one program", 40, "solo runs", 1) not in found


def test_the_table_has_the_time_of_one_run() -> None:
    def summary(value: float) -> Summary:
        return Summary(value, value, value, 9)

    n = ensembles.PARAMETERS
    here = ("ensembles", "numpy")
    found = Found(
        times=[
            Time(*here, "one program", True, n, 40, 1, summary(0.04)),
            Time(*here, "solo runs", False, n, 40, 1, summary(0.08)),
        ],
        ratios=[
            Ratio(*here, "one program", 40, "solo runs", 40, n, summary(0.5)),
            Ratio(*here, "one program", 40, "one program", 1, n, summary(20.0)),
        ],
    )
    table = TABLES["ensembles"](found, None)
    assert list(table.rows) == [("numpy", "40", "1", "2", "0.50", "0.50 to 0.50")]
    for other in ("ratios", "leaves", "times"):
        assert not TABLES[other](found, None).rows
    document = Document(
        SCHEMA, "", "2026-01-01", True, {"threads": 1, "device": "cpu"}, {"processor": "x"}, found
    )
    assert plot(dataclasses.replace(document)).startswith(b"\x89PNG")
