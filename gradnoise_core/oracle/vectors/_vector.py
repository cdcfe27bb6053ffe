"""What a vector is: a test with its inputs, what is due, and how near one has to come."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from gradnoise_core.backend import Backend
from gradnoise_core.typing import Array, Device, Namespace

__all__ = ["BITS", "Arrays", "Maker", "Output", "Tolerance", "Tolerances", "Vector", "scaled"]


class Tolerance(NamedTuple):
    """How far a number may be from what is due: ``absolute + relative * |due|``."""

    absolute: float = 0.0
    relative: float = 0.0


#: The dtypes in which an array may be handed in; None where the bits must be equal.
Tolerances = Mapping[str, Tolerance | None]

#: Of an array of which only the very bits will do.
BITS: None = None


@dataclass(frozen=True)
class Output:
    """An array that is due.

    Parameters
    ----------
    array : NumPy array
    tolerances : mapping
        From the name of each dtype that is accepted to its `Tolerance`, or to None for equality.
    """

    array: Any
    tolerances: Tolerances


@dataclass(frozen=True)
class Vector:
    """One test.

    Parameters
    ----------
    description : str
        What is computed, in a sentence or two.
    parameters : mapping
        Numbers and names, as JSON: integers that may pass 2**53 are decimal strings.
    outputs : mapping
        What is due, by name.
    inputs : mapping
        NumPy arrays that are given, by name.
    """

    description: str
    parameters: Mapping[str, Any]
    outputs: Mapping[str, Output]
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Arrays:
    """The array library, and its device, that computes what is due.

    Parameters
    ----------
    backend : Backend
    device : optional
        The namespace's default device by default.
    """

    backend: Backend
    device: Device = None

    @property
    def xp(self) -> Namespace:
        """The array namespace."""
        return self.backend.namespace

    def array(self, values: Any) -> Array:
        """Return a NumPy array as one of the library, on the device."""
        return self.backend.from_host(values, device=self.device)

    def numpy(self, array: Array) -> Any:
        """Return an array of the library as one of NumPy."""
        return np.asarray(self.backend.to_numpy(array))


#: Makes a vector, computing its outputs with one array library.
Maker = Callable[[Arrays], Vector]


def scaled(array: Any, tolerance: float) -> Tolerance:
    """Return a tolerance in units of the power of two that no finite number of `array` passes."""
    finite = np.abs(array[np.isfinite(array)])
    _, exponent = math.frexp(float(finite.max(initial=0.0)))
    return Tolerance(absolute=tolerance * 2.0**exponent)
