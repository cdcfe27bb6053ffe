"""Words: every block is the slice of the whole, at indexes up to 2**64, on every library."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import reference_stream
from hypothesis import given, settings
from libraries import Library
from strategies import Box, boxes, evaluate, far_boxes

from gradnoise_core.backend import Backend
from gradnoise_core.random import Key, _words, key, leaf_key, words
from gradnoise_core.random._counters import block

SEEDS = (0, 2**32 - 1, 2**64 - 1)
KEY = leaf_key(2**33 + 7, "layers/0/weight", 3)

# Shapes in `within` and elements at which an index no longer fits one word, or half of one.
BORDERS = (2**31, 2**32, 2**33, 2**34, 2**63)


def slices(box: Box) -> tuple[slice, ...]:
    return tuple(slice(a, a + n) for a, n in zip(box.at, box.shape, strict=True))


def drawn(library: Library, box: Box, key: Key = KEY, **differs: Any) -> Any:
    """Return the words of a block, by a backend that differs from the library's own."""
    backend: Backend = dataclasses.replace(library.backend, **differs)
    where = block(*box)
    return evaluate(library, lambda: _words.draw(key, box.shape, where, backend, library.device))


def made(library: Library, box: Box, key: Key = KEY, at: Sequence[Any] | None = None) -> Any:
    """Return the words of a block as `words` makes them."""
    where = {"within": box.within, "at": box.at if at is None else at}
    found = evaluate(
        library, lambda: words(key, box.shape, xp=library.xp, device=library.device, **where)
    )
    assert found.dtype == np.int32
    return found


def test_the_first_words_are_those_of_the_specification(library: Library) -> None:
    found = made(library, Box((2,), (2,), (0,)), Key(0, 0))
    assert found.view(np.uint32).tolist() == [0x6B200159, 0x99BA4EFE]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 3), (3, 1, 5), (0,), (4, 0, 2)])
def test_a_whole_leaf_agrees_with_the_reference(
    library: Library, seed: int, shape: tuple[int, ...]
) -> None:
    expected = reference_stream.block(divmod(seed, 2**32), shape, shape, (0,) * len(shape))
    found = library.numpy(words(key(seed), shape, xp=library.xp, device=library.device))
    assert found.shape == shape
    assert np.array_equal(found, expected)


@settings(max_examples=12)
@given(box=boxes())
def test_a_block_is_the_slice_of_the_whole(library: Library, box: Box) -> None:
    whole = made(library, Box(box.within, box.within, (0,) * len(box.within)))
    assert np.array_equal(made(library, box), whole[slices(box)])


@settings(max_examples=12)
@given(box=boxes(most=3, longest=5))
def test_a_block_of_replicas_is_that_of_each(library: Library, box: Box) -> None:
    found = made(library, box, leaf_key(SEEDS, "w", 1))
    assert found.shape == (len(SEEDS), *box.shape)
    for seed, replica in zip(SEEDS, found, strict=True):
        assert np.array_equal(replica, made(library, box, leaf_key(seed, "w", 1)))


@settings(max_examples=12)
@given(box=far_boxes())
def test_a_block_of_a_huge_leaf_agrees_with_the_reference(library: Library, box: Box) -> None:
    assert np.array_equal(made(library, box), reference_stream.block(KEY, *box))


@pytest.mark.parametrize("border", BORDERS)
def test_across_a_border_in_one_axis(library: Library, border: int) -> None:
    box = Box((9,), (2**64,), (border - 5,))
    expected = reference_stream.block(KEY, *box)
    assert np.array_equal(made(library, box), expected)
    assert np.array_equal(drawn(library, box, draw=None), expected)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("columns", [3, 2**16 + 1, 2**29, 2**31 - 1])
def test_across_a_border_in_two_axes(library: Library, border: int, columns: int) -> None:
    row, column = divmod(border, columns)
    rows = 2**64 // columns
    box = Box((3, 2), (rows, columns), (row - 1, max(min(column - 1, columns - 2), 0)))
    assert np.array_equal(made(library, box), reference_stream.block(KEY, *box))


