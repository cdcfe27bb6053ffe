"""The affine map."""

from typing import Any

import numpy as np
import pytest

from gradnoise_reference_models.initializers import he_normal, zeros
from gradnoise_reference_models.layers import linear


@pytest.mark.parametrize("seed", [3, (3, 4)], ids=["solo", "ensemble"])
def test_init_draws_the_weight_at_its_path_and_a_zero_bias(library: Any, seed: Any) -> None:
    xp, lead = library.xp, (2,) if isinstance(seed, tuple) else ()
    params = linear.init(
        he_normal(), seed, 3, 4, path="layers/7", xp=xp, dtype=xp.float64, device=library.device
    )
    weight, bias = library.numpy(params["weight"]), library.numpy(params["bias"])
    expected = he_normal()(seed, "layers/7/weight", (3, 4), dtype=np.dtype(np.float64))
    np.testing.assert_array_equal(weight, expected, strict=True)
    np.testing.assert_array_equal(bias, np.zeros((*lead, 4)), strict=True)


def test_forward_by_hand(library: Any) -> None:
    params = {"weight": library.array([[1, 2], [3, 4]]), "bias": library.array([10, 20])}
    y, _ = linear.forward(params, library.array([[1, 0], [0, 1], [1, 1]]))
    np.testing.assert_array_equal(library.numpy(y), [[11, 22], [13, 24], [14, 26]])


def test_one_batch_seen_by_all_replicas(library: Any) -> None:
    random = np.random.default_rng(0)
    x, dy = random.standard_normal((5, 3)), random.standard_normal((2, 5, 4))
    made = linear.init(he_normal(), (0, 1), 3, 4, path="", dtype=np.dtype(np.float64))
    params = {k: library.array(v, "float64") for k, v in made.items()}

    def step(x: Any) -> list[Any]:
        y, residuals = linear.forward(params, library.array(x, "float64"))
        grads, dx = linear.backward(params, residuals, library.array(dy, "float64"))
        return [library.numpy(a) for a in (y, grads["weight"], grads["bias"], dx)]

    for shared, repeated in zip(step(x), step(np.stack([x, x])), strict=True):
        np.testing.assert_allclose(shared, repeated, rtol=1e-12, atol=1e-14, strict=True)


def test_backward_writes_nothing(library: Any) -> None:
    x, dy = np.ones((2, 3)), np.ones((2, 4))
    params = linear.init(zeros(), 0, 3, 4, path="", xp=library.xp, device=library.device)
    residuals = library.array(x)
    linear.backward(params, residuals, library.array(dy))
    np.testing.assert_array_equal(library.numpy(residuals), x)
    assert not library.numpy(params["weight"]).any()
