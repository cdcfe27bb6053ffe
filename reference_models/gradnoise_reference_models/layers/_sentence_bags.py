"""How sentences are encoded, the weights of positions, and the bags that are data."""

from dataclasses import dataclass
from typing import Any

from gradnoise_core import _check
from gradnoise_core.backend import backend_of
from gradnoise_core.typing import Array, Namespace

__all__ = [
    "KINDS",
    "TIMES",
    "Encoding",
    "column_weight",
    "time_bags",
    "time_weight",
    "word_bags",
]

#: Kinds of encodings. With j and a counted from 1, J the width and d the embedding's size:
#: "bag-of-words" ``l_ja = 1``; "position" ``l_ja = 1 + 4 (a - (d+1)/2)(j - (J+1)/2) / (d J)``, of
#: the authors' program, with one J for all sentences; "position-paper" ``l_ja = (1 - j/J) -
#: (a/d)(1 - 2 j/J)``, of the paper, with J the sentence's own number of words: half as large.
KINDS = ("bag-of-words", "position", "position-paper")

#: Where the embedding of times is: "rows" of E below those of the words, as in the authors'
#: program, where a time is a last word of each sentence; a "matrix" of its own, as in the paper;
#: or "none".
TIMES = ("rows", "matrix", "none")


@dataclass(frozen=True)
class Encoding:
    """How sentences become vectors.

    Parameters
    ----------
    words : int
        V, the number of words, word 0 (null, which fills sentences up) included.
    width : int
        The number of word positions, times not counted.
    memory : int
        M, the largest time.
    kind : str
        One of `KINDS`.
    times : str
        One of `TIMES`.
    null : bool
        Whether null words are in the bags, so that they gather a gradient, which clipping then
        sees, although the embedding of null is zero. They do in the authors' program.

    Raises
    ------
    ValueError, TypeError
        If `kind` or `times` is unknown, or a number is no integer >= 1 (`words`: >= 2).

    Notes
    -----
    The time's weight l_T is that of the last position, J = width + 1, for "position" with times as
    rows; else it is 1, and J = width.
    """

    words: int
    width: int
    memory: int
    kind: str = "position"
    times: str = "rows"
    null: bool = False

    def __post_init__(self) -> None:
        """Refuse what makes no encoding."""
        for name, least in (("words", 2), ("width", 1), ("memory", 1)):
            value = _check.integer_below(name, getattr(self, name), 31)
            if value < least:
                message = f"`{name}` must be an integer >= {least}, got {value}."
                raise ValueError(message)
        for name, known in (("kind", KINDS), ("times", TIMES)):
            if getattr(self, name) not in known:
                message = (
                    f"`{name}` must be one of {', '.join(known)}, got {getattr(self, name)!r}."
                )
                raise ValueError(message)

    @property
    def rows(self) -> int:
        """Rows of an embedding: words, and times where they are rows."""
        return self.words + (self.memory if self.times == "rows" else 0)

    @property
    def bag_words(self) -> int:
        """Elements of a bag that are about words."""
        per_word = 1 if self.kind == "bag-of-words" else 2
        return per_word * (self.words - self.first)

    @property
    def bag(self) -> int:
        """Elements of a bag."""
        return self.bag_words + (self.memory if self.times != "none" else 0)

    @property
    def first(self) -> int:
        """The first word that is in the bags."""
        return 0 if self.null else 1

    @property
    def positions(self) -> int:
        """J, the positions of a sentence, that of the time included where it is a word."""
        return self.width + (self.times == "rows")


def word_bags(
    words: Array, *, encoding: Encoding, dtype: Any = None, xp: Namespace | None = None
) -> Array:
    """Return the bags of sentences without times.

    Parameters
    ----------
    words : integer array
        ``(..., width)``, in [0, V); 0, null, fills up behind the words.
    encoding : Encoding
    dtype : optional
        float32 by default.
    xp : module, optional
        The array namespace of `words`.

    Returns
    -------
    array of shape ``(..., bag_words)``
    """
    backend = backend_of(words)
    xp = backend.namespace if xp is None else xp
    dtype = xp.float32 if dtype is None else dtype
    device = backend.device(words)
    vocabulary = xp.arange(encoding.first, encoding.words, dtype=words.dtype, device=device)
    is_word = xp.astype(words[..., None] == vocabulary, dtype)
    if encoding.kind == "bag-of-words":
        return xp.sum(is_word, axis=-2)
    j = xp.arange(1, encoding.width + 1, dtype=dtype, device=device)
    if encoding.kind == "position":
        f = 4.0 * (j - (encoding.positions + 1) / 2) / encoding.positions
        parts = [xp.sum(is_word, axis=-2), xp.sum(is_word * f[:, None], axis=-2)]
    else:
        said = xp.astype(words != 0, dtype)
        # A sentence without words has none to be weighted, whatever it is divided by.
        whole = xp.clip(xp.sum(said, axis=-1, keepdims=True), 1.0, None)
        weights = (said * (1.0 - j / whole), said * (1.0 - 2.0 * j / whole))
        parts = [xp.sum(is_word * w[..., None], axis=-2) for w in weights]
    return xp.concat(parts, axis=-1)


def time_bags(
    times: Array, *, encoding: Encoding, dtype: Any = None, xp: Namespace | None = None
) -> Array:
    """Return ``[t = 1..M]``, the part of a bag that is about time.

    Parameters
    ----------
    times : integer array
        ``(...)``, in [0, M]: 1 for the latest sentence, 0 for none.
    encoding : Encoding
    dtype : optional
        float32 by default.
    xp : module, optional
        The array namespace of `times`.

    Returns
    -------
    array of shape ``(..., M)``
    """
    backend = backend_of(times)
    xp = backend.namespace if xp is None else xp
    known = xp.arange(1, encoding.memory + 1, dtype=times.dtype, device=backend.device(times))
    return xp.astype(times[..., None] == known, xp.float32 if dtype is None else dtype)


def column_weight(encoding: Encoding, like: Array, xp: Namespace) -> Array:
    """Return g, of shape ``(d,)``."""
    d = like.shape[-1]
    a = xp.arange(1, d + 1, dtype=like.dtype, device=backend_of(like).device(like))
    return (a - (d + 1) / 2) / d if encoding.kind == "position" else -a / d


def time_weight(encoding: Encoding, column: Array) -> Array | None:
    """Return l_T, of shape ``(d,)``, from g: the weight of the last position. None if it is 1."""
    if encoding.kind != "position" or encoding.times != "rows":
        return None
    return 1.0 + (2.0 * (encoding.positions - 1) / encoding.positions) * column
