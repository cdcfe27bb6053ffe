"""The memory network as a user of torch writes it: embeddings gathered, gradients by autograd."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch.nn import functional

__all__ = ["ENCODERS", "TorchMemoryNetwork"]


class TorchMemoryNetwork:
    """Adjacent tying, position encoding and times as rows, on one thread or as many as torch has.

    A step is that of ours: gather the batch's words, differentiate the sum of the losses, clip each
    matrix, descend, and set the embeddings of null to zero. Each matrix encodes the memory once,
    for the output side of a hop is the input side of the next.

    Parameters
    ----------
    encoder : str
        One of `ENCODERS`.
    words, times, questions, answers : int64 tensors
        ``(n, M, width)``, ``(n, M)``, ``(n, width)`` and ``(n,)``.
    vocabulary, size, hops : int
    rate, clip : float
    """

    def __init__(
        self,
        encoder: str,
        words: Any,
        times: Any,
        questions: Any,
        answers: Any,
        *,
        vocabulary: int,
        size: int,
        hops: int,
        rate: float,
        clip: float,
    ) -> None:
        self.words, self.times = words, times
        self.questions, self.answers = questions, answers
        self.vocabulary, self.clip = vocabulary, clip
        rows, positions = vocabulary + words.shape[1], words.shape[2] + 1
        a, j = torch.arange(1.0, size + 1), torch.arange(1.0, positions + 1)
        self.column = (a - (size + 1) / 2) / size
        self.position = 4 * (j - (positions + 1) / 2) / positions
        self.weights = 1 + self.position[:, None] * self.column
        self.embeddings = [
            torch.nn.Parameter(0.1 * torch.randn(rows, size)) for _ in range(hops + 1)
        ]
        for e in self.embeddings:
            e.data[0] = 0
        self.optimizer = torch.optim.SGD(self.embeddings, lr=rate)
        self.encode = ENCODERS[encoder]

    def loss(self, rows: Any, times: Any) -> Any:
        """Return the sum of the losses of the examples at `rows`, with other times."""
        said = torch.where(times > 0, self.vocabulary + times - 1, 0)
        sentences = torch.cat([self.words[rows], said[..., None]], -1)
        first, *_ = self.embeddings
        asked = functional.embedding(self.questions[rows], first, padding_idx=0)
        u = (asked * self.weights[:-1]).sum(1)
        encoded = [self.encode(self, sentences, e) for e in self.embeddings]
        for m, c in pairwise(encoded):
            p = torch.softmax((m @ u[..., None])[..., 0], -1)
            u = u + (p[:, None] @ c)[:, 0]
        logits = u @ self.embeddings[-1].T
        return functional.cross_entropy(logits, self.answers[rows], reduction="sum")

    def step(self, rows: Any, times: Any) -> Any:
        """Make one step; return the loss before it."""
        self.optimizer.zero_grad()
        loss = self.loss(rows, times)
        loss.backward()
        for e in self.embeddings:
            torch.nn.utils.clip_grad_norm_([e], self.clip)
        self.optimizer.step()
        with torch.no_grad():
            for e in self.embeddings:
                e[0] = 0
        return loss.detach()


def _gather(model: TorchMemoryNetwork, sentences: Any, embedding: Any) -> Any:
    return (functional.embedding(sentences, embedding, padding_idx=0) * model.weights).sum(2)


def _bag(model: TorchMemoryNetwork, sentences: Any, embedding: Any) -> Any:
    """Return the same by `embedding_bag`, whose weights are one a word: the position's has rank 2."""
    flat = sentences.flatten(0, 1)
    weights = model.position.expand(flat.shape).contiguous()
    bag = functional.embedding_bag
    plain = bag(flat, embedding, mode="sum", padding_idx=0)
    skewed = bag(flat, embedding, mode="sum", per_sample_weights=weights, padding_idx=0)
    return (plain + skewed * model.column).unflatten(0, sentences.shape[:2])


ENCODERS: dict[str, Callable[[TorchMemoryNetwork, Any, Any], Any]] = {
    "gather": _gather,
    "embedding_bag": _bag,
}
