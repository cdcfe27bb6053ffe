"""What one process is asked to measure."""

from dataclasses import dataclass

from benchmarks.place import VARIANTS, Variant
from benchmarks.sections import SECTIONS, Section

__all__ = ["MACHINE", "Task"]

#: The section of a task that measures the machine itself.
MACHINE = "machine"


@dataclass(frozen=True)
class Task:
    """A section on a variant; of one contestant alone where each needs a process of its own.

    `budget` is in seconds for each contestant and size.
    """

    section: str
    variant: str
    contestant: str
    sizes: list[int]
    leaves: list[int]
    budget: float
    clock: str
    threads: int
    device: str

    @property
    def of(self) -> Section:
        """The section."""
        return SECTIONS[self.section]

    @property
    def on(self) -> Variant:
        """The variant."""
        return VARIANTS[self.variant]

    @property
    def label(self) -> str:
        """A name for messages."""
        return ", ".join(filter(None, [self.section, self.variant, self.contestant]))
