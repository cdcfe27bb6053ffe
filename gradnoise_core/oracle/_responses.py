"""How an optimizer responds to gradients that tell its hyperparameters apart, element by element."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from gradnoise_core.oracle._probes import Probes
from gradnoise_core.oracle._trajectory import Path
from gradnoise_core.oracle.vectors._outside import SCALES, uniform
from gradnoise_core.typing import Shape

__all__ = ["DECAYS", "ELEMENTS", "FALL", "LENGTH", "SIZES", "Responses", "observed", "scripts"]

#: Steps in all, and the first at another rate.
LENGTH, FALL = 60, 40

#: The sizes of constant gradients, from a start at 0.
SIZES = tuple(10.0**i for i in range(-12, 3))

#: The sizes of parameters without a gradient.
DECAYS = tuple(10.0**i for i in range(-10, 3))

#: Steps with a gradient of 1, all others having none, from a start at 0.
PULSES: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "first": lambda t: t == 0,
        "second": lambda t: t == 1,
        "from the sixth on": lambda t: t >= 5,
        "falling": lambda t: 10.0 ** (1 - t // 4),
        "alternating": lambda t: (-1.0) ** t,
    }
)

_RANDOM = 2 * len(SCALES)

#: How many elements are needed.
ELEMENTS = len(SIZES) + len(DECAYS) + len(PULSES) + _RANDOM + 1


def _columns() -> tuple[Any, Any]:
    """Return the starts, (E,), and the gradients, (T, E)."""
    t = np.arange(LENGTH, dtype=np.float64)
    columns = [np.full(LENGTH, size) for size in SIZES]
    columns += [np.zeros(LENGTH) for _ in DECAYS]
    columns += [np.asarray(pulse(t), np.float64) for pulse in PULSES.values()]
    scale = np.concatenate([SCALES, SCALES])
    columns += list((uniform("identify/gradients", (LENGTH, _RANDOM)) * scale).T)
    columns.append(np.zeros(LENGTH))
    start = np.zeros(ELEMENTS)
    start[len(SIZES) : len(SIZES) + len(DECAYS)] = DECAYS
    start[-1 - len(SCALES) : -1] = 2 * uniform("identify/start", (len(SCALES),))
    return start, np.stack(columns, axis=1) + 0.0


def scripts(shapes: Mapping[str, Shape], dtype: str) -> Probes:
    """Return starts and gradients for leaves of these shapes: the scripts, again and again."""
    start, gradients = _columns()
    first = 0
    starts, columns, idle = [], [], []
    for shape in shapes.values():
        size = int(np.prod(shape))
        which = np.arange(first, first + size).reshape(shape) % ELEMENTS
        first += size
        starts.append(start[which].astype(dtype))
        columns.append(gradients[:, which].astype(dtype))
        idle.append(which == ELEMENTS - 1)
    return Probes(tuple(shapes), starts, [[c[t] for c in columns] for t in range(LENGTH)], idle)


@dataclass(frozen=True)
class Responses:
    """What was observed of one element for each script, in float64.

    Parameters
    ----------
    start, gradients : arrays
        (E,) and (T, E), as the subject had them.
    path : array
        (T, E), the parameters after each step.
    rates : sequence of (float, bool)
        Of each step the rate, and whether it is in units of the first, which is unknown.
    dtype : str
    rate : float, optional
        The first rate, where it is known.
    """

    start: Any
    gradients: Any
    path: Any
    rates: Sequence[tuple[float, bool]]
    dtype: str
    rate: float | None = None

    @property
    def moved(self) -> Any:
        """The change at each step, (T, E)."""
        return np.diff(self.path, axis=0, prepend=self.start[None])

    def first(self) -> Any:
        """Return by how much the first step moved under each of `SIZES`, downhill."""
        return -self.moved[0, : len(SIZES)]

    def decay(self) -> Any:
        """Return by how much the first step moved each of `DECAYS`, towards 0."""
        return -self.moved[0, len(SIZES) : len(SIZES) + len(DECAYS)]

    def pulse(self, name: str) -> Any:
        """Return by how much each step moved downhill after a pulse, (T,)."""
        at = len(SIZES) + len(DECAYS) + list(PULSES).index(name)
        return -self.moved[:, at]


def observed(
    given: Probes,
    path: Path,
    rates: Sequence[tuple[float, bool]],
    dtype: str,
    rate: float | None,
) -> Responses:
    """Return the responses of the first element of each script."""

    def flat(leaves: Sequence[Any]) -> Any:
        every = [np.asarray(x, np.float64).reshape(-1) for x in leaves]
        return np.concatenate(every)[:ELEMENTS]

    return Responses(
        flat(given.start),
        np.stack([flat(g) for g in given.gradients]),
        np.stack([flat(p) for p in path]),
        rates,
        dtype,
        rate,
    )
