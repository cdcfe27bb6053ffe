"""NumPy's two ways, compiled by numba and in pieces: the definition's bits, and one another's."""

import importlib
from typing import Any

import numpy as np
import pytest

import gradnoise_core as gn
from gradnoise_backends import _numpy_elementwise
from gradnoise_core.backend import Backend
from gradnoise_core.random import Key
from gradnoise_core.random._counters import block
from gradnoise_core.random._normal import defined_quantile
from gradnoise_core.random._runs import Runs
from gradnoise_core.random._words import draw

MODULES = ("gradnoise_backends._numpy_stream", "gradnoise_backends._numba_stream")
PLAIN = Backend(name="numpy", namespace=np)

#: Around every border of the counter, odd and even.
STARTS = (0, 1, 2, 2**32 - 3, 2**33 - 5, 2**33 + 1, 2**34 - 7, 2**63 - 9, 2**64 - 80_000)
SIZES = (0, 1, 2, 3, 17, 1023, 1024, 1025, 5000, 70_001)


@pytest.fixture(params=MODULES)
def stream(request: pytest.FixtureRequest) -> Any:
    if "numba" in request.param:
        pytest.importorskip("numba")
    return importlib.import_module(request.param)


def runs(count: int, lead: tuple[int, ...]) -> Runs:
    rng = np.random.default_rng(count)
    words = rng.integers(-(2**31), 2**31, (2, *lead, count)).astype(np.int32)
    starts = tuple(STARTS[i] for i in rng.integers(0, len(STARTS), count))
    return Runs(Key(*words), starts, tuple(SIZES[i] for i in rng.integers(0, len(SIZES), count)))


def defined(given: Runs, *, normals: bool) -> Any:
    """Return what the definition draws, run by run."""

    def one(key: Key, start: int, n: int) -> Any:
        where = block((n,), (2**64,), (start,))
        words = draw(key, (n,), where, PLAIN, None)
        return defined_quantile(PLAIN, words) if normals else words

    parts = [
        one(Key(*(word[..., i] for word in given.keys)), start, n)
        for i, (start, n) in enumerate(zip(given.starts, given.sizes, strict=True))
    ]
    return np.concatenate(parts, axis=-1)


@pytest.mark.parametrize("normals", [False, True], ids=["words", "normals"])
@pytest.mark.parametrize("lead", [(), (2,)], ids=["solo", "replicas"])
@pytest.mark.parametrize("count", [1, 4, 25])
def test_runs_are_those_of_the_definition(
    stream: Any, count: int, lead: tuple[int, ...], normals: bool
) -> None:
    given = runs(count, (*lead,))
    keyed = given if lead else given._replace(keys=Key(*(w[None] for w in given.keys)))
    found = stream.draw(given, normals=normals)
    assert found.dtype == (np.float32 if normals else np.int32)
    assert np.array_equal(found.reshape(-1), defined(keyed, normals=normals).reshape(-1))


def trajectory(monkeypatch: pytest.MonkeyPatch, numba: str, shape: tuple[int, ...]) -> list[Any]:
    """Return parameters and moments after two noisy steps, with numba or without."""
    monkeypatch.setenv("GRADNOISE_NUMBA", numba)
    monkeypatch.setattr(_numpy_elementwise, "_MODULES", {})
    rng = np.random.default_rng(0)
    optimizer = gn.noisy(gn.adam(1e-2), eta=0.5, clip=1.0, seed=3)
    params = {"w": rng.standard_normal(shape).astype(np.float32), "b": np.ones(3, np.float32)}
    state = optimizer.init(params)
    for _ in range(2):
        grads = {k: rng.standard_normal(v.shape).astype(np.float32) for k, v in params.items()}
        updates, state = optimizer.update(grads, state, params)
        params = gn.apply_updates(params, updates)
    used = _numpy_elementwise.numba_module("gradnoise_backends._numba_fused") is not None
    assert used == (numba == "1")
    return [params["w"], params["b"], state[2][0].first_moment["w"], state[2][0].second_moment["w"]]


@pytest.mark.parametrize("shape", [(7,), (300, 301), (150_001,)], ids=str)
def test_a_compiled_step_is_the_step_in_pieces_to_the_bit(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]
) -> None:
    pytest.importorskip("numba")
    compiled = trajectory(monkeypatch, "1", shape)
    for a, b in zip(compiled, trajectory(monkeypatch, "0", shape), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("numba", ["0", "1"])
@pytest.mark.parametrize("rows", [1, 2, 9], ids=str)
def test_short_rows_drawn_together_are_solo_runs(
    monkeypatch: pytest.MonkeyPatch, rows: int, numba: str
) -> None:
    """Rows of 4,001 elements, four of which are drawn in one go; of some the noise is unwanted."""
    if numba == "1":
        pytest.importorskip("numba")
    monkeypatch.setenv("GRADNOISE_NUMBA", numba)
    monkeypatch.setattr(_numpy_elementwise, "_MODULES", {})
    eta = [0.0 if r % 3 == 1 else 0.1 * (r + 1) for r in range(rows)]
    grads = np.random.default_rng(1).standard_normal((rows, 4001)).astype(np.float32)
    together = gn.add_gradient_noise(eta=np.array(eta), seed=list(range(rows)))
    found, _ = together.update(grads, together.init(grads))
    for r in range(rows):
        alone = gn.add_gradient_noise(eta=eta[r], seed=r)
        due, _ = alone.update(grads[r], alone.init(grads[r]))
        np.testing.assert_array_equal(found[r], due)


def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    from gradnoise_backends import _numba_stream

    given = Runs(Key(np.array([3], np.int32), np.array([5], np.int32)), (1,), (300_001,))
    whole = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(_numba_stream, "_threads", lambda threads=threads: threads)
        whole.append(_numba_stream.draw(given, normals=True))
    for other in whole[1:]:
        np.testing.assert_array_equal(other, whole[0])
