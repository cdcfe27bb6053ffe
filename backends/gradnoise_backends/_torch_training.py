"""The noise of a training run: of every optimizer that a trainer made, from its start to its end."""

from collections.abc import Sequence
from typing import Any

import torch

from gradnoise_backends.torch_optim import OptimizerNoise, add_gradient_noise
from gradnoise_core.typing import Schedule, Seed

__all__ = ["TrainingNoise"]


class TrainingNoise:
    """Settings of noise, and the optimizers that have it now.

    Parameters
    ----------
    eta, gamma, seed, schedule, placement
        As `gradnoise_backends.torch_optim.add_gradient_noise` takes them, and refused as there.
    """

    def __init__(
        self, eta: Any, gamma: float, seed: Seed, schedule: Schedule | None, placement: str
    ) -> None:
        """Take settings, and refuse bad ones at once, not when training begins."""
        self._settings = (eta, gamma, seed)
        self._schedule, self._placement = schedule, placement
        self._held: list[tuple[torch.optim.Optimizer, OptimizerNoise]] = []
        p = torch.nn.Parameter(torch.zeros(1))
        self._add(torch.optim.SGD([p], lr=1.0), {"p": p}, None).remove()

    @property
    def counts(self) -> list[int]:
        """The t of the next step of each optimizer that has noise now."""
        return [noise.count for _, noise in self._held]

    def attach(self, optimizers: Sequence[torch.optim.Optimizer], model: Any) -> None:
        """Make optimizers noisy, and those noisy until now no longer."""
        self.detach()
        seen: set[int] = set()
        for i, optimizer in enumerate(optimizers):
            params = {id(p) for group in optimizer.param_groups for p in group["params"]}
            # Two optimizers of one parameter would give it the same noise twice.
            domain = f"{self._placement}-noise-{i}" if seen & params else None
            seen |= params
            self._held.append((optimizer, self._add(optimizer, model, domain)))

    def detach(self) -> None:
        """Take the noise from the optimizers, and leave what a checkpoint needs to go on."""
        for optimizer, noise in self._held:
            before = [dict(group) for group in optimizer.param_groups]
            noise.remove()
            for group, had in zip(optimizer.param_groups, before, strict=True):
                # Its count, a plain number now: trainers save checkpoints after training too.
                group.update({key: int(had[key]) for key in had if key not in group})
        self._held = []

    def _add(
        self, optimizer: torch.optim.Optimizer, model: Any, domain: str | None
    ) -> OptimizerNoise:
        return add_gradient_noise(
            optimizer,
            model,
            *self._settings,
            schedule=self._schedule,
            placement=self._placement,
            domain=domain,
        )
