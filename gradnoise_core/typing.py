"""The names that signatures use."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

__all__ = ["Array", "Device", "Namespace", "Rate", "Schedule", "Seed", "Shape", "Step", "Tree"]

# The array API standard defines no static type for arrays, devices or namespaces.
Array: TypeAlias = Any
Device: TypeAlias = Any
Namespace: TypeAlias = Any

#: A pytree of arrays.
Tree: TypeAlias = Any

Shape: TypeAlias = tuple[int, ...]

#: One 64-bit unsigned seed, or a sequence of R of them: one a replica.
Seed: TypeAlias = int | Sequence[int]

#: A count of updates: a Python int, or a (traced) integer array of shape ``()``.
Step: TypeAlias = Any

#: A function of the step.
Schedule: TypeAlias = Callable[[Any], Any]

#: A number, an array of R numbers (one a replica), or a schedule of either.
Rate: TypeAlias = Any
