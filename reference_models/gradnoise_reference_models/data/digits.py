"""The 1,797 handwritten digits of 8x8 pixels that ship with scikit-learn.

They are the test set of Alpaydin & Kaynak's "Optical Recognition of Handwritten Digits" (1998).
"""

import numpy as np

from gradnoise_core.random import leaf_key
from gradnoise_core.typing import Array
from gradnoise_reference_models._extras import require
from gradnoise_reference_models.data._dataset import ClassificationData
from gradnoise_reference_models.data.batches import permutation

__all__ = ["TRAIN_SIZE", "load", "split"]

TRAIN_SIZE = 1437  # four fifths


def split(n: int = 1797, train: int = TRAIN_SIZE) -> tuple[Array, Array]:
    """Return the indices of the training and of the test examples: one fixed split, of seed 0.

    The order is ``permutation(leaf_key(0, "digits", 0, domain="data-order"), n)``; its first
    `train` entries are for training, the rest for testing. It is not stratified: the classes are
    as chance left them.
    """
    order = permutation(leaf_key(0, "digits", 0, domain="data-order"), n)
    return order[:train], order[train:]


def load(reason: str = "asked for by name") -> ClassificationData:
    """Return scikit-learn's digits, 1,437 for training and 360 for testing.

    Pixels are divided by 16, the largest grey level. The split is that of `split`.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    """
    datasets = require("sklearn.datasets", purpose="load the digits")
    images, labels = datasets.load_digits(return_X_y=True)
    train, test = split(len(images))
    x, y = (images / 16).astype(np.float32), labels.astype(np.int32)
    return ClassificationData(
        name="digits",
        title=f"scikit-learn digits, {len(train):,} training and {len(test):,} test images of 8x8",
        source="ships with scikit-learn",
        reason=reason,
        train_x=x[train],
        train_y=y[train],
        test_x=x[test],
        test_y=y[test],
        classes=10,
    )
