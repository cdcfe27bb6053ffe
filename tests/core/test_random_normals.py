"""Normals: the quantile of a word, its table, and the dtypes of what comes out."""

import dataclasses
import hashlib
import importlib.util
import math
import shutil
import statistics
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import reference_stream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from libraries import Library
from strategies import Box, boxes, evaluate

from gradnoise_core.backend import Backend, backend_for
from gradnoise_core.random import (
    TABLE_SHA256,
    key,
    leaf_key,
    quantile_table,
    standard_normal,
    words,
)
from gradnoise_core.random import _normal as normals
from gradnoise_core.typing import Array

TOOLS = Path(__file__).parents[2] / "tools"
BOUND = 2.0**-20
KEY = leaf_key(2**64 - 1, "layers/0/weight", 2)


def spread(n: int) -> Any:
    """Return n words over the whole range as uint32: one from each of n equal parts."""
    random = np.random.default_rng(0)
    part = 2**32 // n
    return (np.arange(n) * part + random.integers(0, part, n)).astype(np.uint32)


def z(library: Library, unsigned: Any, **differs: Any) -> Any:
    """Return the normals of unsigned words, by a backend that differs from the library's own."""
    backend: Backend = dataclasses.replace(library.backend, **differs)
    array = library.array(unsigned.view(np.int32), "int32")
    made = library.numpy(normals.quantile(backend, array))
    assert made.dtype == np.float32
    return made


def bits(values: Any) -> Any:
    return np.ascontiguousarray(values).view(np.uint32)


class TestQuantile:
    @pytest.mark.parametrize("chosen", ["spread", "borders"])
    def test_is_within_the_bound_of_the_exact_one(self, chosen: str) -> None:
        special = pytest.importorskip("scipy.special")
        u = spread(2**22) if chosen == "spread" else reference_stream.border_words()
        found = normals.quantile(backend_for(np), u.view(np.int32))
        error = np.abs(found - special.ndtri((u + 0.5) * 2.0**-32))
        worst = int(np.argmax(error))
        assert error[worst] <= BOUND, (u[worst], found[worst])
        # Half a word more is outside: the check can fail.
        shifted = np.abs(found[u < 2**31] - special.ndtri((u[u < 2**31] + 1.0) * 2.0**-32))
        assert np.max(shifted) > BOUND

    def test_is_that_of_the_specification(self, library: Library) -> None:
        u = np.concatenate([reference_stream.border_words()[::97], spread(256)])
        expected = [reference_stream.normal(int(w)) for w in u]
        assert z(library, u).tolist() == expected

    def test_is_that_of_the_specification_at_the_ends(self, library: Library) -> None:
        ends = np.asarray([0, 1, 2**31 - 1, 2**31, 2**32 - 1], dtype=np.uint32)
        found = z(library, ends)
        assert found.tolist() == [reference_stream.normal(int(w)) for w in ends]
        # The least magnitude is 0, and its sign is that of its half.
        assert np.signbit(found).tolist() == [True, True, True, False, False]

    @pytest.mark.parametrize("chosen", ["spread", "borders"])
    def test_is_symmetric_to_the_bit(self, library: Library, chosen: str) -> None:
        u = spread(2**16) if chosen == "spread" else reference_stream.border_words()
        assert np.array_equal(bits(z(library, ~u)), bits(-z(library, u)))

    def test_has_the_largest_magnitude_that_the_specification_says(self, library: Library) -> None:
        ends = z(library, np.asarray([0, 2**32 - 1], dtype=np.uint32))
        exact = -statistics.NormalDist().inv_cdf(2.0**-33)
        assert exact == pytest.approx(6.338, abs=5e-4)
        assert -ends[0] == ends[1] == pytest.approx(exact, abs=BOUND)
        assert np.max(np.abs(z(library, spread(2**12)))) < ends[1]

    @pytest.mark.parametrize("chosen", ["spread", "borders"])
    @pytest.mark.parametrize("without", ["quantile", "bitcast"])
    def test_of_the_backend_is_that_of_the_definition(
        self, library: Library, chosen: str, without: str
    ) -> None:
        differs: dict[str, Any] = {"quantile": None}
        if without == "bitcast":
            differs |= {"bitcast": None, "take": Backend.take}
        u = spread(2**15 + 7) if chosen == "spread" else reference_stream.border_words()
        assert np.array_equal(bits(z(library, u, **differs)), bits(z(library, u)))

    def test_keeps_the_shape_of_its_words(self, library: Library) -> None:
        u = spread(24)
        for shape in [(24,), (2, 3, 4), (24, 1)]:
            assert np.array_equal(z(library, u.reshape(shape)), z(library, u).reshape(shape))

    def test_takes_words_that_do_not_follow_one_another(self) -> None:
        u = spread(2**17).view(np.int32).reshape(256, 512)
        found = normals.quantile(backend_for(np), u.T[::2])
        assert np.array_equal(found, normals.quantile(backend_for(np), u).T[::2])

    def test_grows_with_the_word_up_to_the_bound(self) -> None:
        u = np.sort(spread(2**18))
        found = normals.quantile(backend_for(np), u.view(np.int32))
        assert float(np.min(np.diff(found))) > -2 * BOUND


