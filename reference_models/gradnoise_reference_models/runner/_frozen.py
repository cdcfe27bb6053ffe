"""Plain JSON that cannot change, and its one way of being written."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Frozen", "canonical"]

#: Whole numbers up to here are the same as int and as float.
_EXACT = 2**53


class Frozen(Mapping[str, Any]):
    """A mapping of plain JSON that cannot change: lists are tuples, dictionaries are `Frozen`.

    It equals any mapping that `canonical` writes alike.
    """

    __slots__ = ("_text", "_values")

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        if not isinstance(values, Mapping):
            message = f"`{name}` must be a mapping of plain JSON, got {values!r}."
            raise ValueError(message)  # noqa: TRY004 - the rule is JSON's
        self._text = canonical(name, values)
        self._values = {key: _freeze(value) for key, value in values.items()}

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        try:
            return self._text == canonical("other", other)
        except ValueError:
            return False

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        """Return the canonical JSON."""
        return self._text

    def __repr__(self) -> str:
        return repr(self._values)


def canonical(name: str, value: Any) -> str:
    """Return the one JSON text of `value`: keys sorted, no spaces, 1.0 written as 1.

    Raises
    ------
    ValueError
        If it is not plain JSON; the message has the path of what is not, which begins with `name`.
    """
    return json.dumps(
        _plain(name, value),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )


def _plain(path: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() and abs(value) <= _EXACT else float(value)
    if isinstance(value, list | tuple):
        return [_plain(f"{path}[{i}]", item) for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                message = f"`{path}` must have keys that are text, got {key!r}. Use str(key)."
                raise ValueError(message)  # noqa: TRY004 - the rule is JSON's
        return {key: _plain(f"{path}.{key}", item) for key, item in value.items()}
    message = (
        f"`{path}` must be plain JSON (text, a finite number, True, False, None, a list or a "
        f"dictionary of these), got {value!r}. Convert it, as array.item() and array.tolist() do."
    )
    raise ValueError(message)


def _freeze(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Frozen("value", value)
    return tuple(map(_freeze, value)) if isinstance(value, list | tuple) else value
