"""Resuming from (parameters, state) at any step equals never having stopped, to the bit.

The checkpoint is an array file for each array and JSON for the counts: no pickle, no generator.
"""

import io
import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import optree
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from libraries import Library
from optimizer_cases import DIALECT_ROWS, make
from strategies import SEEDS

import gradnoise_core as gn

STEPS = 5


def values(library: Library, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return {
        "w": library.array(rng.standard_normal((3, 2)), "float64"),
        "b": [library.array(rng.standard_normal(2), "float32")],
    }


def save(library: Library, tree: Any) -> tuple[str, list[bytes]]:
    """Return counts as JSON, and files of arrays."""
    counts: list[int | None] = []
    files = []
    for leaf in optree.tree_leaves(tree):
        if isinstance(leaf, int):
            counts.append(leaf)
            continue
        counts.append(None)
        file = io.BytesIO()
        np.save(file, library.numpy(leaf), allow_pickle=False)
        files.append(file.getvalue())
    return json.dumps(counts), files


def load(library: Library, like: Any, saved: tuple[str, list[bytes]]) -> Any:
    counts, files = json.loads(saved[0]), iter(saved[1])
    leaves = []
    for count in counts:
        if count is None:
            array = np.load(io.BytesIO(next(files)), allow_pickle=False)
            leaves.append(library.array(array, str(array.dtype)))
        else:
            leaves.append(count)
    return optree.tree_unflatten(optree.tree_structure(like), leaves)


def advance(library: Library, optimizer: Any, run: Any, start: int) -> list[Any]:
    """Return (parameters, state) after each step from `start` on, itself first."""
    runs = [run]
    for t in range(start, STEPS):
        params, state = runs[-1]
        updates, state = optimizer.update(values(library, 100 + t), state, params)
        runs.append((gn.apply_updates(params, updates), state))
    return runs


def assert_same(library: Library, one: Any, other: Any) -> None:
    assert optree.tree_structure(one) == optree.tree_structure(other)
    for a, b in zip(optree.tree_leaves(one), optree.tree_leaves(other), strict=True):
        if isinstance(a, int):
            assert type(b) is int
            assert a == b
        else:
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(library.numpy(a), library.numpy(b))


def check(library: Library, fresh: Callable[[], Any], stops: Iterable[int]) -> None:
    """Stop after each of some steps, save, load into a new optimizer, go on to the end."""
    optimizer, params = fresh(), values(library, 0)
    runs = advance(library, optimizer, (params, optimizer.init(params)), 0)
    for t in stops:
        again = fresh()
        like = (params, again.init(params))
        loaded = load(library, like, save(library, runs[t]))
        assert_same(library, advance(library, again, loaded, t)[-1], runs[-1])


@pytest.mark.parametrize(("name", "dialect"), DIALECT_ROWS)
def test_resuming_at_any_step_equals_never_stopping(
    library: Library, name: str, dialect: str
) -> None:
    check(library, lambda: make(name, dialect), (0, 2, STEPS - 1))


def test_resuming_a_noisy_run_at_any_step_equals_never_stopping(library: Library) -> None:
    check(library, lambda: gn.noisy(gn.adam(0.1), 0.1, clip=1.0, seed=11), range(STEPS))


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(
    row=st.sampled_from(DIALECT_ROWS),
    seed=SEEDS,
    eta=st.floats(1e-6, 1.0),
    gamma=st.floats(0.0, 1.0),
    stop=st.integers(0, STEPS - 1),
)
def test_resuming_any_noisy_run_at_any_step_equals_never_stopping(
    library: Library, row: tuple[str, str], seed: int, eta: float, gamma: float, stop: int
) -> None:
    check(library, lambda: gn.noisy(make(*row), eta, gamma, clip=1.0, seed=seed), [stop])


def test_a_checkpoint_without_the_count_is_noticed(library: Library) -> None:
    """What the tests above would say of a state that left its step count out."""
    optimizer = gn.noisy(gn.adam(0.1), 0.1)
    params = values(library, 0)
    runs = advance(library, optimizer, (params, optimizer.init(params)), 0)
    counts, files = save(library, runs[2])
    forgetful = json.dumps([None if c is None else 0 for c in json.loads(counts)])
    resumed = advance(library, optimizer, load(library, runs[2], (forgetful, files)), 2)
    with pytest.raises(AssertionError):
        assert_same(library, resumed[-1], runs[-1])


def test_skipped_steps_resume_too(library: Library) -> None:
    optimizer = gn.skip_non_finite(gn.noisy(gn.adam(0.1), 0.1))
    params = values(library, 0)
    state = optimizer.init(params)
    poison = {**params, "w": params["w"] * float("nan")}
    _, state = optimizer.update(poison, state, params)
    loaded = load(library, (params, state), save(library, (params, state)))
    whole = advance(library, optimizer, (params, state), 0)
    assert_same(library, advance(library, optimizer, loaded, 0)[-1], whole[-1])
    assert whole[-1][1].skipped == 1
