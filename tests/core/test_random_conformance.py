"""One stream everywhere: the SHA-256 of a million words and normals is one constant.

The constants come from `tests.reference_stream`, not from the package.
"""

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_stream
from libraries import Library

from gradnoise_core.oracle import check_stream_bits
from gradnoise_core.oracle.vectors import published_vectors
from gradnoise_core.random import STREAM_VERSION, Key, leaf_key, standard_normal, words
from gradnoise_core.random._threefry import signed

SEED, PATH, STEP = 2**64 - 2026, "layers/0/weight", 2**31 + 7
SHAPE = (1000, 1000)
WORDS = "3792368263102581a663fea798b6ea3bfe5ab6e3c868f8846572c3bbf206ddd0"
NORMALS = "6344e6ae812facae29afc85afb2a06d938949b377fc18106a9e4ab69bbf00bd5"

#: Of the first thousand normals in other dtypes, widened to float64 and hashed.
DTYPES = {
    "float16": "54ae63cbdd4d465cbd814a20a38ae6be2529a1a7a24bd523651ead89d216c3ab",
    "bfloat16": "43bf5035960262fcd4f81cf721ed02002f4970bf518d76721e35bdc859c65e32",
    "float32": "fbfc3bbb80a93ee5cddad8039af1b64984ed23d7d115b18ceb905e3963b9d6f5",
    "float64": "fbfc3bbb80a93ee5cddad8039af1b64984ed23d7d115b18ceb905e3963b9d6f5",
}

TESTS = str(Path(__file__).parents[1])

Draw = Callable[..., Any]
draws = pytest.mark.parametrize(
    ("draw", "expected"), [(words, WORDS), (standard_normal, NORMALS)], ids=["words", "normals"]
)


def test_the_version_is_that_of_the_published_vectors_and_of_the_page() -> None:
    manifest = json.loads((published_vectors() / "manifest.json").read_text("utf-8"))
    assert manifest["stream_version"] == STREAM_VERSION
    page = (Path(__file__).parents[2] / "docs" / "stream.rst").read_text("utf-8")
    assert f"version {STREAM_VERSION}" in page


def digest(values: Any) -> str:
    little = values.astype(values.dtype.newbyteorder("<"))
    return hashlib.sha256(np.ascontiguousarray(little).tobytes()).hexdigest()


def key_arrays(library: Library) -> list[Any]:
    """Return the two words of the key as arrays of shape ()."""
    return [library.array(signed(int(w)), "int32") for w in leaf_key(SEED, PATH, STEP)]


def step_array(library: Library) -> Any:
    return library.array(STEP, "int64")


def test_the_first_of_the_million_are_those_of_the_reference() -> None:
    expected = reference_stream.leaf_key(SEED, PATH, STEP)
    first = [reference_stream.word(expected, i) for i in range(2000)]
    key = leaf_key(SEED, PATH, STEP)
    assert words(key, (2, 1000), within=SHAPE).view(np.uint32).reshape(-1).tolist() == first
    found = standard_normal(key, (2, 1000), within=SHAPE).reshape(-1)
    assert found.tolist() == [reference_stream.normal(u) for u in first]


@draws
def test_with_a_static_key(library: Library, draw: Draw, expected: str) -> None:
    made = draw(leaf_key(SEED, PATH, STEP), SHAPE, xp=library.xp, device=library.device)
    assert digest(library.numpy(made)) == expected


@draws
def test_with_a_key_of_arrays(library: Library, draw: Draw, expected: str) -> None:
    made = draw(Key(*key_arrays(library)), SHAPE, xp=library.xp, device=library.device)
    assert digest(library.numpy(made)) == expected


@draws
def test_at_a_step_that_is_an_array(library: Library, draw: Draw, expected: str) -> None:
    key = leaf_key(SEED, PATH, step_array(library))
    made = draw(key, SHAPE, xp=library.xp, device=library.device)
    assert digest(library.numpy(made)) == expected


def test_in_blocks(library: Library) -> None:
    key = leaf_key(SEED, PATH, STEP)
    where = {"xp": library.xp, "device": library.device, "within": SHAPE}
    blocks = [
        [
            library.numpy(standard_normal(key, (n, m), at=(i, j), **where))
            for j, m in ((0, 300), (300, 700))
        ]
        for i, n in ((0, 512), (512, 488))
    ]
    assert digest(np.block(blocks)) == NORMALS


def test_of_replicas(library: Library) -> None:
    key = leaf_key((0, SEED), PATH, STEP)
    made = library.numpy(standard_normal(key, SHAPE, xp=library.xp, device=library.device))
    assert digest(made[1]) == NORMALS
    assert digest(made[0]) != NORMALS


@pytest.mark.parametrize("dtype", DTYPES)
def test_in_a_dtype(library: Library, dtype: str) -> None:
    wanted = getattr(library.xp, dtype, None)
    if wanted is None:
        pytest.skip(f"{library.name} has no {dtype}")
    key = leaf_key(SEED, PATH, STEP)
    made = standard_normal(key, (1000,), xp=library.xp, dtype=wanted, device=library.device)
    assert digest(library.numpy(made).astype(np.float64)) == DTYPES[dtype]


