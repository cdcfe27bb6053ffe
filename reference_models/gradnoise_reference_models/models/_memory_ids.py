"""Checks of word ids, and the numbering of distinct sentences."""

from typing import Any

import numpy as np

from gradnoise_core.typing import Array
from gradnoise_reference_models.models._memory_parameters import MemoryNetwork

__all__ = ["check_ids", "number_sentences"]


def check_ids(
    network: MemoryNetwork, words: Array, times: Array, questions: Array, answers: Array
) -> None:
    """Refuse arrays of a wrong kind, shape or range, and slots of words without a time."""
    n, shape = len(answers), (network.memory, network.width)
    _check("words", words, (n, *shape), network.words)
    _check("times", times, (n, network.memory), network.memory + 1)
    _check("questions", questions, (n, network.width), network.words)
    _check("answers", answers, (n,), network.classes)
    wrong = np.argwhere((times > 0) != np.any(words != 0, axis=-1))
    if len(wrong):
        i, slot = wrong[0].tolist()
        message = (
            f"`times` must be 0 for empty slots and 1 to {network.memory} for others, got "
            f"{times[i, slot]} for the words {words[i, slot].tolist()} in slot {slot} of example "
            f"{i}. The latest statement has time 1."
        )
        raise ValueError(message)


def _check(name: str, ids: Array, shape: tuple[int, ...], below: int) -> None:
    if ids.dtype.kind not in "iu":
        message = f"`{name}` must be integers, got dtype {ids.dtype}."
        raise TypeError(message)
    if ids.shape != shape:
        message = (
            f"`{name}` must have the shape {shape} of the network and the answers, got {ids.shape}."
        )
        raise ValueError(message)
    if ids.size and (ids.min() < 0 or ids.max() >= below):
        worst = ids.min() if ids.min() < 0 else ids.max()
        message = f"`{name}` must be in [0, {below}), got {worst}."
        raise ValueError(message)


def number_sentences(memory: Array, questions: Array, words: int) -> tuple[Array, Array, Array]:
    """Return the distinct sentences, an empty one first, and which of them is where.

    Parameters
    ----------
    memory : integer array
        ``(n, M, width)``.
    questions : integer array
        ``(n, width)``.
    words : int
        V, above every word.

    Returns
    -------
    distinct : array
        ``(sentences, width)``, in the order of their words.
    memory : array
        ``(n, M)``.
    questions : array
        ``(n,)``.
    """
    width = memory.shape[-1]
    rows = np.concatenate([np.zeros((1, width), np.int64), memory.reshape(-1, width), questions])
    # One word more at a time, so that a number never exceeds the count of beginnings times V.
    number: Any = rows[:, 0]
    for column in rows.T[1:]:
        _, number = np.unique(number, return_inverse=True)
        number = number * words + column
    _, first, number = np.unique(number, return_index=True, return_inverse=True)
    slots = memory.shape[0] * memory.shape[1]
    return rows[first], number[1 : slots + 1].reshape(memory.shape[:2]), number[slots + 1 :]
