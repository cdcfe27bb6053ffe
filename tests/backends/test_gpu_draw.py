"""Small leaves on a GPU: where each element stands is worked out and sent there once."""

import types
from typing import Any

import numpy as np
import pytest

from gradnoise_backends import _gpu_draw
from gradnoise_core.random._keys import Key
from gradnoise_core.random._runs import Runs


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setattr(_gpu_draw, "_PLACED", {})
    return []


def draw(sent: list[Any], seed: int, sizes: tuple[int, ...], device: str) -> Any:
    """Draw runs with a stream that returns what it is asked for."""

    def put(value: Any) -> Any:
        sent.append(value)
        return value

    stream = types.SimpleNamespace(
        __name__="stream", normals_of_leaves=lambda keys, run, index, where: (keys, run, index)
    )
    words = np.arange(len(sizes), dtype=np.int32) + seed
    runs = Runs(Key(words, words), (0,) * len(sizes), sizes)
    return _gpu_draw.normals_of_runs(stream, runs, device, put)


def test_a_second_step_sends_keys_alone(sent: list[Any]) -> None:
    (first_keys, run, index) = draw(sent, 1, (3, 2), "cuda:0")
    assert len(sent) == 4
    np.testing.assert_array_equal(run, [0, 0, 0, 1, 1])
    np.testing.assert_array_equal(index, [0, 1, 2, 0, 1])
    keys, again, same = draw(sent, 5, (3, 2), "cuda:0")
    assert len(sent) == 6
    assert (again is run, same is index) == (True, True)
    assert (keys[0] != first_keys[0]).all()


def test_another_layout_or_device_has_places_of_its_own(sent: list[Any]) -> None:
    _, run, _ = draw(sent, 1, (3, 2), "cuda:0")
    _, other, _ = draw(sent, 1, (2, 3), "cuda:0")
    _, there, _ = draw(sent, 1, (3, 2), "cuda:1")
    assert other is not run
    assert there is not run
    np.testing.assert_array_equal(other, [0, 0, 1, 1, 1])


def test_few_layouts_are_kept(sent: list[Any]) -> None:
    for n in range(3 * _gpu_draw.KEPT):
        draw(sent, 1, (n + 1, 1), "cuda:0")
    assert len(_gpu_draw._PLACED) <= _gpu_draw.KEPT
