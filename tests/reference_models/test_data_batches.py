"""The order of minibatches."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradnoise_core.random import leaf_key, words
from gradnoise_reference_models.data import batches, epoch_order, steps_per_epoch


@given(seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 2**64 - 1), n=st.integers(1, 200))
def test_an_epoch_visits_every_example_once_in_the_order_of_the_words(
    seed: int, epoch: int, n: int
) -> None:
    order = epoch_order(seed, epoch, n)
    drawn = words(leaf_key(seed, "", epoch, domain="data-order"), (n,)).tolist()
    assert order.tolist() == sorted(range(n), key=drawn.__getitem__)  # sorted is stable too
    assert order.shape == (n,)
    assert order.dtype == np.intp


def test_the_order_of_an_epoch_is_pinned() -> None:
    assert epoch_order(7, 3, 10).tolist() == [9, 4, 2, 3, 5, 1, 7, 6, 0, 8]
    order = epoch_order(7, 3, 60000)
    assert (
        hashlib.sha256(order.astype("<i4").tobytes()).hexdigest()
        == "1318708355cc51bb1c1f127ba8d989f7c892d2d0f1cc6634876a15aa203171f2"
    )


def test_equal_words_keep_their_order() -> None:
    n = 200_000  # about five pairs of equal words
    drawn = words(leaf_key(3, "", 0, domain="data-order"), (n,)).tolist()
    assert len(set(drawn)) < n
    assert epoch_order(3, 0, n).tolist() == sorted(range(n), key=drawn.__getitem__)


def test_a_replica_visits_what_the_solo_run_of_its_seed_visits() -> None:
    seeds = (5, 2**64 - 1, 0)
    together = epoch_order(seeds, 4, 101)
    assert together.shape == (3, 101)
    for r, seed in enumerate(seeds):
        np.testing.assert_array_equal(together[r], epoch_order(seed, 4, 101))


def test_seeds_and_epochs_give_different_orders() -> None:
    orders = {tuple(epoch_order(s, e, 50).tolist()) for s in range(5) for e in range(5)}
    assert len(orders) == 25


def test_every_example_comes_first_equally_often() -> None:
    n, draws = 10, 4000
    first = epoch_order(range(draws), 0, n)[:, 0]
    counts = np.bincount(first, minlength=n)
    # Chi-square with 9 degrees of freedom: 27.9 is its 99.9 % point.
    assert np.sum((counts - draws / n) ** 2 / (draws / n)) < 27.9
    biased = np.where(first == 0, 1, first)  # negative control: one example never first
    counts = np.bincount(biased, minlength=n)
    assert np.sum((counts - draws / n) ** 2 / (draws / n)) > 27.9


@pytest.mark.parametrize(("n", "size", "steps"), [(10, 5, 2), (10, 4, 2), (10, 10, 1), (9, 1, 9)])
def test_batches_are_consecutive_and_the_partial_one_is_dropped(
    n: int, size: int, steps: int
) -> None:
    order = epoch_order(1, 0, n)
    parts = list(batches(order, size))
    assert len(parts) == steps == steps_per_epoch(n, size)
    assert all(part.shape == (size,) for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts), order[: steps * size])


def test_batches_keep_the_replica_axis() -> None:
    order = epoch_order((1, 2), 0, 7)
    parts = list(batches(order, 3))
    assert [part.shape for part in parts] == [(2, 3), (2, 3)]
    for r in range(2):
        solo = list(batches(order[r], 3))
        np.testing.assert_array_equal([part[r] for part in parts], solo)


@pytest.mark.parametrize("size", [0, 11])
def test_a_batch_size_that_leaves_no_step_is_refused_at_the_call(size: int) -> None:
    with pytest.raises(ValueError, match=rf"`batch_size` must be in \[1, n\], got {size}"):
        batches(epoch_order(0, 0, 10), size)


def test_bad_arguments_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="`n` must be >= 1, got 0"):
        epoch_order(0, 0, 0)
    with pytest.raises(ValueError, match="`epoch` must be in"):
        epoch_order(0, -1, 10)
    with pytest.raises(ValueError, match="`seed` must be in"):
        epoch_order(2**64, 0, 10)
    with pytest.raises(TypeError, match="`batch_size` must be an integer"):
        batches(epoch_order(0, 0, 10), 2.5)  # type: ignore[arg-type]


def test_the_order_needs_none_of_the_optional_packages() -> None:
    code = (
        "import sys; from gradnoise_reference_models.data import epoch_order; epoch_order(0, 0, 9);"
        "bad = {'sklearn', 'pooch', 'platformdirs', 'requests', 'torch', 'jax'} & set(sys.modules);"
        "assert not bad, bad"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)
    with pytest.raises(subprocess.CalledProcessError):  # the check itself can fail
        subprocess.run(
            [sys.executable, "-c", f"import platformdirs; {code}"],
            check=True,
            env=env,
            capture_output=True,
        )