class TestOracle:
    """What the command line shows of every backend is a check that can fail."""

    def test_passes(self, library: Library) -> None:
        report = check_stream_bits(library.backend, library.device)
        assert report == (True, True)
        assert report.passed

    def test_sees_one_word_in_a_million(self, library: Library) -> None:
        def wrong(array: Any) -> Any:
            values = np.array(library.backend.to_numpy(array))
            values.view(np.uint32)[-1] ^= 1
            return values

        report = check_stream_bits(
            dataclasses.replace(library.backend, to_numpy=wrong), library.device
        )
        assert report == (False, False)
        assert not report.passed


class TestJax:
    """JAX compiled, mapped, and without 64-bit types."""

    @draws
    def test_jit_with_a_static_key(self, draw: Draw, expected: str) -> None:
        jax = pytest.importorskip("jax")
        made = jax.jit(lambda: draw(leaf_key(SEED, PATH, STEP), SHAPE, xp=jax.numpy))()
        assert digest(np.asarray(made)) == expected

    @draws
    def test_jit_with_a_traced_key(self, draw: Draw, expected: str) -> None:
        jax = pytest.importorskip("jax")
        key = [np.int32(signed(w)) for w in leaf_key(SEED, PATH, STEP)]
        made = jax.jit(lambda high, low: draw(Key(high, low), SHAPE, xp=jax.numpy))(*key)
        assert digest(np.asarray(made)) == expected

    @draws
    def test_jit_with_a_traced_step(self, draw: Draw, expected: str) -> None:
        jax = pytest.importorskip("jax")
        made = jax.jit(lambda t: draw(leaf_key(SEED, PATH, t), SHAPE, xp=jax.numpy))(
            jax.numpy.asarray(STEP, dtype="uint32")
        )
        assert digest(np.asarray(made)) == expected

    @draws
    def test_vmap_over_steps(self, draw: Draw, expected: str) -> None:
        jax = pytest.importorskip("jax")
        steps = jax.numpy.asarray([0, STEP], dtype="uint32")
        made = jax.vmap(lambda t: draw(leaf_key(SEED, PATH, t), SHAPE, xp=jax.numpy))(steps)
        assert digest(np.asarray(made)[1]) == expected

    @draws
    def test_vmap_over_rows(self, draw: Draw, expected: str) -> None:
        jax = pytest.importorskip("jax")
        key = leaf_key(SEED, PATH, STEP)

        def row(i: Any) -> Any:
            return draw(key, (1, SHAPE[1]), xp=jax.numpy, within=SHAPE, at=(i, 0))[0]

        rows = jax.jit(jax.vmap(row))(jax.numpy.arange(SHAPE[0], dtype="int32"))
        assert digest(np.asarray(rows)) == expected

    def test_without_64_bit_types(self) -> None:
        pytest.importorskip("jax")
        assert _in_a_fresh_process("jax_without_x64").split() == [WORDS, NORMALS] * 3


@pytest.mark.slow
def test_torch_compiled() -> None:
    pytest.importorskip("torch")
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        pytest.skip("torch.compile needs a C++ compiler, and there is none")
    assert _in_a_fresh_process("torch_compiled").split() == [WORDS, NORMALS] * 2


def _in_a_fresh_process(script: str) -> str:
    """Return what a function of this file prints there: x64 is a switch of the whole process."""
    done = subprocess.run(
        [sys.executable, __file__, script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([TESTS, *sys.path])},
        capture_output=True,
        text=True,
        check=False,
        timeout=540,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def jax_without_x64() -> None:
    """Print the digests of words and normals: eager, static and traced under jit."""
    import jax

    assert not jax.config.jax_enable_x64
    key = leaf_key(SEED, PATH, STEP)

    def show(key: Key, jit: Callable[..., Any]) -> None:
        for draw in (words, standard_normal):
            print(digest(np.asarray(jit(lambda k, draw=draw: draw(k, SHAPE, xp=jax.numpy))(key))))

    show(key, lambda f: f)
    show(key, lambda f: lambda k: jax.jit(lambda: f(k))())
    step = jax.numpy.asarray(STEP, dtype="uint32")
    for draw in (words, standard_normal):
        f = jax.jit(lambda t, draw=draw: draw(leaf_key(SEED, PATH, t), SHAPE, xp=jax.numpy))
        print(digest(np.asarray(f(step))))


def torch_compiled() -> None:
    """Print the digests of words and normals, compiled with a traced key and with a static one."""
    import torch

    @torch.compile  # type: ignore[untyped-decorator]
    def draw(key: Key) -> tuple[Any, Any]:
        return words(key, SHAPE, xp=torch), standard_normal(key, SHAPE, xp=torch)

    key = leaf_key(SEED, PATH, STEP)
    traced = Key(*(torch.tensor(signed(w), dtype=torch.int32) for w in key))
    for k in (traced, key):
        for made in draw(k):
            print(digest(made.numpy()))


if __name__ == "__main__":
    {"jax_without_x64": jax_without_x64, "torch_compiled": torch_compiled}[sys.argv[1]]()
