"""The end-to-end memory network: a question looks at the statements of a story, several times.

``u_1 = enc(Q; B)``; for each hop ``p = attention(M u)``, ``o = C^T p`` with M and C the statements
encoded on the input and the output side, ``u <- u + o`` (or ``H u + o``); ``logits = W u``. The
model of section 4.2 of Neelakantan et al., Adding gradient noise improves learning for very deep
networks (2017), which is that of Sukhbaatar et al., End-to-end memory networks (2015).

The *network* is its settings, the *batch* word ids as bags. Losses and gradients are sums over the
batch, as rates and clipping of the papers want them::

    network = MemoryNetwork(words=20, width=6, memory=10)
    params = init(network, seeds)                      # one seed, or R for R restarts
    data = stories(network, words, times, questions, answers)   # once, from integer arrays
    for epoch in range(epochs):                        # on the host, for all steps of an epoch
        rows = random_rows(seeds, epoch, (steps, 32), len(answers))
        gaps = random_times(seeds, epoch, times[rows], network.memory)
        for i in range(steps):                         # all of this traces
            examples = gather(network, data, rows[..., i, :], gaps[..., i, :, :])
            score, grads = score_and_grads(network, params, examples, linear=epoch < start)
            params, state = apply_gradients(optimizer, grads, state, params)
            params = without_null(network, params)
"""

from typing import Any, NamedTuple

from gradnoise_core.backend import backend_of
from gradnoise_core.typing import Array, Namespace, Tree
from gradnoise_reference_models.layers import relu, sentence_encoding, softmax_cross_entropy
from gradnoise_reference_models.layers.attention import Linear
from gradnoise_reference_models.layers.softmax_cross_entropy import Residuals as LossResiduals
from gradnoise_reference_models.models import _memory_hop as hop
from gradnoise_reference_models.models._memory_batch import Batch, Stories, batch, gather, stories
from gradnoise_reference_models.models._memory_clipping import clip_by_spectral_norm, spectral_norm
from gradnoise_reference_models.models._memory_draws import random_rows, random_times
from gradnoise_reference_models.models._memory_parameters import (
    TYINGS,
    MemoryNetwork,
    assemble,
    init,
    roles,
    without_null,
)
from gradnoise_reference_models.models._memory_stacks import stack_all, unstack_all

__all__ = [
    "TYINGS",
    "Batch",
    "MemoryNetwork",
    "Residuals",
    "Score",
    "Stories",
    "attention_weights",
    "backward",
    "batch",
    "clip_by_spectral_norm",
    "error",
    "forward",
    "gather",
    "init",
    "loss_and_grads",
    "predict",
    "random_rows",
    "random_times",
    "score",
    "score_and_grads",
    "spectral_norm",
    "stories",
    "without_null",
]


class Residuals(NamedTuple):
    """What the gradient needs: bags, stacks of the embeddings, and what each hop remembers."""

    memory: Array
    question: Array
    stacks: list[Array]
    hops: list[tuple[hop.HopResiduals, Array | None]]
    state: Array


class Score(NamedTuple):
    """Of a batch, ``(*R,)`` each: the sum of losses in nats, and how many answers are wrong."""

    loss: Array
    wrong: Array


def forward(
    network: MemoryNetwork, params: Tree, batch: Batch, *, linear: Linear = False
) -> tuple[Array, Residuals]:
    """Return the logits and what the gradient needs.

    Parameters
    ----------
    network : MemoryNetwork
    params : dict
        As `init` returns it, every embedding of null zero.
    batch : Batch
        Its examples may be one batch that all replicas see.
    linear : bool or boolean array of shape ``()`` or ``(R,)``
        Whether attention is linear: the linear start.

    Returns
    -------
    logits : array
        ``(*R, N, classes)``.
    residuals : Residuals
    """
    xp = backend_of(batch.memory).namespace
    part = roles(network, params)
    stacks = stack_all(network, part, xp)
    state = batch.question @ stacks[part.question]
    hops = []
    for i, j in part.hops:
        o, kept = hop.forward(
            (stacks[i], stacks[j]), state, batch.memory, linear=linear, filled=batch.filled, xp=xp
        )
        state = o + (state @ params["H"]["weight"].mT if "H" in params else state)
        rectified = None
        if network.rectifier:
            state, rectified = relu.forward({}, state, xp=xp)
        hops.append((kept, rectified))
    logits = state @ part.layers[-1]["embedding"].mT
    return logits, Residuals(batch.memory, batch.question, stacks, hops, state)


