"""What a contestant is given: sizes, trees of arrays, and the constants of the noise."""

from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.place import Place
from benchmarks.timing import Call

__all__ = ["ETA", "GAMMA", "RATE", "Contestant", "Work", "sigma", "split", "tree"]

#: The paper's noise, and Adam's usual rate.
ETA, GAMMA, RATE = 0.01, 0.55, 1e-3


class Work(NamedTuple):
    """So many elements, in so many leaves."""

    size: int
    leaves: int = 1


class Contestant(NamedTuple):
    """Something to be timed.

    Attributes
    ----------
    name : str
    ours : bool
        Ours, or a peer.
    make : callable
        ``(place, work) -> call``. The library is imported here, not before.
    many : bool
        Whether it takes part with many leaves.
    """

    name: str
    ours: bool
    make: Callable[[Place, Work], Call]
    many: bool = True


def sigma(t: int, eta: float = ETA) -> float:
    """Return the noise's standard deviation at step t."""
    return (eta / (1 + t) ** GAMMA) ** 0.5


def split(size: int, leaves: int) -> list[int]:
    """Return `leaves` sizes that sum to `size` and differ by one at most."""
    quotient, rest = divmod(size, leaves)
    return [quotient + (i < rest) for i in range(leaves)]


def tree(place: Place, work: Work, seed: int) -> dict[str, Any]:
    """Return leaves of float32 normals on the place's device."""
    import numpy as np

    rng = np.random.Generator(np.random.SFC64(seed))
    return {
        f"w{i:04}": place.backend.from_host(
            rng.standard_normal(n, dtype=np.float32), device=place.device
        )
        for i, n in enumerate(split(work.size, work.leaves))
    }
