"""JSON from a stranger: bounded, without duplicates, without numbers that are none."""

import json
import math
from collections.abc import Iterable
from typing import Any

from gradnoise_core.oracle.vectors._errors import VectorsError, quoted

__all__ = ["DEEPEST", "LARGEST", "canonical", "dump", "parse"]

#: Bytes of a manifest.
LARGEST = 1 << 23

#: Containers within containers.
DEEPEST = 16

#: Digits of an integer: those of 2**64.
_DIGITS = 20


def parse(data: bytes) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    VectorsError
        If it is not UTF-8, too long, too deep, no JSON, names a key twice in one object, or holds
        NaN, an infinity, or an integer of more than 20 digits.
    """
    if len(data) > LARGEST:
        message = f"is longer than {LARGEST} bytes"
        raise VectorsError(message)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"is not UTF-8: byte {error.start} is {data[error.start]:#04x}"
        raise VectorsError(message) from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        message = f"is no JSON: {error.msg}, at line {error.lineno}, column {error.colno}"
        raise VectorsError(message) from None
    except RecursionError:
        message = f"is nested more than {DEEPEST} deep"
        raise VectorsError(message) from None
    _check_depth(value)
    return value


def dump(value: Any) -> bytes:
    """Return a value as JSON text in ASCII, the same bytes on every machine."""
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode("ascii")


def canonical(value: Any) -> str:
    """Return a text that two values share if, and only if, they are the same JSON.

    1 and 1.0 are one number, as in JSON Schema; True and 1 are not.
    """
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(x) for x in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for i, key in enumerate(keys) if key in set(keys[:i]))
        message = f"has the key {quoted(twice)} twice in one object"
        raise VectorsError(message)
    return found


def _integer(text: str) -> int:
    if len(text) > _DIGITS + 1:
        message = f"has an integer of more than {_DIGITS} digits: {quoted(text)}"
        raise VectorsError(message)
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        return _constant(text)
    return value


def _constant(text: str) -> float:
    message = f"holds {quoted(text)}, which is no finite number"
    raise VectorsError(message)


def _check_depth(value: Any) -> None:
    level = _containers([value])
    for _ in range(DEEPEST):
        inner = (x.values() if isinstance(x, dict) else x for x in level)
        level = _containers(child for children in inner for child in children)
    if level:
        message = f"is nested more than {DEEPEST} deep"
        raise VectorsError(message)


def _containers(values: Iterable[Any]) -> list[Any]:
    return [x for x in values if isinstance(x, dict | list)]
