"""What is measured, as records, and the JSON document that holds them."""

import dataclasses
import json
import typing
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmarks.summary import Summary

__all__ = [
    "SCHEMA",
    "Document",
    "FirstCall",
    "Found",
    "Machine",
    "Memory",
    "Note",
    "Ratio",
    "Time",
    "read",
]

#: Of the JSON document; another number is another meaning of its keys.
SCHEMA = 1

T = TypeVar("T")


@dataclass(frozen=True)
class Time:
    """The time of one call of a contestant. `size` counts elements, over all leaves."""

    section: str
    variant: str
    contestant: str
    ours: bool
    size: int
    leaves: int
    calls: int
    seconds: Summary


@dataclass(frozen=True)
class Ratio:
    """A contestant's time over another's, in the same rounds."""

    section: str
    variant: str
    contestant: str
    leaves: int
    to: str
    to_leaves: int
    size: int
    ratio: Summary


@dataclass(frozen=True)
class Memory:
    """The most memory that one step takes beyond what was there before it."""

    section: str
    variant: str
    contestant: str
    ours: bool
    size: int
    bytes: int
    method: str


@dataclass(frozen=True)
class FirstCall:
    """Seconds in a fresh process: imports, the first call and the second; medians of `processes`.

    `cache` is "cold" with empty caches of compilers, "cached" with what the cold run left there.
    """

    section: str
    variant: str
    contestant: str
    ours: bool
    size: int
    cache: str
    import_library: float
    import_ours: float
    first_call: float
    second_call: float
    processes: int


@dataclass(frozen=True)
class Note:
    """Something that was not measured, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Machine:
    """What the machine can do.

    Attributes
    ----------
    device : str
        The processor or the GPU.
    copy : list of (bytes, bytes a second)
        Bytes read plus written, and their rate, for copies of several sizes.
    operations : float
        32-bit integer operations a second; 0 if not measured.
    operations_by : str
        How they were counted.
    """

    device: str
    copy: list[list[float]]
    operations: float
    operations_by: str


@dataclass
class Found:
    """What a process found, or all of them."""

    times: list[Time] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    first_calls: list[FirstCall] = field(default_factory=list)
    machine: list[Machine] = field(default_factory=list)
    absent: list[Note] = field(default_factory=list)
    failed: list[Note] = field(default_factory=list)

    @property
    def rates(self) -> Machine | None:
        """What the machine can do, if it was measured."""
        return self.machine[0] if self.machine else None

    def add(self, other: "Found") -> None:
        """Append what another process found."""
        for name in (f.name for f in dataclasses.fields(self)):
            getattr(self, name).extend(getattr(other, name))


@dataclass(frozen=True)
class Document:
    """A run: how it was made, on what, and what was found."""

    schema: int
    command: str
    date: str
    complete: bool
    settings: dict[str, Any]
    environment: dict[str, str]
    found: Found

    def to_json(self) -> str:
        """Return the document as JSON."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Document":
        """Return the document that `to_json` wrote.

        Raises
        ------
        ValueError
            If it has another schema, or keys that this one does not have, or lacks some.
        """
        data = json.loads(text)
        schema = data.get("schema") if isinstance(data, dict) else None
        if schema != SCHEMA:
            message = f"`schema` must be {SCHEMA}, got {schema!r}. Measure again."
            raise ValueError(message)
        return read(cls, data)


def read(kind: type[T], data: Any) -> T:
    """Return a record from plain data; strict about keys.

    Raises
    ------
    ValueError
        If keys are missing or unknown.
    """
    hints = typing.get_type_hints(kind)
    if not isinstance(data, dict) or set(data) != set(hints):
        found = sorted(data) if isinstance(data, dict) else data
        message = f"{kind.__name__} must have the keys {sorted(hints)}, got {found!r}."
        raise ValueError(message)
    return kind(**{name: _value(hint, data[name]) for name, hint in hints.items()})


def _value(hint: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        return read(typing.cast("type[Any]", hint), value)
    (inner, *_) = typing.get_args(hint) or (None,)
    if dataclasses.is_dataclass(inner):
        return [read(typing.cast("type[Any]", inner), item) for item in value]
    return value
