"""The world judged: what the oracle finds of the optimizers and the noise of others."""

from gradnoise_reference_models.world._frameworks import FRAMEWORKS, Framework
from gradnoise_reference_models.world._host import HostError, Hosts
from gradnoise_reference_models.world._judge import Verdict, judge, version_of
from gradnoise_reference_models.world._record import Record, differences
from gradnoise_reference_models.world._subject import NoiseSubject, OptimizerSubject, Subject
from gradnoise_reference_models.world._text import lines_of, size_of, summary
from gradnoise_reference_models.world._threads import REPOSITORIES, address
from gradnoise_reference_models.world._world import WORLD, chosen

__all__ = [
    "FRAMEWORKS",
    "REPOSITORIES",
    "WORLD",
    "Framework",
    "HostError",
    "Hosts",
    "NoiseSubject",
    "OptimizerSubject",
    "Record",
    "Subject",
    "Verdict",
    "address",
    "chosen",
    "differences",
    "judge",
    "lines_of",
    "size_of",
    "summary",
    "version_of",
]
