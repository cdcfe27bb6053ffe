"""Noise as torch operators, for steps under ``torch.compile``.

An operator is opaque to the compiler, so it breaks no graph, and runs the eager code, so it has
the same bits. The step count goes in as a tensor: as a number it would be compiled anew each step.
"""

import itertools
import weakref
from collections.abc import Sequence
from typing import Any

import torch

__all__ = ["add_noise_", "register"]

_SOURCES: "weakref.WeakValueDictionary[int, Any]" = weakref.WeakValueDictionary()
_NUMBERS = itertools.count()


def register(source: Any) -> int:
    """Return the number by which operators know a source of noise, which must outlive its graphs.

    Its method ``_add_noise_(leaves, places, t, scale)`` adds noise in place to the leaves of the
    parameters that stand at `places` in its optimizer.
    """
    number = next(_NUMBERS)
    _SOURCES[number] = source
    return number


def add_noise_(
    number: int,
    leaves: list[torch.Tensor],
    places: list[int],
    steps: torch.Tensor,
    scale: torch.Tensor | None,
    found_inf: torch.Tensor | None,
) -> None:
    """Add noise in place, unless a GradScaler has found an infinity."""
    torch.ops.gradnoise.add_noise_(leaves, steps, scale, found_inf, places, number)


# A CUDA graph would add the noise of one step at every replay. Older torch has no such tag.
_UNSAFE = getattr(torch.Tag, "cudagraph_unsafe", None)
_TAGS: dict[str, Any] = {} if _UNSAFE is None else {"tags": (_UNSAFE,)}


@torch.library.custom_op("gradnoise::add_noise_", mutates_args=("leaves",), **_TAGS)
def _add_noise_op(
    leaves: Sequence[torch.Tensor],
    steps: torch.Tensor,
    scale: torch.Tensor | None,
    found_inf: torch.Tensor | None,
    places: Sequence[int],
    number: int,
) -> None:
    if found_inf is None or not bool(found_inf):
        _SOURCES[number]._add_noise_(leaves, places, int(steps), scale)


@_add_noise_op.register_fake
def _(
    leaves: Sequence[torch.Tensor],
    steps: torch.Tensor,
    scale: torch.Tensor | None,
    found_inf: torch.Tensor | None,
    places: Sequence[int],
    number: int,
) -> None:
    return None
