"""The digits of scikit-learn, and their fixed split."""

import hashlib

import numpy as np
import pytest

from gradnoise_core.random import leaf_key, words
from gradnoise_reference_models.data import ClassificationData, load
from gradnoise_reference_models.data.digits import split

sklearn_datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")


@pytest.fixture(scope="module")
def digits() -> ClassificationData:
    return load("digits")


def test_the_split_is_pinned() -> None:
    train, test = split()
    assert (len(train), len(test)) == (1437, 360)
    order = np.concatenate([train, test])
    assert (
        hashlib.sha256(order.astype("<i4").tobytes()).hexdigest()
        == "417ec1f8132500c887e189e8f222f15da24d39218a4a40fd4b7f357ca95854e2"
    )
    assert train[:8].tolist() == [1167, 167, 1411, 384, 1374, 100, 1121, 1240]


def test_the_split_is_the_order_of_the_words_that_its_docstring_names() -> None:
    drawn = words(leaf_key(0, "digits", 0, domain="data-order"), (1797,)).tolist()
    order = sorted(range(1797), key=drawn.__getitem__)
    train, test = split()
    assert [*train.tolist(), *test.tolist()] == order


def test_no_digit_is_in_both_parts_and_none_is_lost(digits: ClassificationData) -> None:
    images, labels = sklearn_datasets.load_digits(return_X_y=True)
    both_x = np.concatenate([digits.train_x, digits.test_x])
    both_y = np.concatenate([digits.train_y, digits.test_y])
    order = np.concatenate(split())
    np.testing.assert_array_equal(both_x * 16, images[order])  # sixteenths are exact in float32
    np.testing.assert_array_equal(both_y, labels[order])
    assert sorted(order.tolist()) == list(range(len(images)))


def test_shapes_types_and_ranges(digits: ClassificationData) -> None:
    assert digits.train_x.shape == (1437, 64)
    assert digits.test_x.shape == (360, 64)
    assert digits.train_y.shape == (1437,)
    assert digits.test_y.shape == (360,)
    assert {digits.train_x.dtype, digits.test_x.dtype} == {np.dtype(np.float32)}
    assert {digits.train_y.dtype, digits.test_y.dtype} == {np.dtype(np.int32)}
    for x in (digits.train_x, digits.test_x):
        assert x.min() == 0.0
        assert x.max() == 1.0


def test_class_histograms_are_pinned(digits: ClassificationData) -> None:
    test = np.bincount(digits.test_y, minlength=digits.classes).tolist()
    train = np.bincount(digits.train_y, minlength=digits.classes).tolist()
    assert test == [34, 39, 42, 37, 38, 37, 33, 30, 36, 34]
    assert train == [144, 143, 135, 146, 143, 145, 148, 149, 138, 146]


def test_the_result_says_what_it_is(digits: ClassificationData) -> None:
    assert digits.name == "digits"
    assert digits.title == "scikit-learn digits, 1,437 training and 360 test images of 8x8"
    assert digits.source == "ships with scikit-learn"
    assert digits.reason == "asked for by name"
    assert digits.classes == 10
    assert "array" not in repr(digits)
