"""What every loader returns, and what it raises."""

from dataclasses import dataclass, field

from gradnoise_core.typing import Array

__all__ = ["ClassificationData", "DataError"]


class DataError(ValueError):
    """Data that is absent or not what it should be: the file, the rule, the value, the remedy."""


@dataclass(frozen=True, eq=False)
class ClassificationData:
    """Labelled examples for classification, on the host, split for training and testing.

    Attributes
    ----------
    name : str
        The name that :func:`~gradnoise_reference_models.data.load` knows it by.
    title : str
        The data set and its size in plain words.
    source : str
        Where it was read from.
    reason : str
        Why this data set and not another.
    train_x : float32 array of shape (N, D)
        Training examples; every value in [0, 1].
    train_y : int32 array of shape (N,)
        Their classes, in [0, `classes`).
    test_x : float32 array of shape (M, D)
        Test examples; every value in [0, 1].
    test_y : int32 array of shape (M,)
        Their classes.
    classes : int
        How many classes there are.
    """

    name: str
    title: str
    source: str
    reason: str
    train_x: Array = field(repr=False)
    train_y: Array = field(repr=False)
    test_x: Array = field(repr=False)
    test_y: Array = field(repr=False)
    classes: int
