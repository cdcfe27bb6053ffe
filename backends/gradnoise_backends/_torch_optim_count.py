"""The step count of a noisy optimizer, which rides in its parameter groups.

A key of the groups is saved and restored by whatever saves an optimizer: ``state_dict``, and
``torch.distributed.checkpoint``, which keeps nothing else but states of parameters.
"""

import operator
import warnings
from typing import Any

import torch

__all__ = ["Count"]


class Count:
    """How many noisy steps an optimizer made, under the key ``"<domain>-count"`` of its groups."""

    def __init__(self, optimizer: torch.optim.Optimizer, domain: str) -> None:
        """Start at what the groups say, of a checkpoint loaded before, or else at 0."""
        self._optimizer, self._key = optimizer, f"{domain}-count"
        # In memory of its own, so that a compiled step has no constant to be compiled anew for.
        self.steps = torch.zeros((), dtype=torch.int64)
        self.steps.fill_(self._found() or 0)
        self._hold()
        self._hooks = [
            optimizer.register_state_dict_post_hook(self._saved),
            optimizer.register_load_state_dict_post_hook(self._loaded),
        ]

    @property
    def value(self) -> int:
        """The t of the next step."""
        return int(self.steps)

    @value.setter
    def value(self, value: int) -> None:
        if operator.index(value) < 0:
            message = (
                f"`count` must be an integer >= 0, got {value!r}. It is the t of the next step."
            )
            raise ValueError(message)
        self.steps.fill_(value)

    def advance(self, found_inf: torch.Tensor | None = None) -> None:
        """Count a step, unless a GradScaler has found an infinity."""
        if found_inf is None:
            self.steps.add_(1)
        else:
            self.steps.add_((found_inf == 0).to(self.steps))

    def remove(self) -> None:
        """Take the count out of the groups."""
        for hook in self._hooks:
            hook.remove()
        for group in self._optimizer.param_groups:
            group.pop(self._key, None)

    def _hold(self) -> None:
        for group in self._optimizer.param_groups:
            group[self._key] = self.steps

    def _found(self) -> int | None:
        """Return what a checkpoint has put into the groups."""
        found = [g[self._key] for g in self._optimizer.param_groups if self._key in g]
        return max(map(int, found), default=None)

    def _saved(self, _: torch.optim.Optimizer, state: dict[str, Any]) -> None:
        # A number, which the next step does not change.
        for group in state["param_groups"]:
            group[self._key] = self.value

    def _loaded(self, _: torch.optim.Optimizer) -> None:
        found = self._found()
        if found is None:
            warnings.warn(
                f"The state that was loaded has no count of noisy steps ({self._key!r}): it was "
                "saved without noise. The noise starts at t = 0; set `.count` for another t.",
                stacklevel=2,
            )
        self.steps.fill_(found or 0)
        self._hold()
