"""The figures to reach, as data: one-threaded, 10**6 float32 elements unless it is said.

Printed beside what was measured, met or missed; never asserted in a test.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.ensembles import PARAMETERS, RUNS
from benchmarks.language_model import WORDS
from benchmarks.machine import copy_rate
from benchmarks.memory_network import SLOTS
from benchmarks.records import Document, Ratio
from benchmarks.sections import SECTIONS

__all__ = [
    "TARGETS",
    "Bandwidth",
    "FirstCallTarget",
    "RatioTarget",
    "Target",
    "Verdict",
    "is_meant",
    "judge",
]

_GATHERED, _AUTOGRAD = "torch autograd, gather", "torch autograd"
OURS, COMPILED, JIT = "ours", "ours, torch.compile", "ours, jit"
TOGETHER = "one program"


@dataclass(frozen=True)
class RatioTarget:
    """A ratio of times, at most; where several of ours may serve, the fastest counts."""

    name: str
    at_most: float
    section: str
    variant: str
    ours: tuple[str, ...]
    to: str
    size: int = 10**6
    leaves: int = 1
    to_leaves: int = 1
    device: str = "cpu"
    unit: str = ""


@dataclass(frozen=True)
class FirstCallTarget:
    """Seconds of a first call, at most."""

    name: str
    at_most: float
    section: str
    variant: str
    ours: tuple[str, ...]
    cache: str
    device: str = "cpu"
    unit: str = " s"


@dataclass(frozen=True)
class Bandwidth:
    """A copy's rate over that of the bytes which ours must move, at most."""

    name: str
    at_most: float
    section: str
    variant: str
    ours: tuple[str, ...]
    size: int
    device: str = "cpu"
    unit: str = ""


Target = RatioTarget | FirstCallTarget | Bandwidth


@dataclass(frozen=True)
class Verdict:
    """A target and what was measured; `by` says which of ours, or why there is no figure."""

    target: Target
    measured: float | None
    by: str

    @property
    def word(self) -> str:
        """Return met, missed or not measured."""
        if self.measured is None:
            return "not measured"
        return "met" if self.measured <= self.target.at_most else "missed"


def _leaves(kind: str, section: str, library: str, variant: str) -> RatioTarget:
    name = f"1,000 leaves to one, {kind}, {library}"
    return RatioTarget(name, 2.5, section, variant, (OURS,), OURS, leaves=1000)


def _runs(library: str, variant: str, at_most: float, device: str = "cpu") -> RatioTarget:
    """Return the target of 40 runs as one program over 40 solo runs."""
    return RatioTarget(
        f"40 runs as one program, {library}",
        at_most,
        "ensembles",
        variant,
        (TOGETHER,),
        "solo runs",
        size=PARAMETERS,
        leaves=max(RUNS),
        to_leaves=max(RUNS),
        device=device,
    )


_PCG64 = "Generator(PCG64)"
_FUSED = "Adam(fused) + randn"
_THREEFRY = "jax.random.normal (threefry)"

