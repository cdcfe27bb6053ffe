"""Token ids for a language model."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradnoise_core import _check
from gradnoise_core.typing import Array
from gradnoise_reference_models.data._text_tokens import END, UNKNOWN

__all__ = ["TextData", "encoded", "vocabulary"]


@dataclass(frozen=True, eq=False)
class TextData:
    """A text as token ids, on the host, split for training, validation and testing.

    Attributes
    ----------
    name : str
        The name that `load` knows it by; "corpus" for files of your own.
    title : str
        The data set and its size in plain words.
    source : str
        Where it was read from.
    reason : str
        Why this data set and not another.
    vocabulary : tuple of str
        Token of each id: ``<unk>``, ``<eos>``, then the most frequent training words.
    train, validation, test : int32 array of shape (S,)
        The ids, one long sequence each.
    floor : float or None
        Perplexity of the whole text under the distribution that it was drawn from, for a generated
        text: a model does no better on text that it has not seen, but by luck. None if it is not
        known, as for every real text.
    """

    name: str
    title: str
    source: str
    reason: str
    vocabulary: tuple[str, ...] = field(repr=False)
    train: Array = field(repr=False)
    validation: Array = field(repr=False)
    test: Array = field(repr=False)
    floor: float | None = None

    def text(self, ids: Iterable[int]) -> str:
        """Return the tokens of a row of ids, parted by blanks."""
        return " ".join(self.vocabulary[i] for i in ids)


def vocabulary(train: Sequence[str], size: int) -> tuple[str, ...]:
    """Return ``<unk>``, ``<eos>`` and the most frequent of `train`, up to `size` in all.

    Of equally frequent words the first in the order of their characters comes first.
    """
    if _check.integer_below("size", size, 32) < 3:
        message = f"`size` must be >= 3, for <unk>, <eos> and a word, got {size}."
        raise ValueError(message)
    counts = Counter(train)
    counts.pop(END, None)
    counts.pop(UNKNOWN, None)
    words = sorted(counts, key=lambda word: (-counts[word], word))
    return (UNKNOWN, END, *words[: size - 2])


def encoded(
    parts: Sequence[Sequence[str]],
    size: int,
    *,
    name: str,
    title: str,
    source: str,
    reason: str,
    floor: float | None = None,
) -> TextData:
    """Return the three `parts` as ids; the vocabulary is that of the first."""
    words = vocabulary(parts[0], size)
    ids = {word: i for i, word in enumerate(words)}
    train, validation, test = (
        np.array([ids.get(word, 0) for word in part], np.int32) for part in parts
    )
    return TextData(
        name=name,
        title=f"{title}, {len(train):,} training, {len(validation):,} validation and "
        f"{len(test):,} test tokens, vocabulary of {len(words):,}",
        source=source,
        reason=reason,
        vocabulary=words,
        train=train,
        validation=validation,
        test=test,
        floor=floor,
    )
