"""Memory for results: used again once nothing refers to it, and never while something does."""

import gc
import threading
from typing import Any

import numpy as np
import pytest

import gradnoise_core as gn
from gradnoise_backends._memory import FLOOR, LEAST, Pool


def address(array: Any) -> int:
    where: int = array.__array_interface__["data"][0]
    return where


@pytest.mark.parametrize("shape", [LEAST, (2, LEAST // 4)])
def test_an_array_is_as_asked_for(shape: Any) -> None:
    made = Pool().empty(shape, np.float32)
    assert made.shape == np.empty(shape).shape
    assert made.dtype == np.float32
    assert made.flags.writeable
    assert made.flags.c_contiguous


def test_memory_is_used_again_when_its_array_is_gone() -> None:
    pool = Pool()
    first = pool.empty(LEAST, np.float32)
    was = address(first)
    del first
    assert address(pool.empty(LEAST // 2, np.float64)) == was


def test_memory_is_not_used_again_while_a_view_is_left() -> None:
    pool = Pool()
    first = pool.empty(LEAST, np.float32)
    view = first.reshape(2, -1)[1, 5:]
    view[...] = 7
    del first
    gc.collect()
    others = [pool.empty(LEAST, np.float32) for _ in range(4)]
    for other in others:
        other[...] = 0
    assert (view == 7).all()


def test_small_arrays_are_left_to_numpy() -> None:
    pool = Pool()
    assert pool.empty(LEAST // 8, np.float32).base is None
    assert pool.used == 0


def test_what_is_idle_goes_with_what_is_in_use() -> None:
    pool = Pool()
    held = [pool.empty(FLOOR // 4, np.uint8) for _ in range(40)]
    assert pool.used == 10 * FLOOR
    del held[::2]
    assert (pool.used, pool.kept) == (5 * FLOOR, 5 * FLOOR)
    held.clear()
    assert pool.used == 0
    assert 0 < pool.kept <= FLOOR


def test_threads_get_memory_of_their_own() -> None:
    pool = Pool()
    wrong: list[int] = []

    def work(value: int) -> None:
        for _ in range(200):
            made = pool.empty(LEAST, np.uint8)
            made[...] = value
            if (made != value).any():
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert pool.used == 0


def test_results_that_are_kept_stay_as_they_are() -> None:
    """A pool that forgot a reference would overwrite the steps before."""
    optimizer = gn.noisy(gn.adam(1e-3), seed=1)
    params = {"w": np.zeros(LEAST, np.float32)}
    state, seen = optimizer.init(params), []
    for _ in range(4):
        params, state = gn.apply_gradients(optimizer, params, state, params)
        seen.append((params["w"], params["w"].copy()))
    for kept, copy in seen:
        np.testing.assert_array_equal(kept, copy)
    assert len({address(kept) for kept, _ in seen}) == len(seen)
