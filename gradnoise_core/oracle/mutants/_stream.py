"""Ports of the noise stream that are wrong in one decision each."""

import functools
from collections.abc import Callable
from typing import Any

from gradnoise_core.oracle._stream_port import Port, draw
from gradnoise_core.oracle._stream_variants import VARIANTS
from gradnoise_core.oracle.mutants._catalogue import Mutant

__all__ = ["STREAM_MUTANTS"]


def _make(port: Port, seed: int) -> Callable[..., Any]:
    return functools.partial(draw, port)


STREAM_MUTANTS: tuple[Mutant, ...] = tuple(
    Mutant(
        name=f"stream-{variant.name}",
        kind="stream",
        make=functools.partial(_make, variant.port),
        check="check_stream",
        wrong=variant.mistake,
        source=variant.source,
        diagnosis=variant.mistake,
    )
    for variant in VARIANTS
)
