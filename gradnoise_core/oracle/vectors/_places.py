"""Where in the stream the vectors look: both sides of every boundary that a port could miss."""

from dataclasses import dataclass
from typing import Any

from gradnoise_core.typing import Shape

__all__ = ["DOMAINS", "PATHS", "PLACES", "SEEDS", "STEPS", "Place"]

#: Every use that the library makes of a seed.
DOMAINS = (
    "gradient-noise",
    "weight-noise",
    "dropout",
    "init",
    "data-order",
    "sgld",
    "psgld",
    "santa",
    "santa-momentum",
)

#: The root, plain names, a separator that is none, and text that is not ASCII; the two that look
#: alike are one letter, and a letter with an accent: paths are not normalized.
PATHS = ("", "w", "layers/0/weight", "layers.0.weight", "β", "重み/0", "🙂", "é", "e\u0301")

SEEDS = (0, 1, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1)

#: A step is a 64-bit number too.
STEPS = (0, 1, 2, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63, 2**64 - 1)

#: Around these elements the halves of a counter, or the sign of one, change.
_STARTS = (0, 1, 7, 2**31 - 4, 2**32 - 4, 2**33 - 4, 2**33 - 3, 2**34 - 4, 2**63 - 4, 2**64 - 8)


@dataclass(frozen=True)
class Place:
    """A block of a leaf at a step.

    Parameters
    ----------
    seed : int or tuple of int
        One, or one a replica.
    domain, path : str
    step : int
    shape : tuple of int
        Of the block.
    within, at : tuple of int, optional
        The shape of the whole leaf, and where the block starts; None for the whole leaf.
    """

    seed: int | tuple[int, ...] = 1
    domain: str = "gradient-noise"
    path: str = "layers/0/weight"
    step: int = 0
    shape: Shape = (8,)
    within: Shape | None = None
    at: Shape | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON, whose readers round integers above 2**53: so they are strings."""
        whole = self.shape if self.within is None else self.within
        several = isinstance(self.seed, tuple)
        return {
            "seed": [str(s) for s in self.seeds] if several else str(self.seed),
            "domain": self.domain,
            "path": self.path,
            "step": str(self.step),
            "shape": list(self.shape),
            "within": [str(n) for n in whole],
            "at": [str(n) for n in self.at or (0,) * len(whole)],
        }

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, one a replica; of a solo run its own."""
        return self.seed if isinstance(self.seed, tuple) else (self.seed,)


#: Groups of places; those of a group have one shape.
PLACES: dict[str, tuple[Place, ...]] = {
    "seeds": tuple(Place(seed=s) for s in SEEDS),
    "steps": tuple(Place(step=t) for t in STEPS),
    "domains": tuple(Place(domain=d) for d in DOMAINS),
    "paths": tuple(Place(path=p) for p in PATHS),
    "elements": tuple(Place(within=(2**64,), at=(i,)) for i in _STARTS),
    "all-at-once": (
        Place(2**64 - 1, "init", "重み/0", 2**64 - 1, within=(2**64,), at=(2**64 - 8,)),
        Place(2**32, "dropout", "", 2**32, within=(2**33 + 8,), at=(2**33 - 1,)),
    ),
    "blocks": (
        Place(shape=(2, 3), within=(4, 5), at=(1, 2)),
        Place(shape=(2, 3), within=(2**20, 2**20), at=(2**12 - 1, 2**20 - 3)),
        Place(shape=(2, 3), within=(3, 2**33), at=(1, 2**32 - 1)),
        Place(shape=(2, 3), within=(2**32, 2**32), at=(2**32 - 2, 2**32 - 3)),
    ),
    "scalar": (Place(shape=()),),
    "matrix": (Place(shape=(3, 5)),),
    "tensor": (Place(shape=(2, 3, 4)),),
    "long": (Place(shape=(4099,)),),
    "replicas": (Place(seed=(0, 1, 2**32, 2**64 - 1)), Place(seed=(5, 5, 3, 4), step=2**32 - 1)),
}
