"""CuPy's kernels without a GPU: their source compiled for this processor, and launched as CuPy's."""

import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import cupy_stand_in
import numpy as np
import pytest
from gpu_cases import (
    FAR,
    LEAVES,
    RANGES,
    SUMS,
    TINY,
    Range,
    expected,
    expected_leaves,
    expected_sum,
    leaf_keys,
    operand,
)

pytestmark = pytest.mark.skipif(
    cupy_stand_in.COMPILER is None, reason="no C++ compiler (g++ or clang++) is installed"
)

Load = Callable[..., ModuleType]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Return what imports `_cupy_stream` afresh, with a stand-in for CuPy."""
    folder = tmp_path_factory.mktemp("kernels")

    def import_it(replace: tuple[str, str] = ("", "")) -> ModuleType:
        spec = importlib.util.find_spec("gradnoise_backends._cupy_stream")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "cupy", cupy_stand_in.stand_in(folder, replace))
            spec.loader.exec_module(module)
        return module

    return import_it


@pytest.fixture(scope="module")
def stream(load: Load) -> ModuleType:
    return load()


def same(found: Any, wanted: Any) -> bool:
    """Return whether two arrays are equal to the bit."""
    return (
        found.dtype == wanted.dtype
        and found.shape == wanted.shape
        and bool(found.tobytes() == np.ascontiguousarray(wanted).tobytes())
    )


def rounded(total: Any, dtype: str) -> Any:
    with np.errstate(over="ignore"):
        return total.astype(dtype)


@pytest.mark.parametrize("case", RANGES)
def test_normals_are_those_of_the_definition(stream: ModuleType, case: Range) -> None:
    assert same(stream.normals(case.words(), case.start, case.n, 0), expected(case))


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize(("case", "sigma"), SUMS)
def test_sums_are_those_of_two_operations(
    stream: ModuleType, case: Range, sigma: Any, dtype: str
) -> None:
    g = operand(case.shape, TINY[dtype]).astype(dtype)
    wide = g.astype(np.float64 if dtype == "float64" else np.float32)
    wanted = rounded(expected_sum(case, sigma, wide), dtype)
    given = np.asarray(sigma) if isinstance(sigma, list) else sigma
    kept = g.copy()
    assert same(stream.add(g, case.words(), case.start, given), wanted)
    assert same(g, kept)
    assert stream.add(g, case.words(), case.start, np.asarray(sigma), out=g) is g
    assert same(g, wanted)


def test_operands_may_lie_apart(stream: ModuleType) -> None:
    case = RANGES[-3]
    keys = tuple(np.repeat(k, 2)[::2] for k in case.words())
    g = np.asfortranarray(operand(case.shape, 0.0).astype(np.float32))
    sigma = np.repeat(np.arange(case.rows), 2)[::2] / 8
    found = stream.add(g, keys, case.start, sigma)
    assert same(found, expected_sum(case, sigma, g))


@pytest.mark.parametrize("rows", [0, 4])
@pytest.mark.parametrize("far", [0, FAR])
def test_leaves_together_are_those_of_the_definition(
    stream: ModuleType, rows: int, far: int
) -> None:
    leaf, index = LEAVES
    place = np.repeat(index.astype(np.int64) + far, 2)[::2] if far else index
    found = stream.normals_of_leaves(tuple(leaf_keys(rows)), leaf, place, 0)
    assert same(found, expected_leaves(rows, far))


def test_each_half_is_rounded_to_nearest_even(stream: ModuleType) -> None:
    case = Range((1, 2), 0, 2**16)
    bits = np.arange(2**16, dtype=np.uint16)
    bits[np.isnan(bits.view(np.float16))] = 0
    g = bits.view(np.float16)
    wanted = rounded(expected_sum(case, 3.0, g.astype(np.float32)), "float16")
    assert same(stream.add(g, case.words(), case.start, 3.0), wanted)


@pytest.mark.parametrize(
    ("replace", "case"),
    [
        (("(word)(counter >> 32)", "0"), RANGES[9]),
        (("2 * p + lane - odd", "2 * p + lane"), RANGES[4]),
        (("__int2float_rn(m)", "(float)(m & ~255)"), RANGES[2]),
    ],
    ids=["32-bit counter", "odd start", "conversion cut off"],
)
def test_mutants_of_the_source_are_caught(
    load: Load, replace: tuple[str, str], case: Range
) -> None:
    assert not same(load(replace).normals(case.words(), case.start, case.n, 0), expected(case))


class TestRefuses:
    def test_other_types(self, stream: ModuleType) -> None:
        with pytest.raises(TypeError, match="`g` must be of float16, float32 or float64"):
            stream.add(np.zeros(3, np.int32), (0, 0), 0, 0.1)

    def test_rows_without_keys(self, stream: ModuleType) -> None:
        with pytest.raises(ValueError, match="`g` must have shape"):
            stream.add(np.zeros((2, 3), np.float32), (0, 0), 0, 0.1)

    def test_as_many_deviations_as_elements(self, stream: ModuleType) -> None:
        with pytest.raises(ValueError, match="`sigma` must be a number or one a row"):
            stream.add(np.zeros(3, np.float32), (0, 0), 0, np.ones(3))

    def test_an_out_of_another_type(self, stream: ModuleType) -> None:
        g = np.zeros(3, np.float32)
        with pytest.raises(ValueError, match="`out` must be contiguous"):
            stream.add(g, (0, 0), 0, 0.1, out=g.astype(np.float64))
