"""The sections of the suite: one table, from which runs, floors, plots and pages are made."""

import importlib
from typing import NamedTuple

from benchmarks.work import Contestant

__all__ = ["SECTIONS", "Section", "contestants"]

# 32-bit integer operations, counted as low as they can be. Threefry-2x32-20 on a pair: 20 rounds of
# an addition, a rotation and an exclusive or, 5 injections of two key words, 2 additions to begin;
# half of it a word. The quantile: shift and xor; two shifts, a subtraction, an and; and, xor for
# the sign. Conversions, gathers and arithmetic in floats are left out: other units do them.
_WORD = (20 * 3 + 5 * 2 + 2) / 2
_NORMAL = _WORD + 8


class Section(NamedTuple):
    """A section.

    Attributes
    ----------
    name, title : str
    module : str
        Which module's contestants it measures.
    how : str
        "timed" over sizes, "leaves" over numbers of leaves, "replicas" over numbers of runs,
        "model" over sizes of its own, or
        "memory" or "first-call", with a process for each contestant.
    bytes : float
        What an element must move to and from memory; 0 where no floor is drawn.
    operations : float
        32-bit integer operations that an element needs.
    """

    name: str
    title: str
    module: str
    how: str
    bytes: float = 0.0
    operations: float = 0.0


SECTIONS = {
    section.name: section
    for section in (
        Section("normals", "standard normals", "normals", "timed", 4, _NORMAL),
        Section("noise", "gradient noise, g + sigma z", "noise", "timed", 8, _NORMAL),
        Section("adam", "noisy-Adam step", "adam", "timed", 28, _NORMAL),
        Section("noise-leaves", "gradient noise in many leaves", "noise", "leaves"),
        Section("adam-leaves", "noisy-Adam step in many leaves", "adam", "leaves"),
        Section("ensembles", "an update of many runs", "ensembles", "replicas"),
        Section("memory-network", "an update of a memory network", "memory_network", "model"),
        Section("language-model", "an update of a language model", "language_model", "model"),
        Section("memory", "peak extra memory of a noisy-Adam step", "adam", "memory"),
        Section("first-call", "first call of gradient noise", "noise", "first-call"),
    )
}


def contestants(section: Section, library: str) -> tuple[Contestant, ...]:
    """Return who takes part in a section on a library. No framework is imported."""
    everyone: dict[str, tuple[Contestant, ...]]
    everyone = importlib.import_module(f"benchmarks.{section.module}").CONTESTANTS
    return tuple(c for c in everyone[library] if c.many or section.how != "leaves")
