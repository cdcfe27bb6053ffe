"""The language model as a user of torch writes it: ``nn.LSTM``, gradients by autograd."""

from typing import Any

import torch
from torch.nn import functional

__all__ = ["TorchLanguageModel"]


class TorchLanguageModel:
    """An embedding, two layers of LSTM and an affine map to the words; a step of one window.

    A step is that of ours: the loss summed over steps and averaged over the batch, its gradient,
    clipping by the norm of all, descent; and the state goes on to the next window, detached.

    Parameters
    ----------
    vocabulary, units, layers : int
    rate, clip, bound : float
        Learning rate, largest norm, and a of the initial weights, U(-a, a).
    """

    def __init__(
        self, vocabulary: int, units: int, layers: int, *, rate: float, clip: float, bound: float
    ) -> None:
        self.embedding = torch.nn.Embedding(vocabulary, units)
        self.lstm = torch.nn.LSTM(units, units, layers)
        self.output = torch.nn.Linear(units, vocabulary)
        modules = (self.embedding, self.lstm, self.output)
        self.parameters = [p for module in modules for p in module.parameters()]
        for p in self.parameters:
            torch.nn.init.uniform_(p, -bound, bound)
        self.clip = clip
        self.state: Any = None
        self.optimizer = torch.optim.SGD(self.parameters, lr=rate)

    def step(self, x: Any, targets: Any) -> Any:
        """Make one step on words and targets ``(T, B)``; return the loss."""
        self.optimizer.zero_grad()
        h, state = self.lstm(self.embedding(x), self.state)
        logits = self.output(h.flatten(0, 1))
        loss = len(x) * functional.cross_entropy(logits, targets.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimizer.step()
        self.state = tuple(s.detach() for s in state)
        return loss.detach()