@pytest.mark.parametrize(
    "within",
    [(2**15, 2**16), (2**16, 2**16), (2**17, 2**16), (2**15 + 1, 2**16), (46341, 46341)],
)
def test_in_a_leaf_of_just_more_or_less_than_a_word_counts(
    library: Library, within: tuple[int, int]
) -> None:
    rows, columns = within
    for row in (rows // 2 - 1, rows - 2):
        for columns_at in (0, columns // 2, columns - 3):
            box = Box((2, 3), within, (row, columns_at))
            assert np.array_equal(made(library, box), reference_stream.block(KEY, *box))


def test_at_the_last_element_of_the_largest_leaf(library: Library) -> None:
    for box in (
        Box((2,), (2**64,), (2**64 - 2,)),
        Box((1, 2), (2**32, 2**32), (2**32 - 1, 2**32 - 2)),
        Box((1, 1, 2), (2**31, 2, 2**32), (2**31 - 1, 1, 2**32 - 2)),
        Box((1, 1), (1, 2**64), (0, 2**64 - 1)),
        Box((1, 1), (2**64, 1), (2**64 - 1, 0)),
    ):
        assert np.array_equal(made(library, box), reference_stream.block(KEY, *box))


@settings(max_examples=10)
@given(box=boxes(most=3, longest=6))
def test_a_start_that_is_an_array_is_the_number(library: Library, box: Box) -> None:
    at = [library.array(a, "int32") for a in box.at]
    assert np.array_equal(made(library, box, at=at), made(library, box))


@settings(max_examples=10)
@given(box=far_boxes(longest=2**31 - 1))
def test_a_start_that_is_an_array_is_right_in_a_huge_leaf(library: Library, box: Box) -> None:
    at = [library.array(a, "int32") for a in box.at]
    assert np.array_equal(made(library, box, at=at), reference_stream.block(KEY, *box))


@pytest.mark.parametrize("start", [2**29, 2**30 + 1, 2**31 - 3])
def test_a_start_that_is_an_array_is_not_multiplied_beyond_its_type(
    library: Library, start: int
) -> None:
    box = Box((2, 4), (2**31 - 1, 4), (start, 0))
    at = [library.array(a, "int32") for a in box.at]
    assert np.array_equal(made(library, box, at=at), reference_stream.block(KEY, *box))


@pytest.mark.parametrize(
    "box",
    [
        Box((2, 3), (5, 7), (3, 4)),
        Box((4, 7), (9, 7), (5, 0)),
        Box((2, 2, 3), (2**31 - 1, 2**20, 3), (2**30, 5, 0)),
    ],
)
def test_a_traced_start_is_the_number_under_jit(box: Box) -> None:
    jax = pytest.importorskip("jax")
    shard = jax.jit(lambda *at: words(KEY, box.shape, xp=jax.numpy, within=box.within, at=at))
    assert np.array_equal(shard(*box.at), reference_stream.block(KEY, *box))


@pytest.mark.parametrize("start", [2**31, 2**33, 2**40 + 1])
@pytest.mark.parametrize("kind", [np.int64, np.uint64])
def test_a_start_that_is_a_numpy_integer_is_the_number(start: int, kind: Any) -> None:
    found = words(KEY, (3,), within=(2**41,), at=(kind(start),))
    assert np.array_equal(found, words(KEY, (3,), within=(2**41,), at=(start,)))


class TestRoutes:
    """The ways to draw a block agree: each element apart, in order, a faster cipher."""

    @settings(max_examples=12)
    @given(box=boxes())
    def test_each_element_apart(self, library: Library, box: Box) -> None:
        assert np.array_equal(drawn(library, box, draw=None), made(library, box))

    @pytest.mark.parametrize("n", [5, 70, 2**17 + 1])
    @pytest.mark.parametrize("start", [0, 1, 63, 2**33 - 70, 2**34 - 4, 2**63 + 1])
    @pytest.mark.parametrize("seeds", [5, (5, 6)], ids=["solo", "replicas"])
    def test_in_order(self, library: Library, n: int, start: int, seeds: Any) -> None:
        if library.backend.draw is None:
            pytest.skip(f"{library.name} draws each element apart")
        box = Box((n,), (2**64,), (start,))
        k = leaf_key(seeds, "w", 0)
        assert np.array_equal(drawn(library, box, k), drawn(library, box, k, draw=None))

    @pytest.mark.parametrize("n", [1, 2**15 + 1, 2**16, 2**17 + 3])
    @pytest.mark.parametrize("seeds", [5, (5, 6)], ids=["solo", "replicas"])
    def test_the_backend_s_own_cipher(self, library: Library, n: int, seeds: Any) -> None:
        if library.backend.threefry is None:
            pytest.skip(f"{library.name} has no cipher of its own")
        k = leaf_key(seeds, "w", 0)
        box = Box((n,), (n + 3,), (3,))
        alone = drawn(library, box, k, draw=None)
        assert np.array_equal(drawn(library, box, k, draw=None, threefry=None), alone)

    def test_an_axis_longer_than_a_counter_is_split(
        self, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cases = [
            Box((23,), (23,), (0,)),
            Box((3, 12), (5, 40), (1, 7)),
            Box((11, 3), (2**40, 2**20), (2**35, 7)),
        ]
        if library.name == "jax":
            cases = cases[1:2]  # each part is compiled
        expected = [reference_stream.block(KEY, *box) for box in cases]
        monkeypatch.setattr(_words, "LONGEST", 5)
        for box, words_ in zip(cases, expected, strict=True):
            assert np.array_equal(drawn(library, box, draw=None), words_)
            replicas = drawn(library, box, leaf_key((1, 2), "w", 0), draw=None)
            assert replicas.shape == (2, *box.shape)
            assert np.array_equal(replicas[1], drawn(library, box, leaf_key(2, "w", 0)))

    def test_the_longest_axis_is_one_that_arange_can_count(self) -> None:
        assert _words.LONGEST < 2**31


class TestBadInput:
    @pytest.mark.parametrize(
        ("shape", "within", "at", "message"),
        [
            ((3,), (2,), None, r"A block must lie in its leaf, got 3 elements from 0 on axis 0"),
            ((1, 3), (1, 4), (0, 2), r"got 3 elements from 2 on axis 1 of `within` \(1, 4\)"),
            ((1,), (4,), (-1,), r"got 1 elements from -1 on axis 0"),
            ((1,), (4,), (np.int64(-1),), r"got 1 elements from -1 on axis 0"),
            ((1,), (4,), (np.int64(4),), r"got 1 elements from 4 on axis 0"),
            ((-1,), None, None, r"`shape` must have no negative entry, got \(-1,\)"),
            ((1,), (-4,), None, r"`within` must have no negative entry, got \(-4,\)"),
            ((1,), (1, 1), None, r"`shape`, `within` and `at` must have one entry an axis"),
            ((1, 1), (1, 1), (0,), r"`shape`, `within` and `at` must have one entry an axis"),
            ((1,), (2**64 + 1,), None, r"`within` must hold at most 2\*\*64 elements, got"),
            ((1, 1), (2**33, 2**32), None, r"`within` must hold at most 2\*\*64 elements"),
        ],
    )
    def test_a_block_that_does_not_lie_in_its_leaf_is_refused(
        self, shape: Any, within: Any, at: Any, message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            words(KEY, shape, within=within, at=at)

    @pytest.mark.parametrize("shape", [3, (2.5,), ("2",), "12", None])
    def test_a_shape_that_is_no_sequence_of_integers_is_refused(self, shape: Any) -> None:
        with pytest.raises(TypeError, match="`shape` must be a sequence of integers, got"):
            words(KEY, shape)

    @pytest.mark.parametrize("at", [(1.5,), ("1",)])
    def test_a_start_that_is_no_integer_is_refused(self, at: Any) -> None:
        with pytest.raises(TypeError, match="`at` must"):
            words(KEY, (1,), within=(4,), at=at)


def test_a_replica_axis_of_one_stays(library: Library) -> None:
    found = made(library, Box((), (), ()), leaf_key((4,), "w", 0))
    assert found.shape == (1,)
    assert math.prod(made(library, Box((0,), (3,), (2,)), leaf_key((4, 5), "w", 0)).shape) == 0
