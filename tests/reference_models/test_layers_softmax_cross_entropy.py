"""Softmax and cross-entropy."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import special

from gradnoise_reference_models.layers import softmax_cross_entropy


def test_the_loss_is_scipys_log_softmax_at_the_labels(library: Any) -> None:
    random = np.random.default_rng(0)
    logits = random.standard_normal((3, 5, 4)) * 10
    labels = random.integers(0, 4, (3, 5))
    loss, _ = softmax_cross_entropy.forward(
        library.array(logits, "float64"), library.array(labels, "int64")
    )
    picked = np.take_along_axis(special.log_softmax(logits, axis=-1), labels[..., None], axis=-1)
    np.testing.assert_allclose(library.numpy(loss), -picked[..., 0].mean(-1), rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_logits_cost_log_classes(library: Any, dtype: str) -> None:
    loss, residuals = softmax_cross_entropy.forward(
        library.array(np.zeros((2, 10)), dtype), library.array([3, 9], "int64")
    )
    dlogits = softmax_cross_entropy.backward(residuals)
    expected = np.full((2, 10), 0.05)
    expected[[0, 1], [3, 9]] = -0.45
    assert loss.dtype == dlogits.dtype == getattr(library.xp, dtype)
    assert loss.shape == ()
    assert float(loss) == pytest.approx(math.log(10), rel=1e-6)
    np.testing.assert_allclose(library.numpy(dlogits), expected, rtol=1e-6)


def test_huge_logits_neither_overflow_nor_lose_the_loss(library: Any) -> None:
    logits = library.array([[1e30, 0.0], [-1e30, 1e30], [1000.0, 1001.0], [-math.inf, 1.0]])
    for label, expected in ((0, 1e30), (1, 1e30)):
        loss, residuals = softmax_cross_entropy.forward(
            logits[1:2, ...] if label == 0 else logits[:1, ...], library.array([label], "int64")
        )
        assert float(loss) == pytest.approx(2 * expected if label == 0 else expected)
        assert np.isfinite(library.numpy(softmax_cross_entropy.backward(residuals))).all()
    loss, _ = softmax_cross_entropy.forward(logits[2:3, ...], library.array([0], "int64"))
    assert float(loss) == pytest.approx(math.log1p(math.e), rel=1e-6)
    loss, residuals = softmax_cross_entropy.forward(logits[3:, ...], library.array([1], "int64"))
    assert float(loss) == 0.0
    np.testing.assert_array_equal(
        library.numpy(softmax_cross_entropy.backward(residuals)), [[0.0, 0.0]]
    )


def test_one_batch_of_labels_for_all_replicas(library: Any) -> None:
    logits = np.random.default_rng(1).standard_normal((2, 4, 3))
    labels = np.asarray([0, 1, 2, 1])

    def results(labels: Any) -> list[Any]:
        loss, residuals = softmax_cross_entropy.forward(
            library.array(logits, "float64"), library.array(labels, "int64")
        )
        return [library.numpy(a) for a in (loss, softmax_cross_entropy.backward(residuals))]

    for shared, repeated in zip(results(labels), results([labels, labels]), strict=True):
        np.testing.assert_array_equal(shared, repeated, strict=True)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_that_is_no_class_costs_infinity(library: Any, label: int) -> None:
    loss, _ = softmax_cross_entropy.forward(
        library.array(np.zeros((2, 3))), library.array([0, label], "int64")
    )
    assert float(loss) == math.inf


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_any_integer_dtype_of_labels_will_do(library: Any, dtype: str) -> None:
    loss, _ = softmax_cross_entropy.forward(
        library.array([[0.0, 1.0, 2.0]]), library.array([2], dtype)
    )
    assert float(loss) == pytest.approx(-math.log(special.softmax([0, 1, 2])[2]), rel=1e-6)


def test_labels_that_are_not_integers_are_refused(library: Any) -> None:
    with pytest.raises(TypeError, match=r"`labels` must be integers, got dtype .*float32"):
        softmax_cross_entropy.forward(library.array(np.zeros((2, 3))), library.array([0.0, 1.0]))


@pytest.mark.parametrize("shape", [(), (3,), (2, 1), (2, 2)])
def test_labels_must_be_one_an_example(library: Any, shape: tuple[int, ...]) -> None:
    labels = library.array(np.zeros(shape), "int64")
    with pytest.raises(ValueError, match=r"`labels` must have one label an example, got shape"):
        softmax_cross_entropy.forward(library.array(np.zeros((2, 3))), labels)
