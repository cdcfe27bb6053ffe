"""Wrong optimizers: each known mistake, in an implementation that claims to be right."""

import functools
from collections.abc import Callable
from typing import Any

from gradnoise_core.optimizers import keywords
from gradnoise_core.oracle._wrong import MISTAKES, Mistake
from gradnoise_core.oracle.mutants._catalogue import Mutant
from gradnoise_core.oracle.mutants._langevin import LANGEVIN_MUTANTS

__all__ = ["OPTIMIZER_MUTANTS"]


def _of(mistake: Mistake) -> Mutant:
    k = {**keywords(mistake.optimizer, mistake.dialect), **mistake.hyperparameters}

    def make(_: int) -> Callable[[], Any]:
        return functools.partial(mistake.make, mistake.optimizer, k)

    return Mutant(
        name=mistake.name,
        kind="optimizer",
        make=make,
        check="check_optimizer",
        arguments={
            "optimizer": mistake.optimizer,
            "dialect": mistake.dialect,
            "learning_rate": mistake.learning_rate,
            **mistake.hyperparameters,
        },
        wrong=mistake.wrong,
        source=mistake.source,
        diagnosis=mistake.diagnosis or mistake.wrong,
    )


#: Every wrong optimizer.
OPTIMIZER_MUTANTS: tuple[Mutant, ...] = (*map(_of, MISTAKES), *LANGEVIN_MUTANTS)