class TestBitsInIntegers:
    @pytest.mark.parametrize("chosen", ["spread", "borders", "powers", "small"])
    def test_are_those_of_the_float(self, library: Library, chosen: str) -> None:
        powers = [2**k + d for k in range(31) for d in (-2, -1, 0, 1, 2) if 2**k + d >= 0]
        m = {
            "spread": spread(2**14) >> 1,
            "borders": reference_stream.border_words() & 0x7FFFFFFF,
            "powers": np.asarray([*powers, 2**31 - 1], dtype=np.uint32),
            "small": np.arange(2**12, dtype=np.uint32),
        }[chosen]
        found = normals.bits_in_integers(library.xp, library.array(m.view(np.int32), "int32"))
        y = m.astype(np.float32) + np.float32(0.5)
        assert np.array_equal(library.numpy(found), y.view(np.int32))

    def test_are_those_of_the_float_where_it_is_rounded(self) -> None:
        # Every m whose half is lost or is a tie: one octave below and above each power.
        for k in range(22, 31):
            m = np.linspace(2**k - 4096, min(2**k + 4096, 2**31 - 1), 8192).astype(np.int32)
            y = m.astype(np.float32) + np.float32(0.5)
            assert np.array_equal(normals.bits_in_integers(np, m), y.view(np.int32))


class TestTable:
    def test_has_the_checksum_of_version_1(self) -> None:
        values = np.load(reference_stream.TABLE)
        assert values.shape == (2, 33 * 512)
        assert values.dtype == np.dtype("<f4")
        assert hashlib.sha256(values.tobytes()).hexdigest() == TABLE_SHA256
        version_1 = "ee3dd5f415ed09bb7bbf0d791e7e8c8caeddf2be8ea6c40038f11d368db52b74"
        assert version_1 == TABLE_SHA256, "changing the table makes stream version 2"

    def test_is_what_is_used(self) -> None:
        a, b = quantile_table()
        assert np.array_equal(np.stack([a, b]), np.load(reference_stream.TABLE))
        assert not a.flags.writeable
        assert not b.flags.writeable

    def test_has_slopes_of_12_significant_bits(self) -> None:
        _, slopes = quantile_table()
        assert not np.any(slopes.view(np.uint32) & 0xFFF)
        # f * B is then exact in float32, whether or not the sum is fused with it.
        f = np.arange(4096, dtype=np.float64)[:, None]
        product = f * slopes[::7].astype(np.float64)
        assert np.array_equal(product, product.astype(np.float32))

    def test_that_is_damaged_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        copy = tmp_path / reference_stream.TABLE.name
        shutil.copy(reference_stream.TABLE, copy)
        monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path)
        fresh = quantile_table.__wrapped__
        assert np.array_equal(fresh()[0], quantile_table()[0])
        values = np.load(copy)
        values.view(np.uint32)[1, 5000] ^= 1
        np.save(copy, values)
        with pytest.raises(
            RuntimeError, match=rf"SHA-256 [0-9a-f]{{64}} instead of {TABLE_SHA256}"
        ):
            fresh()

    def test_is_made_by_its_script(self) -> None:
        made = _tool("make_quantile_table").table()
        assert made.dtype == np.float32
        assert made.astype("<f4").tobytes() == np.load(reference_stream.TABLE).tobytes()


