"""``torch.optim.Adam`` with gradient noise from ``torch.randn_like`` in a pre-hook of its step."""

from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.work import ETA, RATE, sigma

__all__ = ["TorchAdam"]


class TorchAdam:
    """Parameters whose gradients are set once; noise is added to them in place at every step.

    Over the steps of a measurement the gradients wander; the time of a step does not depend on it,
    and a copy of them at each step would only slow this peer down.
    """

    def __init__(
        self, params: Sequence[Any], grads: Sequence[Any], *, eta: float = ETA, **options: bool
    ) -> None:
        self.params = [torch.nn.Parameter(p) for p in params]
        for p, g in zip(self.params, grads, strict=True):
            p.grad = g
        self.eta, self.t = eta, 0
        self.optimizer = torch.optim.Adam(self.params, lr=RATE, **options)
        self.optimizer.register_step_pre_hook(self._add_noise)

    def step(self) -> None:
        """Make one step."""
        self.optimizer.step()

    def _add_noise(self, *_: Any) -> None:
        noise = sigma(self.t, self.eta)
        self.t += 1
        if noise == 0:
            return
        for p in self.params:
            p.grad.add_(torch.randn_like(p.grad), alpha=noise)
