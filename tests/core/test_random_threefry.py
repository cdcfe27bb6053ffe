"""The block cipher against the known answers of Random123, on every route to it."""

from typing import Any

import numpy as np
import pytest
import reference_stream
from hypothesis import given
from hypothesis import strategies as st
from libraries import Library

from gradnoise_core.random import Key, fold_in
from gradnoise_core.random._threefry import signed, threefry, threefry_int

WORD = st.integers(0, 2**32 - 1)

#: Key, counter and answer: file kat_vectors of Random123, threefry2x32 with 20 rounds.
KNOWN = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]
known_answers = pytest.mark.parametrize(("key", "counter", "answer"), KNOWN)


def int32(*words: int) -> Any:
    return np.asarray(words, dtype=np.uint32).view(np.int32)


def unsigned(library: Library, words: Any) -> int:
    return int(library.numpy(words).reshape(-1)[0]) & 0xFFFFFFFF


@known_answers
def test_python_ints_give_the_known_answers(
    key: tuple[int, int], counter: tuple[int, int], answer: tuple[int, int]
) -> None:
    assert threefry_int(key, counter) == answer
    assert fold_in(Key(*key), (counter[0] << 32) + counter[1]) == answer


@known_answers
def test_the_reference_of_these_tests_gives_the_known_answers(
    key: tuple[int, int], counter: tuple[int, int], answer: tuple[int, int]
) -> None:
    assert reference_stream.threefry(key, counter) == answer


@known_answers
@pytest.mark.parametrize("array_key", [False, True], ids=["key of ints", "key of arrays"])
def test_arrays_give_the_known_answers(
    library: Library,
    key: tuple[int, int],
    counter: tuple[int, int],
    answer: tuple[int, int],
    array_key: bool,
) -> None:
    k: Any = [library.array(int32(w), "int32") for w in key] if array_key else map(signed, key)
    c = [library.array(int32(w), "int32") for w in counter]
    cipher = library.backend.threefry or threefry
    for route in (threefry, cipher):
        found = route(tuple(k), (c[0], c[1]))
        assert tuple(unsigned(library, w) for w in found) == answer
        k = [library.array(int32(w), "int32") for w in key] if array_key else map(signed, key)


@given(key=st.tuples(WORD, WORD), counter=st.tuples(WORD, WORD))
def test_python_ints_agree_with_the_reference(
    key: tuple[int, int], counter: tuple[int, int]
) -> None:
    assert threefry_int(key, counter) == reference_stream.threefry(key, counter)


@pytest.mark.parametrize("key_shape", [(), (1,), (3, 1)])
def test_arrays_agree_with_python_ints(library: Library, key_shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(1)
    k = random.integers(0, 2**32, (2, *key_shape), dtype=np.uint32)
    c = random.integers(0, 2**32, (2, 33), dtype=np.uint32)
    keys = [library.array(w.view(np.int32), "int32") for w in k]
    counters = [library.array(w.view(np.int32), "int32") for w in c]
    high, low = np.broadcast_arrays(*k, *c)[:2], np.broadcast_arrays(*k, *c)[2:]
    expected = [
        threefry_int((int(k0), int(k1)), (int(c0), int(c1)))
        for k0, k1, c0, c1 in zip(*(w.reshape(-1) for w in (*high, *low)), strict=True)
    ]
    for route in (threefry, library.backend.threefry or threefry):
        found = [
            library.numpy(w).view(np.uint32)
            for w in route((keys[0], keys[1]), (counters[0], counters[1]))
        ]
        assert found[0].shape == np.broadcast_shapes(key_shape, (33,))
        pairs = zip(found[0].reshape(-1).tolist(), found[1].reshape(-1).tolist(), strict=True)
        assert list(pairs) == expected