class TestAllWordsCheck:
    """tools/check_all_words.py, which goes through all 2**32 words, can fail."""

    @pytest.fixture
    def tool(self) -> ModuleType:
        pytest.importorskip("scipy", reason="the exact quantile is scipy's")
        return _tool("check_all_words")

    @pytest.mark.parametrize("start", [0, 2**30, 2**31 - 4096])
    def test_passes(self, tool: ModuleType, start: int) -> None:
        found = tool.check(start, start + 4096)
        assert found.error <= BOUND
        assert found.asymmetric == 0
        assert "8192" in tool.report(found)
        assert "all words pass" in tool.report(found)

    def test_finds_the_word_with_the_largest_error(self, tool: ModuleType) -> None:
        def wrong(u: Array) -> Array:
            return tool.normals(u) + np.float32(0.001) * ((u == 5) * 1.0 - (u == ~5)).astype("f4")

        found = tool.check(0, 64, wrong)
        assert found.error_at == 5
        assert found.error == pytest.approx(0.001, rel=0.01)
        assert found.asymmetric == 0
        assert "FAILED" in tool.report(found)
        joined = tool.join(found, tool.check(64, 96))
        assert joined == found._replace(stop=96, descents=joined.descents)

    def test_finds_a_word_that_is_not_symmetric(self, tool: ModuleType) -> None:
        def wrong(u: Array) -> Array:
            return np.where(u == 7, np.nextafter(tool.normals(u), np.float32(0)), tool.normals(u))

        found = tool.check(0, 64, wrong)
        assert found.asymmetric == 1
        assert found.error <= BOUND
        assert "FAILED" in tool.report(found)

    def test_counts_a_nan_as_the_largest_error(self, tool: ModuleType) -> None:
        found = tool.check(0, 64, lambda u: np.where(u == 9, np.float32(np.nan), tool.normals(u)))
        assert (found.error, found.error_at) == (math.inf, 9)


class TestStandardNormal:
    @settings(max_examples=12)
    @given(box=boxes())
    def test_is_the_quantile_of_the_words(self, library: Library, box: Box) -> None:
        where = {"xp": library.xp, "device": library.device, "within": box.within, "at": box.at}
        u, found = evaluate(
            library,
            lambda: [draw(KEY, box.shape, **where) for draw in (words, standard_normal)],
        )
        flat = [reference_stream.normal(int(w)) for w in u.view(np.uint32).reshape(-1)]
        expected = np.reshape(flat, box.shape)
        assert found.dtype == np.float32
        assert found.shape == box.shape
        assert np.array_equal(found, expected)

    @settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
    @given(box=boxes(most=3, longest=5), dtype=st.sampled_from(["float16", "float32", "float64"]))
    def test_of_any_dtype_a_block_is_a_slice_of_the_whole(
        self, library: Library, box: Box, dtype: str
    ) -> None:
        wanted = getattr(library.xp, dtype, None)
        if wanted is None:
            pytest.skip(f"{library.name} has no {dtype}")
        here: dict[str, Any] = {"xp": library.xp, "dtype": wanted, "device": library.device}
        whole, part = evaluate(
            library,
            lambda: [
                standard_normal(KEY, box.within, **here),
                standard_normal(KEY, box.shape, within=box.within, at=box.at, **here),
            ],
        )
        assert part.dtype == whole.dtype == np.dtype(dtype)
        where = tuple(slice(a, a + n) for a, n in zip(box.at, box.shape, strict=True))
        assert np.array_equal(part, whole[where])

    def test_is_float32_numpy_by_default(self) -> None:
        found = standard_normal(KEY, (3,))
        assert type(found) is np.ndarray
        assert found.dtype == np.float32

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
    @pytest.mark.parametrize("shape", [(1000,), (), (0,)])
    def test_of_a_dtype_is_the_float32_rounded_once_or_widened(
        self, library: Library, dtype: str, shape: tuple[int, ...]
    ) -> None:
        wanted = getattr(library.xp, dtype, None)
        if wanted is None:
            pytest.skip(f"{library.name} has no {dtype}")
        made = standard_normal(KEY, shape, xp=library.xp, dtype=wanted, device=library.device)
        assert made.dtype == wanted
        narrow = standard_normal(KEY, shape)
        if dtype == "bfloat16":
            # Round to nearest, ties to even, at bit 16.
            raw = narrow.view(np.uint32)
            rounded = raw + np.uint32(0x7FFF) + ((raw >> 16) & np.uint32(1))
            expected = (rounded & np.uint32(0xFFFF0000)).view(np.float32)
        else:
            expected = narrow.astype(dtype)
        assert np.array_equal(library.numpy(made).astype(np.float64), expected.astype(np.float64))

    def test_of_replicas_is_that_of_each_seed(self, library: Library) -> None:
        seeds = (0, 7, 2**64 - 1)
        found = library.numpy(
            standard_normal(key(seeds), (3, 5), xp=library.xp, device=library.device)
        )
        expected = np.stack([standard_normal(key(s), (3, 5)) for s in seeds])
        assert np.array_equal(found, expected)

    def test_refuses_what_words_refuse(self) -> None:
        with pytest.raises(ValueError, match="A block must lie in its leaf"):
            standard_normal(KEY, (3,), within=(2,))


def _tool(name: str) -> ModuleType:
    """Return a script of tools/ as a module."""
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
