"""Word ids as the bags that the memory network reads: at once, or a task's sentences only once."""

from typing import Any, NamedTuple

import numpy as np

from gradnoise_core.backend import backend_for, backend_of
from gradnoise_core.typing import Array, Device, Namespace
from gradnoise_reference_models.layers.sentence_encoding import time_bags, word_bags
from gradnoise_reference_models.models._memory_ids import check_ids, number_sentences
from gradnoise_reference_models.models._memory_parameters import MemoryNetwork

__all__ = ["Batch", "Stories", "batch", "gather", "stories"]


class Batch(NamedTuple):
    """What the network reads: of R replicas, or one that all see, N examples.

    Attributes
    ----------
    memory : array
        ``(*R, N, M, bag)``, the bags of the statements.
    question : array
        ``(*R, N, bag)``, without a time.
    answers : integer array
        ``(*R, N)``.
    filled : boolean array or None
        ``(*R, N, M)`` where attention is masked.
    """

    memory: Array
    question: Array
    answers: Array
    filled: Array | None = None


class Stories(NamedTuple):
    """A data set of n examples, each distinct sentence of it once; on the device.

    Attributes
    ----------
    sentences : array
        ``(sentences, bag_words)``; the first is that of an empty slot.
    memory : int32 array
        ``(n, M)``, which sentence each slot holds.
    times : int32 array
        ``(n, M)``; 0 for an empty slot.
    questions : int32 array
        ``(n,)``, which sentence.
    answers : int32 array
        ``(n,)``.
    """

    sentences: Array
    memory: Array
    times: Array
    questions: Array
    answers: Array


def batch(
    network: MemoryNetwork,
    words: Array,
    times: Array,
    questions: Array,
    answers: Array,
    *,
    dtype: Any = None,
) -> Batch:
    """Return examples as a batch. It traces, and so checks no word.

    Parameters
    ----------
    network : MemoryNetwork
    words : integer array
        ``(*R, N, M, width)``, in [0, V): statements, 0 behind the words and in empty slots.
    times : integer array
        ``(*R, N, M)``: 1 for the latest statement, 0 for an empty slot.
    questions : integer array
        ``(*R, N, width)``.
    answers : integer array
        ``(*R, N)``, in [0, classes).
    dtype : optional
        Of the bags: that of the parameters. float32 by default.

    Returns
    -------
    Batch
    """
    xp = backend_of(words).namespace
    encoding = network.encoding
    bags = word_bags(words, encoding=encoding, dtype=dtype, xp=xp)
    empty = times == 0
    if network.null:
        bags = xp.where(empty[..., None], _empty_slot(network, bags, words, xp), bags)
    question = word_bags(questions, encoding=encoding, dtype=dtype, xp=xp)
    return _batch(network, bags, times, question, answers, xp)


def stories(
    network: MemoryNetwork,
    words: Any,
    times: Any,
    questions: Any,
    answers: Any,
    *,
    xp: Namespace | None = None,
    dtype: Any = None,
    device: Device | None = None,
) -> Stories:
    """Return a data set, checked, with the bag of each distinct sentence made once.

    Parameters
    ----------
    network : MemoryNetwork
    words : integer NumPy array
        ``(n, M, width)``, in [0, V): statements, 0 behind the words and in empty slots.
    times : integer NumPy array
        ``(n, M)``: 1 for the latest statement, 0 for an empty slot.
    questions : integer NumPy array
        ``(n, width)``.
    answers : integer NumPy array
        ``(n,)``, in [0, classes).
    xp, device : optional
        Where the data go; NumPy by default.
    dtype : optional
        Of the bags: that of the parameters. float32 by default.

    Returns
    -------
    Stories
        Of a bAbI task some hundred sentences, of all twenty some thousand.

    Raises
    ------
    TypeError
        If an array is not of integers.
    ValueError
        If a shape is wrong, an id is outside its range, or a slot has words and no time or a time
        and no words.

    Examples
    --------
    >>> network = MemoryNetwork(words=6, width=4, memory=3)
    >>> data = stories(
    ...     network,
    ...     np.asarray([[[1, 2, 0, 0], [3, 4, 5, 0], [0, 0, 0, 0]]]),
    ...     np.asarray([[2, 1, 0]]),
    ...     np.asarray([[4, 1, 0, 0]]),
    ...     np.asarray([5]),
    ... )
    >>> data.sentences.shape, data.memory
    ((4, 10), array([[1, 2, 0]], dtype=int32))
    """
    ids = [np.asarray(a) for a in (words, times, questions, answers)]
    check_ids(network, *ids)
    backend = backend_for(np if xp is None else xp)
    xp = backend.namespace
    distinct, memory, asked = number_sentences(ids[0], ids[2], network.words)

    def place(a: Any) -> Array:
        return backend.from_host(np.ascontiguousarray(a, np.int32), device=device)

    on_device = place(distinct)
    bags = word_bags(on_device, encoding=network.encoding, dtype=dtype, xp=xp)
    if network.null:
        empty = _empty_slot(network, bags, on_device, xp)
        bags = xp.concat([empty[None, :], bags[1:, :]], axis=0)
    return Stories(bags, *(place(a) for a in (memory, ids[1], asked, ids[3])))


def gather(network: MemoryNetwork, data: Stories, rows: Array, times: Array | None = None) -> Batch:
    """Return the examples at some rows as a batch. It traces.

    Parameters
    ----------
    network : MemoryNetwork
    data : Stories
    rows : integer array
        ``(*R, N)``, on the data's device.
    times : integer array, optional
        ``(*R, N, M)``, in the place of the data's own: `random_times` draws them for training.

    Returns
    -------
    Batch
    """
    xp = backend_of(data.sentences).namespace
    memory = _take(data.memory, rows, xp)
    times = _take(data.times, rows, xp) if times is None else times
    question = _take(data.sentences, _take(data.questions, rows, xp), xp)
    answers = _take(data.answers, rows, xp)
    return _batch(network, _take(data.sentences, memory, xp), times, question, answers, xp)


def _batch(
    network: MemoryNetwork,
    bags: Array,
    times: Array,
    question: Array,
    answers: Array,
    xp: Namespace,
) -> Batch:
    if network.times != "none":
        said = time_bags(times, encoding=network.encoding, dtype=bags.dtype, xp=xp)
        bags = xp.concat([bags, said], axis=-1)
        question = xp.concat([question, xp.zeros_like(said[..., 0, :])], axis=-1)
    return Batch(bags, question, answers, times > 0 if network.masked else None)


def _empty_slot(network: MemoryNetwork, bags: Array, like: Array, xp: Namespace) -> Array:
    """Return the bag of a slot all of whose positions are null, that of the time included."""
    encoding = network.encoding
    # The second part of null's weight, f, is balanced over all positions: it sums to 0.
    count = 0.0 if encoding.kind == "position-paper" else float(encoding.positions)
    place = xp.arange(encoding.bag_words, device=backend_of(like).device(like))
    return xp.astype(place == 0, bags.dtype) * count


def _take(table: Array, indices: Array, xp: Namespace) -> Array:
    taken = xp.take(table, xp.reshape(indices, (-1,)), axis=0)
    return xp.reshape(taken, (*indices.shape, *table.shape[1:]))
