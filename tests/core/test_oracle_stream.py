"""The judge of the stream: every boundary, to the bit, and what it says of the first difference."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference_stream
from libraries import Library

from gradnoise_core.oracle import check_stream
from gradnoise_core.oracle._check_stream import TAKES
from gradnoise_core.oracle._report import Report
from gradnoise_core.oracle._stream_port import Port, draw
from gradnoise_core.oracle.vectors._places import PLACES
from gradnoise_core.random import leaf_key, standard_normal, words

Draw = Callable[..., Any]


def ours(seed: Any, path: str, step: int, shape: Any, *, domain: str, **where: Any) -> Any:
    return standard_normal(leaf_key(seed, path, step, domain=domain), shape, **where)


def failed(report: Report) -> str:
    assert not report.passed
    return "\n".join(map(str, report.failures))


def test_ours_passes_on_every_library(library: Library) -> None:
    def on_library(
        seed: Any, path: str, step: int, shape: Any, *, domain: str, **where: Any
    ) -> Any:
        key = leaf_key(seed, path, step, domain=domain)
        return standard_normal(key, shape, xp=library.xp, device=library.device, **where)

    report = check_stream(on_library)
    assert report.passed, report


@pytest.mark.parametrize("dtype", ["int32", "uint32"])
def test_words_pass_as_words_only(dtype: str) -> None:
    def draw_words(
        seed: Any, path: str, step: int, shape: Any, *, domain: str, **where: Any
    ) -> Any:
        return words(leaf_key(seed, path, step, domain=domain), shape, **where).view(dtype)

    assert check_stream(draw_words, output="words").passed
    assert "float32" in failed(check_stream(draw_words))
    assert "int32" in failed(check_stream(ours, output="words"))


def test_another_writing_of_the_specification_passes() -> None:
    """Element by element in Python ints, and no code of the package; the million is left out."""

    def slow(
        seed: Any, path: str, step: int, shape: Any, *, domain: str, within: Any, at: Any
    ) -> Any:
        if np.prod(shape) > 5000:
            return ours(seed, path, step, shape, domain=domain, within=within, at=at)
        if isinstance(seed, tuple):
            return np.stack([slow(s, path, step, shape, domain=domain, within=within, at=at)
                             for s in seed])  # fmt: skip
        key = reference_stream.leaf_key(seed, path, step, domain)
        found = reference_stream.block(key, shape, within, at).view(np.uint32)
        normals = [reference_stream.normal(int(u)) for u in found.reshape(-1)]
        return np.asarray(normals, np.float32).reshape(shape)

    report = check_stream(slow)
    assert report.passed, report


@pytest.mark.parametrize("output", ["normals", "words"])
def test_the_port_whose_variants_are_wrong_is_right(output: Any) -> None:
    right = functools.partial(draw, Port(), words=output == "words")
    report = check_stream(right, output=output)
    assert report.passed, report


def test_every_group_of_places_is_a_claim() -> None:
    report = check_stream(ours)
    assert [c.name.partition(":")[0] for c in report] == [*PLACES, "a million elements"]


class TestTakes:
    """A port is asked for what it says it takes, and no more."""

    @staticmethod
    def port(*keywords: str) -> Draw:
        def draw_some(seed: Any, path: str, step: int, shape: Any, **given: Any) -> Any:
            assert set(given) == set(keywords)
            start = given.pop("start", None)
            if start is not None:
                n = int(np.prod(shape))
                assert 0 <= start < 2**64
                where = {"within": (2**64,), "at": (start,)}
                return ours(seed, path, step, (n,), domain=given.get("domain", "gradient-noise"),
                            **where).reshape(shape)  # fmt: skip
            return ours(seed, path, step, shape, **{"domain": "gradient-noise", **given})

        return draw_some

    @pytest.mark.parametrize(
        ("takes", "keywords"),
        [
            ((), ()),
            (("domain",), ("domain",)),
            (("start",), ("start",)),
            (("domain", "start"), ("domain", "start")),
            (("blocks", "start"), ("within", "at")),
            (("domain", "blocks"), ("domain", "within", "at")),
        ],
    )
    def test_what_it_says(self, takes: Any, keywords: Any) -> None:
        report = check_stream(self.port(*keywords), takes=takes)
        assert report.passed, report
        for what in {"domain", "blocks", "replicas"} - set(takes):
            assert what in report.subject

    def test_less_is_judged_of_a_port_that_takes_less(self) -> None:
        names = [c.name.partition(":")[0] for c in check_stream(self.port(), takes=())]
        assert "elements" not in names
        assert "replicas" not in names
        assert {"seeds", "steps", "paths"} <= set(names)

    def test_positions_past_32_bits_need_start_or_blocks(self) -> None:
        """A port that loses them fails with either, and passes without."""

        def narrow(seed: Any, path: str, step: int, shape: Any, *, start: int = 0) -> Any:
            where = {"within": (2**64,), "at": (start % 2**32,)}
            n = int(np.prod(shape))
            return ours(seed, path, step, (n,), domain="gradient-noise", **where).reshape(shape)

        assert check_stream(narrow, takes=()).passed
        said = failed(check_stream(narrow, takes=("start",)))
        assert "elements" in said
        assert "8589934588" in said

    def test_unknown(self) -> None:
        with pytest.raises(ValueError, match="`takes`"):
            check_stream(ours, takes=("seeds",))
        with pytest.raises(ValueError, match="`output`"):
            check_stream(ours, output="bits")  # type: ignore[arg-type]
        assert set(TAKES) == {"domain", "start", "blocks", "replicas"}


class TestFails:
    @pytest.mark.parametrize("index", [(0,), (5,), (4098,)])
    def test_with_the_first_bit_that_differs(self, index: tuple[int]) -> None:
        def wrong(*args: Any, **keywords: Any) -> Any:
            z = ours(*args, **keywords)
            if z.shape == (4099,):
                z.view(np.uint32)[index[0] :] ^= 1
            return z

        said = failed(check_stream(wrong))
        assert f"at [{index[0]}] of shape (4099,)" in said
        assert f"the first of {4099 - index[0]} that differ" in said
        assert "long: 4,099 normals" in said

    def test_on_one_of_a_million(self) -> None:
        def wrong(*args: Any, **keywords: Any) -> Any:
            z = ours(*args, **keywords)
            if z.size == 1 << 20:
                z[777_777] = np.nextafter(z[777_777], np.float32(9))
            return z

        assert "[777777]" in failed(check_stream(wrong))

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda z: z.astype(np.float64), "float64"),
            (lambda z: z[..., None], "of shape"),
            (lambda z: z.tolist(), "TypeError"),
            (lambda z: None, "TypeError"),
            (lambda z: z * np.float32("nan"), "nan"),
        ],
    )
    def test_with_the_reason(self, change: Any, said: str) -> None:
        assert said in failed(check_stream(lambda *a, **k: change(ours(*a, **k))))

    def test_with_no_cause_where_the_mistake_is_unheard_of(self) -> None:
        report = check_stream(lambda *a, **k: ours(*a, **k) * np.float32(2))
        assert {c.cause for c in report.failures} == {""}
