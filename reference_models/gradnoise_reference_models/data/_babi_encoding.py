"""Questions as arrays of word ids (Sukhbaatar et al., 2015, arXiv:1503.08895, section 4)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradnoise_core.typing import Array
from gradnoise_reference_models.data._babi_format import Parsed, Question, Words
from gradnoise_reference_models.data._dataset import DataError

__all__ = ["MEMORY", "NULL", "Dictionary", "Stories", "StoryData", "dictionary", "encode", "joined"]

#: Statements that are kept at most: the latest ones.
MEMORY = 50

#: The null word, id 0, fills empty positions.
NULL = ""


@dataclass(frozen=True, eq=False)
class Stories:
    """N questions, each with the statements before it.

    Attributes
    ----------
    X : int32 array of shape (N, M, Jw)
        Word ids of the statements, oldest first; 0 is the null word, in unused positions and in the
        empty slots, which come last.
    tau : int32 array of shape (N, M)
        Time index of a slot: 1 for the latest statement, 2 for the one before, and 0 where empty.
    Q : int32 array of shape (N, Jw)
        Word ids of the question.
    y : int32 array of shape (N,)
        Word id of the answer.
    task : int32 array of shape (N,)
        Number of the task that the question is of.
    """

    X: Array = field(repr=False)
    tau: Array = field(repr=False)
    Q: Array = field(repr=False)
    y: Array = field(repr=False)
    task: Array = field(repr=False)

    def __len__(self) -> int:
        """N, the number of questions."""
        return len(self.y)

    def take(self, indices: Array) -> "Stories":
        """Return the questions at `indices`, integers of shape (K,) or a slice."""
        parts = (self.X, self.tau, self.Q, self.y, self.task)
        return Stories(*(part[indices] for part in parts))


@dataclass(frozen=True, eq=False)
class StoryData:
    """Stories with questions, on the host, split for training, validation and testing.

    Attributes
    ----------
    name : str
        "babi", or "stories" for those we generate.
    variant : str
        The task's number, or "joint".
    title : str
        The data set and its size in plain words.
    source : str
        Where it was read from.
    reason : str
        Why this data set and not another.
    vocabulary : tuple of str
        Word of each id; the null word "" has id 0.
    answers : tuple of str
        Every answer once, those of the test set included: the classes that occur.
    train, validation, test : Stories
        All of them have the same M and Jw.
    """

    name: str
    variant: str
    title: str
    source: str
    reason: str
    vocabulary: Words = field(repr=False)
    answers: Words = field(repr=False)
    train: Stories = field(repr=False)
    validation: Stories = field(repr=False)
    test: Stories = field(repr=False)

    @property
    def memory(self) -> int:
        """M, the number of memory slots."""
        return self.train.X.shape[1]

    @property
    def width(self) -> int:
        """Jw, the number of word positions of a sentence."""
        return self.train.X.shape[2]

    def sentence(self, ids: Iterable[int]) -> str:
        """Return the words of a row of X or of Q, parted by blanks."""
        return " ".join(self.vocabulary[i] for i in ids if i)


@dataclass(frozen=True)
class Dictionary:
    """Word ids, and the sizes that the training files give.

    Attributes
    ----------
    vocabulary : tuple of str
        The null word, then the others in the order of first appearance: training files before test
        files.
    answers : tuple of str
        Likewise, of the answers.
    memory : int
        M = min(50, most statements in one training story), at least 1.
    width : int
        Jw, the words of the longest statement or question of the training files.
    """

    vocabulary: Words
    answers: Words
    memory: int
    width: int


def dictionary(train: Sequence[Parsed], test: Sequence[Parsed]) -> Dictionary:
    """Return the dictionary of one task's files, or of several tasks'."""
    files = (*train, *test)
    words = dict.fromkeys(word for file in files for word in file.words)
    answers = dict.fromkeys(q.answer for file in files for q in file.questions)
    return Dictionary(
        vocabulary=(NULL, *words),
        answers=tuple(answers),
        memory=max(1, min(MEMORY, max(file.most for file in train))),
        width=max(file.longest for file in train),
    )


def encode(questions: Sequence[Question], words: Dictionary, task: int, name: object) -> Stories:
    """Return `questions` as arrays; of a longer story only the latest M statements are kept.

    Raises
    ------
    DataError
        If a sentence has more than Jw words: `name` says of which file.
    """
    ids = {word: i for i, word in enumerate(words.vocabulary)}
    n, m, width = len(questions), words.memory, words.width
    X = np.zeros((n, m, width), np.int32)
    tau = np.zeros((n, m), np.int32)
    Q = np.zeros((n, width), np.int32)
    y = np.array([ids[q.answer] for q in questions], np.int32)
    for i, question in enumerate(questions):
        kept = question.statements[-m:]
        tau[i, : len(kept)] = range(len(kept), 0, -1)
        for j, sentence in enumerate(kept):
            _fill(X[i, j], sentence, ids, name)
        _fill(Q[i], question.words, ids, name)
    return Stories(X, tau, Q, y, np.full(n, task, np.int32))


def joined(parts: Sequence[Stories]) -> Stories:
    """Return the questions of all `parts`, in that order."""
    names = ("X", "tau", "Q", "y", "task")
    return Stories(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _fill(row: Array, sentence: Words, ids: dict[str, int], name: object) -> None:
    if len(sentence) > len(row):
        message = (
            f"`{name}` must have sentences of at most {len(row)} words, as the training file has, "
            f"got {' '.join(sentence)!r}."
        )
        raise DataError(message)
    row[: len(sentence)] = [ids[word] for word in sentence]
