"""One registry of mistakes in optimizers: the diagnosis and the catalogue of mutants read it."""

from gradnoise_core.oracle._wrong._registry import Mistake
from gradnoise_core.oracle._wrong.adam import ADAM
from gradnoise_core.oracle._wrong.adamw import ADAMW
from gradnoise_core.oracle._wrong.momentum import MOMENTUM
from gradnoise_core.oracle._wrong.squares import SQUARES
from gradnoise_core.oracle._wrong.structure import STRUCTURE

__all__ = ["MISTAKES", "Mistake"]

#: Mistakes of a formula first: one of the frame is named where none of these explains it.
MISTAKES: tuple[Mistake, ...] = (*ADAM, *ADAMW, *MOMENTUM, *SQUARES, *STRUCTURE)
