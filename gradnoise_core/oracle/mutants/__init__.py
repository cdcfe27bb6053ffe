"""Wrong implementations, each a real or a likely bug, by which the oracle itself is judged.

`MUTANTS` must all be caught, and `RIGHT` must pass with whatever seed: the score is a test of the
suite and a table of the documentation.
"""

from gradnoise_core.oracle.mutants._catalogue import Implementation, Mutant
from gradnoise_core.oracle.mutants._clipping import CLIPPING_MUTANTS
from gradnoise_core.oracle.mutants._noise_distribution import DISTRIBUTION_MUTANTS
from gradnoise_core.oracle.mutants._noise_independence import INDEPENDENCE_MUTANTS
from gradnoise_core.oracle.mutants._noise_scale import SCALE_MUTANTS
from gradnoise_core.oracle.mutants._optimizers import OPTIMIZER_MUTANTS
from gradnoise_core.oracle.mutants._right import RIGHT
from gradnoise_core.oracle.mutants._schedules import SCHEDULE_MUTANTS
from gradnoise_core.oracle.mutants._stream import STREAM_MUTANTS

__all__ = ["MUTANTS", "RIGHT", "Implementation", "Mutant"]

#: The catalogue of wrong implementations.
MUTANTS: tuple[Mutant, ...] = (
    *SCHEDULE_MUTANTS,
    *SCALE_MUTANTS,
    *DISTRIBUTION_MUTANTS,
    *INDEPENDENCE_MUTANTS,
    *CLIPPING_MUTANTS,
    *STREAM_MUTANTS,
    *OPTIMIZER_MUTANTS,
)
