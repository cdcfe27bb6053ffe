"""The network of the run as a torch module, and what its trainers must come to."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from training_run import SIZES, distance, first_weights, trained

import gradnoise_core as gn

__all__ = ["PATHS", "Network", "to_reference", "weights"]

PATHS = ("hidden.weight", "hidden.bias", "out.weight", "out.bias")


class Network(torch.nn.Module):  # type: ignore[misc]
    """The network with its first weights."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = torch.nn.Linear(*SIZES[:2], dtype=torch.float64)
        self.out = torch.nn.Linear(*SIZES[1:], dtype=torch.float64)
        with torch.no_grad():
            for path, w in zip(PATHS, first_weights(transposed=True), strict=True):
                self.get_parameter(path).copy_(torch.from_numpy(w))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.out(torch.relu(self.hidden(x)))
        return out


def weights(module: torch.nn.Module, prefix: str = "") -> list[Any]:
    """Return its weights, copied."""
    return [module.get_parameter(prefix + path).detach().numpy().copy() for path in PATHS]


def to_reference(
    found: Sequence[Any], *links: Any, micro: int = 1, prefix: str = "", updates: int = 0
) -> float:
    """Return how far weights are from those that NumPy's run comes to under a chain."""
    paths = [prefix + path for path in PATHS]
    options = {"updates": updates} if updates else {}
    run = trained(gn.chain(*links), paths, micro=micro, transposed=True, **options)
    assert all(w.dtype == np.float64 for w in found)
    return distance(found, run[-1])