TARGETS: tuple[Target, ...] = (
    RatioTarget("NumPy normals, no numba", 1.2, "normals", "numpy", (OURS,), _PCG64),
    RatioTarget("NumPy normals, numba", 0.35, "normals", "numpy-numba", (OURS,), _PCG64),
    RatioTarget("torch normals", 0.6, "normals", "torch", (OURS, COMPILED), "torch.randn"),
    RatioTarget("JAX normals", 0.45, "normals", "jax", (JIT,), _THREEFRY),
    RatioTarget("noisy Adam, JAX", 0.45, "adam", "jax", (JIT,), "optax, jit"),
    RatioTarget("noisy Adam, torch", 0.7, "adam", "torch", (OURS, COMPILED), _FUSED),
    RatioTarget(
        "memory network, NumPy", 1.5, "memory-network", "numpy", (OURS,), _GATHERED, size=SLOTS[-1]
    ),
    RatioTarget(
        "memory network, JAX", 0.5, "memory-network", "jax", (JIT,), _GATHERED, size=SLOTS[-1]
    ),
    RatioTarget(
        "language model, NumPy", 1.5, "language-model", "numpy", (OURS,), _AUTOGRAD, size=WORDS[-1]
    ),
    RatioTarget(
        "language model, JAX", 0.5, "language-model", "jax", (JIT,), _AUTOGRAD, size=WORDS[-1]
    ),
    RatioTarget(
        "noisy Adam, NumPy, numba", 0.35, "adam", "numpy-numba", (OURS,), "in place (PCG64)"
    ),
    _leaves("noise", "noise-leaves", "NumPy", "numpy"),
    _leaves("noise", "noise-leaves", "NumPy with numba", "numpy-numba"),
    _leaves("noise", "noise-leaves", "torch", "torch"),
    _leaves("noisy Adam", "adam-leaves", "NumPy", "numpy"),
    _leaves("noisy Adam", "adam-leaves", "NumPy with numba", "numpy-numba"),
    _leaves("noisy Adam", "adam-leaves", "torch", "torch"),
    _runs("NumPy", "numpy", 1 / 2),
    _runs("NumPy with numba", "numpy-numba", 1 / 2),
    _runs("JAX", "jax", 1 / 3),
    _runs("GPU, torch", "torch", 1 / 10, "cuda"),
    _runs("GPU, JAX", "jax", 1 / 10, "cuda"),
    FirstCallTarget(
        "torch.compile, first call of the noise, cold",
        20,
        "first-call",
        "torch",
        (COMPILED,),
        "cold",
    ),
    FirstCallTarget(
        "torch.compile, first call of the noise, cached",
        3,
        "first-call",
        "torch",
        (COMPILED,),
        "cached",
    ),
    RatioTarget(
        "GPU, noise added, torch, 10**8 elements",
        0.7,
        "noise",
        "torch",
        (OURS, COMPILED),
        "add_(randn)",
        size=10**8,
        device="cuda",
    ),
    Bandwidth(
        "GPU, the same, a copy's rate over ours",
        1 / 0.6,
        "noise",
        "torch",
        (OURS, COMPILED),
        10**8,
        "cuda",
    ),
)


def judge(documents: list[Document]) -> list[Verdict]:
    """Return every target with its figure, from the document of its device."""
    by_device = {document.settings["device"]: document for document in documents}
    return [_judge(target, by_device.get(target.device)) for target in TARGETS]


def _judge(target: Target, document: Document | None) -> Verdict:
    if document is None:
        return Verdict(target, None, f"no run on {target.device}")
    figures = list(_figures(target, document))
    if not figures:
        return Verdict(target, None, f"not in the run on {target.device}")
    measured, by = min(figures)
    threads = document.settings["threads"]
    return Verdict(target, measured, by if threads == 1 else f"{by}; {threads} threads")


def _figures(target: Target, document: Document) -> Iterator[tuple[float, str]]:
    """Yield each figure of ours that the target is about, and whose it is."""
    found = document.found
    if isinstance(target, RatioTarget):
        yield from ((r.ratio.median, r.contestant) for r in found.ratios if is_meant(target, r))
    elif isinstance(target, FirstCallTarget):
        for call in _here(target, found.first_calls):
            if call.cache == target.cache:
                yield call.first_call, call.contestant
    elif found.rates is not None:
        moved = SECTIONS[target.section].bytes * target.size
        for time in _here(target, found.times):
            if time.size == target.size:
                rate = moved / time.seconds.median
                yield copy_rate(found.rates, moved) / rate, time.contestant


def _here(target: Target, records: Iterable[Any]) -> Iterator[Any]:
    """Yield the records of the target's section, variant and contestants."""
    for record in records:
        here = (record.section, record.variant) == (target.section, target.variant)
        if here and record.contestant in target.ours:
            yield record


def is_meant(target: RatioTarget, ratio: Ratio) -> bool:
    """Return whether a target is about a ratio."""
    return (
        (ratio.section, ratio.variant, ratio.size) == (target.section, target.variant, target.size)
        and (ratio.leaves, ratio.to_leaves) == (target.leaves, target.to_leaves)
        and (ratio.contestant in target.ours and ratio.to == target.to)
    )
