"""Examples of a data set as lines of text."""

from collections.abc import Iterator

import numpy as np

from gradnoise_core.typing import Array
from gradnoise_reference_models.data._babi_encoding import StoryData
from gradnoise_reference_models.data._dataset import ClassificationData
from gradnoise_reference_models.data._text_data import TextData
from gradnoise_reference_models.data._text_streams import streams, windows

__all__ = ["image_samples", "story_samples", "text_samples"]

#: Grey levels from 0 to 1.
INK = " .:-=+*#%@"

#: Tokens of a window that is shown.
STEPS = 20


def image_samples(data: ClassificationData, count: int) -> Iterator[str]:
    """Draw the first training images, each above its class."""
    side = round(data.train_x.shape[1] ** 0.5)
    for x, y in zip(data.train_x[:count], data.train_y[:count], strict=True):
        for row in np.round(x.reshape(-1, side) * (len(INK) - 1)).astype(int):
            yield "".join(INK[level] for level in row).rstrip()
        yield f"class {y}"


def story_samples(data: StoryData, count: int) -> Iterator[str]:
    """Give the first training questions as the model reads them: time index, statement; answer."""
    part = data.train.take(slice(count))
    for X, tau, Q, y in zip(part.X, part.tau, part.Q, part.y, strict=True):
        yield from _memory(data, X, tau)
        yield f"    {data.sentence(Q)} ? {data.vocabulary[y]}"
        yield ""


def _memory(data: StoryData, X: Array, tau: Array) -> Iterator[str]:
    for statement, time in zip(X, tau, strict=True):
        if time:
            yield f"{time:>3} {data.sentence(statement)}"


def text_samples(data: TextData, count: int) -> Iterator[str]:
    """Give the first windows of the training text: what goes in, what must come out."""
    x, y = windows(streams(data.train, 1), STEPS)
    for inputs, targets in zip(x[:count, :, 0], y[:count, :, 0], strict=True):
        yield f"in:  {data.text(inputs)}"
        yield f"out: {data.text(targets)}"
        yield ""
