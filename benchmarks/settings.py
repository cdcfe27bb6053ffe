"""What a run measures."""

from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.ensembles import PARAMETERS, RUNS
from benchmarks.language_model import WORDS
from benchmarks.memory_network import SLOTS
from benchmarks.place import VARIANTS
from benchmarks.sections import SECTIONS
from benchmarks.task import MACHINE, Task

__all__ = ["Settings"]

#: Sizes of the models: slots of the memory, words of the vocabulary.
MODELS = {"memory-network": SLOTS, "language-model": WORDS}

#: Where timings with many leaves and of first calls are made, if it is among the sizes; and where
#: memory is measured, for a resident set is counted coarsely.
USUAL = {"leaves": 10**6, "first-call": 10**6, "memory": 10**7}


@dataclass(frozen=True)
class Settings:
    """What a run measures; the options of the command, checked there."""

    sections: tuple[str, ...] = tuple(SECTIONS)
    variants: tuple[str, ...] = tuple(VARIANTS)
    sizes: tuple[int, ...] = (10**3, 10**4, 10**5, 10**6, 10**7)
    leaves: tuple[int, ...] = (1, 10, 100, 1000)
    budget: float = 3.0
    clock: str = "wall"
    threads: int = 1
    device: str = "cpu"
    timeout: float = 3600.0

    @property
    def command(self) -> str:
        """The command that measures this again."""
        words = ["gradnoise bench"]
        usual = Settings()
        for name, option in (("sections", "--section"), ("variants", "--variant")):
            if getattr(self, name) != getattr(usual, name):
                words += [f"{option} {value}" for value in getattr(self, name)]
        for name in ("sizes", "leaves"):
            if getattr(self, name) != getattr(usual, name):
                words.append(f"--{name} {','.join(str(n) for n in getattr(self, name))}")
        for name in ("budget", "clock", "threads", "device", "timeout"):
            if getattr(self, name) != getattr(usual, name):
                words.append(f"--{name} {getattr(self, name)}")
        return " ".join(words)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON has them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def task(self, section: str, variant: str, contestant: str = "") -> Task:
        """Return a task: all sizes if it times them, else the usual one, or the nearest below.

        Of ensembles, the network is the paper's and the numbers of runs are fixed.
        """
        sizes = list(self.sizes)
        usual = None if section == MACHINE else USUAL.get(SECTIONS[section].how)
        if usual is not None:
            sizes = [max((n for n in sizes if n <= usual), default=min(sizes))]
        leaves = list(self.leaves)
        if section != MACHINE and SECTIONS[section].how == "replicas":
            sizes, leaves = [PARAMETERS], list(RUNS)
        if section in MODELS:
            sizes, leaves = list(MODELS[section]), [1]
        return Task(
            section,
            variant,
            contestant,
            sizes,
            leaves,
            self.budget,
            self.clock,
            self.threads,
            self.device,
        )
