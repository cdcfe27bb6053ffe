"""Many leaves drawn at once, and leaves in any memory layout: each gets its own noise."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import reference_stream
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import Library
from strategies import SEEDS, STEPS, evaluate, shapes

import gradnoise_core as gn
from gradnoise_core.random import leaf_key, standard_normal
from gradnoise_core.random._leaves import leaf_keys, standard_normals

DOMAIN = "gradient-noise"
SHAPES = [(3,), (), (1,), (4, 2), (0,), (5, 0, 2), (2, 3, 3), (7,)]
PATHS = [f"layers/{i}" for i in range(len(SHAPES))]

seeds = st.one_of(SEEDS, st.lists(SEEDS, min_size=1, max_size=3).map(tuple))


def together(
    library: Library, seed: Any, paths: Sequence[str], sizes: Sequence[Any], step: Any
) -> list[Any]:
    def draw() -> list[Any]:
        return standard_normals(seed, paths, sizes, step, DOMAIN, library.backend, library.device)

    return evaluate(library, draw)


def apart(seed: Any, paths: Sequence[str], sizes: Sequence[Any], step: int) -> list[Any]:
    return [
        standard_normal(leaf_key(seed, p, step, domain=DOMAIN), s)
        for p, s in zip(paths, sizes, strict=True)
    ]


def assert_same(found: list[Any], expected: list[Any]) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == np.float32
        assert a.shape == b.shape
        assert np.array_equal(a, b)


@settings(max_examples=12)
@given(
    seed=seeds,
    step=STEPS,
    sizes=st.lists(shapes(most=3, longest=5), max_size=5),
)
def test_together_is_each_apart(
    library: Library, seed: Any, step: int, sizes: list[tuple[int, ...]]
) -> None:
    paths = [str(i) for i in range(len(sizes))]
    assert_same(together(library, seed, paths, sizes, step), apart(seed, paths, sizes, step))


@pytest.mark.parametrize("seed", [2**64 - 1, (1,), (1, 2**40)], ids=["solo", "one", "two"])
@pytest.mark.parametrize("step", [0, 2**32 - 1])
def test_odd_empty_and_scalar_leaves(library: Library, seed: Any, step: int) -> None:
    assert_same(together(library, seed, PATHS, SHAPES, step), apart(seed, PATHS, SHAPES, step))


@pytest.mark.parametrize("seed", [3, (3, 4)], ids=["solo", "replicas"])
def test_at_a_step_that_is_an_array(library: Library, seed: Any) -> None:
    step = library.array(2**31 + 5, "int64")
    found = together(library, seed, PATHS[:4], SHAPES[:4], step)
    assert_same(found, apart(seed, PATHS[:4], SHAPES[:4], 2**31 + 5))


def test_under_jit() -> None:
    jax = pytest.importorskip("jax")
    backend = gn.backend.backend_for(jax.numpy)

    def draw(step: Any) -> list[Any]:
        return standard_normals((1, 2), PATHS, SHAPES, step, DOMAIN, backend, None)

    assert_same([np.asarray(z) for z in jax.jit(draw)(9)], apart((1, 2), PATHS, SHAPES, 9))


def test_leaves_too_large_to_be_drawn_together(library: Library) -> None:
    # Around the number of elements that are drawn at once, with small leaves among them.
    piece = 2**14
    sizes = [(3,), (piece - 1,), (piece,), (piece + 1,), (2 * piece + 3,), (2,)]
    paths = [f"w{i}" for i in range(len(sizes))]
    assert_same(together(library, 5, paths, sizes, 1), apart(5, paths, sizes, 1))


def test_no_leaves_have_no_normals(library: Library) -> None:
    assert together(library, 0, [], [], 0) == []


def test_keys_of_many_leaves_are_those_of_each() -> None:
    found = leaf_keys((4, 2**63), tuple(PATHS), 7, DOMAIN)
    assert found.shape == (2, len(PATHS))
    for r, seed in enumerate((4, 2**63)):
        for i, path in enumerate(PATHS):
            words = tuple(int(w[r, i]) & 0xFFFFFFFF for w in found)
            assert words == reference_stream.leaf_key(seed, path, 7)


def test_other_leaves_change_no_leaf(library: Library) -> None:
    whole = dict(zip(PATHS, together(library, 8, PATHS, SHAPES, 2), strict=True))
    for paths in (PATHS[::-1], PATHS[2:5], PATHS[3:4]):
        sizes = [SHAPES[PATHS.index(p)] for p in paths]
        assert_same(together(library, 8, paths, sizes, 2), [whole[p] for p in paths])


class TestMemoryLayout:
    """The noise of an element depends on where it stands in the leaf, not in memory."""

    @staticmethod
    def noisy(grads: Any) -> Any:
        noise = gn.add_gradient_noise(eta=1.0, gamma=0.0, seed=11)
        return noise.update({"w": grads}, noise.init({"w": grads}))[0]["w"]

    @pytest.mark.parametrize("shape", [(6, 4), (300, 500)], ids=["small", "in pieces"])
    def test_of_numpy(self, shape: tuple[int, int]) -> None:
        rows, columns = shape
        grads = np.arange(rows * columns, dtype=np.float32).reshape(shape)
        wide = np.zeros((2 * rows, 3 * columns), dtype=np.float32)
        wide[::2, ::3] = grads
        views = [
            np.asfortranarray(grads),
            np.ascontiguousarray(grads.T).T,
            wide[::2, ::3],
            np.ascontiguousarray(grads[::-1, ::-1])[::-1, ::-1],
        ]
        expected = self.noisy(grads)
        assert not np.array_equal(expected, grads)
        for view in views:
            before = view.copy()
            assert not view.flags.c_contiguous
            assert np.array_equal(self.noisy(view), expected)
            assert np.array_equal(view, before)

    def test_of_numpy_that_may_not_be_written_to(self) -> None:
        grads = np.ones((3, 3), dtype=np.float32)
        expected = self.noisy(grads)
        grads.setflags(write=False)
        assert np.array_equal(self.noisy(grads), expected)

    def test_of_torch(self) -> None:
        torch = pytest.importorskip("torch")
        grads = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
        expected = self.noisy(grads.numpy())
        strided = torch.zeros(2, 6, 8)
        strided[:, ::2, ::2] = grads
        views = [
            grads.permute(2, 0, 1).contiguous().permute(1, 2, 0),
            strided[:, ::2, ::2],
            grads[None].to(memory_format=torch.channels_last)[0],
        ]
        for view in views:
            assert not view.is_contiguous()
            assert np.array_equal(self.noisy(view).numpy(), expected)
        zeros = torch.zeros(()).expand(2, 3, 4)
        assert np.array_equal(self.noisy(zeros).numpy(), self.noisy(np.zeros((2, 3, 4), "f4")))

    def test_of_a_zero_size_or_scalar_leaf(self, library: Library) -> None:
        for shape in [(), (0,), (3, 0)]:
            found = library.backend.to_numpy(self.noisy(library.array(np.ones(shape))))
            assert found.shape == shape
            assert np.array_equal(found, self.noisy(np.ones(shape, dtype=np.float32)))
