"""Dropout from the noise stream."""

import math
from typing import Any

import numpy as np
import pytest

from gradnoise_core.random import leaf_key, words
from gradnoise_reference_models.layers import dropout
from gradnoise_reference_models.layers.dropout import Dropout

# torch.compile imports modules of torch that warn, says of caches that it sees through them, and
# takes NumPy arrays for tensors.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools:UserWarning"),
    pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning"),
]


def _mask(library: Any, setting: Dropout, shape: tuple[int, ...], path: str = "layers/0") -> Any:
    x = library.array(np.ones(shape))
    return library.numpy(dropout.forward({}, x, dropout=setting, path=path)[0]) > 0


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_the_fraction_that_is_kept(rate: float) -> None:
    x = np.ones((200, 500), np.float32)
    y, _ = dropout.forward({}, x, dropout=Dropout(rate, 1, 0), path="layers/0")
    # Four standard errors of a binomial fraction.
    tolerance = 4 * math.sqrt(rate * (1 - rate) / x.size)
    kept = np.mean(y > 0)
    assert abs(kept - (1 - rate)) < tolerance
    # The mean of y is that of x; a dropout that is not scaled, or by 1 / p, changes it.
    assert abs(y.mean() - 1) < tolerance / (1 - rate)
    assert abs(kept - 1) > tolerance
    assert rate == 0.5 or abs(kept - rate) > tolerance
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / (1 - rate))}


def test_the_threshold_is_exact(library: Any) -> None:
    shape, path = (4, 4), "layers/0"
    word = words(leaf_key(3, path, 5, domain="dropout"), shape).astype(np.int64) + 2**31
    for (i, j), u in np.ndenumerate(word):
        # A comparison in float32 cannot tell these two rates from each other.
        assert _mask(library, Dropout(int(u) / 2**32, 3, 5), shape)[i, j]
        assert not _mask(library, Dropout((int(u) + 1) / 2**32, 3, 5), shape)[i, j]


@pytest.mark.parametrize("seed", [7, (7, 8)], ids=["solo", "ensemble"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_bits_are_those_of_numpy(library: Any, seed: Any, dtype: str) -> None:
    shape = (2, 6, 5)
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    setting = Dropout(0.3, seed, 2)
    y, _ = dropout.forward({}, library.array(x, dtype), dropout=setting, path="layers/1")
    expected, _ = dropout.forward({}, x, dropout=setting, path="layers/1")
    assert library.numpy(y).tobytes() == expected.tobytes()


@pytest.mark.parametrize("seed", [7, (7, 8)], ids=["solo", "ensemble"])
def test_a_traced_step_makes_the_same_mask(library: Any, seed: Any) -> None:
    x = library.array(np.ones((2, 6, 5)))

    def forward(x: Any, step: Any) -> Any:
        return dropout.forward({}, x, dropout=Dropout(0.3, seed, step), path="layers/1")[0]

    steps = [library.array(s, "int32") for s in (0, 2**31 - 1)]
    forward(x, steps[0])  # A backend is looked up once, outside of any trace.
    compiled = library.jit(forward)
    for step, n in zip(steps, (0, 2**31 - 1), strict=True):
        expected = library.numpy(forward(x, n))
        np.testing.assert_array_equal(library.numpy(forward(x, step)), expected)
        np.testing.assert_array_equal(library.numpy(compiled(x, step)), expected)


def test_replica_r_has_the_mask_of_the_solo_run_with_seed_r(library: Any) -> None:
    seeds = (0, 2**63, 5)
    together = _mask(library, Dropout(0.5, seeds, 1), (3, 8, 4))
    alone = [_mask(library, Dropout(0.5, s, 1), (8, 4)) for s in seeds]
    np.testing.assert_array_equal(together, np.stack(alone))


def test_seed_path_and_step_each_change_the_mask(library: Any) -> None:
    shape = (16, 16)
    masks = [
        _mask(library, Dropout(0.5, 0, 0), shape),
        _mask(library, Dropout(0.5, 1, 0), shape),
        _mask(library, Dropout(0.5, 0, 1), shape),
        _mask(library, Dropout(0.5, 0, 0), shape, path="layers/1"),
    ]
    for i, a in enumerate(masks):
        for b in masks[:i]:
            # Independent masks of rate 1/2 agree in half of 256 places, with deviation 8.
            assert abs(np.sum(a == b) - 128) < 4 * 8


def test_rate_0_is_the_identity(library: Any) -> None:
    x = library.array(np.ones((2, 3)))
    y, residuals = dropout.forward(dropout.init(), x, dropout=Dropout(0.0, 0, 0), path="layers/0")
    assert y is x
    dparams, dx = dropout.backward({}, residuals, x)
    assert dparams == {}
    assert dx is x


@pytest.mark.parametrize("rate", [-0.1, 1.0, math.nan, math.inf])
def test_a_rate_outside_0_to_1_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"`rate` must be in \[0, 1\), got"):
        dropout.forward({}, np.ones((2, 3)), dropout=Dropout(rate, 0, 0), path="layers/0")


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_several_seeds_need_a_replica_axis(rate: float) -> None:
    with pytest.raises(
        ValueError, match=r"`x` must have a leading replica axis of size 2.*\(3, 4\)"
    ):
        dropout.forward({}, np.ones((3, 4)), dropout=Dropout(rate, (0, 1), 0), path="layers/0")
