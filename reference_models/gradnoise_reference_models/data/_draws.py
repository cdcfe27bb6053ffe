"""Choices drawn one after another from the stream: the same on every machine."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from gradnoise_core.random import Key, fold_in, words

__all__ = ["Draws"]

T = TypeVar("T")

#: Words drawn at a time.
BLOCK = 256


class Draws:
    """A sequence of choices under a key.

    Word i is word ``i mod 256`` of ``words(fold_in(key, i // 256), (256,))``, read as an unsigned
    32-bit integer w. A choice among n is ``floor(w n / 2**32)``, after the words that would make
    it unequal are passed over (Lemire, 2019, "Fast random integer generation in an interval").

    Parameters
    ----------
    key : Key
        Of shape ``()``.

    Examples
    --------
    >>> from gradnoise_core.random import key
    >>> draws = Draws(key(0))
    >>> [draws.below(6) for _ in range(8)]
    [5, 1, 1, 2, 3, 3, 5, 5]
    """

    def __init__(self, key: Key) -> None:
        self._key = key
        self._block = 0
        self._words: list[int] = []

    def word(self) -> int:
        """Return the next word, in [0, 2**32)."""
        if not self._words:
            block = words(fold_in(self._key, self._block), (BLOCK,)).view(np.uint32)
            self._words = block[::-1].tolist()
            self._block += 1
        return self._words.pop()

    def below(self, n: int) -> int:
        """Return an integer in [0, n), each equally likely; n in [1, 2**32]."""
        product = self.word() * n
        while product & 0xFFFFFFFF < (1 << 32) % n:
            product = self.word() * n
        return product >> 32

    def choice(self, things: Sequence[T]) -> T:
        """Return one of `things`, each equally likely."""
        return things[self.below(len(things))]

    def chance(self, per_cent: int) -> bool:
        """Return True in `per_cent` of 100 cases."""
        return self.below(100) < per_cent

    def shuffled(self, things: Sequence[T]) -> list[T]:
        """Return `things` in one of their orders, each equally likely (Fisher and Yates)."""
        out = list(things)
        for i in range(len(out) - 1, 0, -1):
            j = self.below(i + 1)
            out[i], out[j] = out[j], out[i]
        return out
