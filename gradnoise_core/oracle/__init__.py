"""What makes this library a judge: published facts, and checks of implementations."""

from gradnoise_core.oracle._check_stream import check_stream
from gradnoise_core.oracle._identify import identify_dialect
from gradnoise_core.oracle._langevin_scales import LangevinScales, langevin_scales
from gradnoise_core.oracle._noise import check_noise
from gradnoise_core.oracle._noise_seeds import check_noise_seeds
from gradnoise_core.oracle._optimizer import check_optimizer
from gradnoise_core.oracle._reading import Identification, Reading
from gradnoise_core.oracle._report import Claim, ConformanceError, Report
from gradnoise_core.oracle._schedule import check_schedule
from gradnoise_core.oracle._steps import Deviation, OptimizerSteps, optimizer_steps
from gradnoise_core.oracle._stream import (
    MILLION_NORMALS_SHA256,
    MILLION_WORDS_SHA256,
    StreamReport,
    check_stream_bits,
)

__all__ = [
    "MILLION_NORMALS_SHA256",
    "MILLION_WORDS_SHA256",
    "Claim",
    "ConformanceError",
    "Deviation",
    "Identification",
    "LangevinScales",
    "OptimizerSteps",
    "Reading",
    "Report",
    "StreamReport",
    "check_noise",
    "check_noise_seeds",
    "check_optimizer",
    "check_schedule",
    "check_stream",
    "check_stream_bits",
    "identify_dialect",
    "langevin_scales",
    "optimizer_steps",
]