def backward(network: MemoryNetwork, params: Tree, residuals: Residuals, dlogits: Array) -> Tree:
    """Return the gradient with respect to the parameters; words have none.

    Parameters
    ----------
    network : MemoryNetwork
    params : dict
        As for `forward`.
    residuals : Residuals
        As `forward` returned them.
    dlogits : array
        ``(*R, N, classes)``.

    Returns
    -------
    dict
        Of the structure and the shapes of `params`. The rows of null are zero, unless the
        network's `null` counts them.
    """
    xp = backend_of(dlogits).namespace
    memory, question, stacks, hops, state = residuals
    part = roles(network, params)
    dstacks: list[Any] = [None] * len(stacks)
    dweight = None
    du = dlogits @ part.layers[-1]["embedding"]
    for (i, j), (kept, rectified) in zip(part.hops[::-1], hops[::-1], strict=True):
        if rectified is not None:
            _, du = relu.backward({}, rectified, du, xp=xp)
        (dinput, doutput), looked = hop.backward((stacks[i], stacks[j]), kept, memory, du, xp=xp)
        dstacks[j], dstacks[i] = _sum(dstacks[j], doutput), _sum(dstacks[i], dinput)
        if "H" in params:
            dweight = _sum(dweight, du.mT @ kept.state)
            du = du @ params["H"]["weight"]
        du = du + looked
    dstacks[part.question] = _sum(dstacks[part.question], question.mT @ du)
    grads = unstack_all(network, part, dstacks, xp)
    answer = dlogits.mT @ state
    answer = answer if network.null else sentence_encoding.without_null(answer, xp=xp)
    if part.encoders < len(part.layers):
        grads.append({"embedding": answer})
    else:
        grads[-1]["embedding"] = grads[-1]["embedding"] + answer
    return assemble(network, grads, {"weight": dweight})


def loss_and_grads(
    network: MemoryNetwork, params: Tree, batch: Batch, *, linear: Linear = False
) -> tuple[Array, Tree]:
    """Return the sum of the cross-entropies of a batch, ``(*R,)``, and its gradient.

    Parameters
    ----------
    network, params, batch, linear
        As for `forward`.

    Returns
    -------
    loss : array
        ``(*R,)``, in nats: about N log(classes) with small weights.
    grads : dict
        As of `backward`.

    Examples
    --------
    >>> import numpy as np
    >>> network = MemoryNetwork(words=6, width=4, memory=2, size=3, hops=1)
    >>> words, times = np.asarray([[[1, 2, 0, 0], [3, 4, 5, 0]]]), np.asarray([[2, 1]])
    >>> examples = batch(network, words, times, np.asarray([[4, 1, 0, 0]]), np.asarray([5]))
    >>> loss, grads = loss_and_grads(network, init(network, 0), examples)
    >>> abs(loss - np.log(8)) < 0.05, grads["E"][0]["embedding"].shape
    (np.True_, (8, 3))
    """
    found, grads = score_and_grads(network, params, batch, linear=linear)
    return found.loss, grads


def score_and_grads(
    network: MemoryNetwork, params: Tree, batch: Batch, *, linear: Linear = False
) -> tuple[Score, Tree]:
    """Return the score of a batch before an update, and the gradient of its loss.

    Parameters
    ----------
    network, params, batch, linear
        As for `forward`.

    Returns
    -------
    score : Score
    grads : dict
        As of `backward`.
    """
    logits, residuals = forward(network, params, batch, linear=linear)
    xp = backend_of(logits).namespace
    found, (p, one_hot) = _score(logits, batch.answers, xp)
    return found, backward(network, params, residuals, p - xp.astype(one_hot, p.dtype))


def score(network: MemoryNetwork, params: Tree, batch: Batch, *, linear: Linear = False) -> Score:
    """Return the score of a batch.

    Parameters
    ----------
    network, params, batch, linear
        As for `forward`.

    Returns
    -------
    Score
    """
    logits, _ = forward(network, params, batch, linear=linear)
    return _score(logits, batch.answers, backend_of(logits).namespace)[0]


def predict(network: MemoryNetwork, params: Tree, batch: Batch, *, linear: Linear = False) -> Array:
    """Return the class of the largest logit, ``(*R, N)``; the first of equals.

    Times, where they are rows, and null are classes too.
    """
    logits, _ = forward(network, params, batch, linear=linear)
    return backend_of(logits).namespace.argmax(logits, axis=-1)


def error(network: MemoryNetwork, params: Tree, batch: Batch, *, linear: Linear = False) -> Array:
    """Return the fraction of wrong answers, ``(*R,)``, in the parameters' dtype."""
    wrong = score(network, params, batch, linear=linear).wrong
    xp, dtype = backend_of(batch.memory).namespace, batch.memory.dtype
    return xp.astype(wrong, dtype) / batch.question.shape[-2]


def attention_weights(
    network: MemoryNetwork, params: Tree, batch: Batch, *, linear: Linear = False
) -> list[Array]:
    """Return the weights of the slots at each hop, ``(*R, N, M)``."""
    _, residuals = forward(network, params, batch, linear=linear)
    return [kept.attention.weights for kept, _ in residuals.hops]


def _score(logits: Array, answers: Array, xp: Namespace) -> tuple[Score, LossResiduals]:
    mean, residuals = softmax_cross_entropy.forward(logits, answers, xp=xp)
    wrong = xp.sum(xp.astype(xp.argmax(logits, axis=-1) != answers, xp.int32), axis=-1)
    return Score(mean * logits.shape[-2], wrong), residuals


def _sum(total: Any, more: Array) -> Array:
    return more if total is None else total + more
