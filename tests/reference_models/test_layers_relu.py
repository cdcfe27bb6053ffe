"""The rectifier."""

import math
from typing import Any

import numpy as np

from gradnoise_reference_models.layers import relu


def test_values_and_the_derivative_at_the_kink(library: Any) -> None:
    x = library.array([-math.inf, -1.0, -0.0, 0.0, 2.0, math.inf, math.nan])
    y, residuals = relu.forward(relu.init(), x)
    expected = np.maximum(library.numpy(x), 0)
    np.testing.assert_array_equal(library.numpy(y), expected)
    dparams, dx = relu.backward({}, residuals, library.array([3.0] * 7))
    assert dparams == {}
    np.testing.assert_array_equal(library.numpy(dx)[:-1], [0, 0, 0, 0, 3, 3])


def test_dtype_and_shape_are_kept(library: Any) -> None:
    for dtype in ("float32", "float64"):
        x = library.array(np.ones((2, 3, 4)), dtype)
        y, residuals = relu.forward({}, x)
        _, dx = relu.backward({}, residuals, y)
        assert y.dtype == dx.dtype == x.dtype
        assert tuple(y.shape) == tuple(dx.shape) == (2, 3, 4)
