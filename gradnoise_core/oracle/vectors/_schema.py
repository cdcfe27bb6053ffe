"""The format's JSON Schema, and as much of JSON Schema 2020-12 as it uses.

The schema is the one description of the format; a library to read it would be a dependency of the
core for one file.
"""

import functools
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gradnoise_core.oracle.vectors._errors import VectorsError, quoted
from gradnoise_core.oracle.vectors._json import canonical

__all__ = ["schema", "validate"]

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda x: isinstance(x, dict),
    "array": lambda x: isinstance(x, list),
    "string": lambda x: isinstance(x, str),
    "number": lambda x: isinstance(x, int | float) and not isinstance(x, bool),
    "integer": lambda x: (
        not isinstance(x, bool)
        and (isinstance(x, int) or (isinstance(x, float) and x.is_integer()))
    ),
}


@functools.cache
def schema() -> Any:
    """Return the JSON Schema of a manifest."""
    return json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))


def validate(value: Any) -> None:
    """Refuse a manifest that breaks the schema.

    Raises
    ------
    VectorsError
        Which names the place and the rule of the first breach.
    """
    breach = _breach(value, schema(), "")
    if breach:
        raise VectorsError(breach)


def _breach(value: Any, rules: Mapping[str, Any], where: str) -> str | None:
    """Return what is wrong, or None."""
    for keyword, rule in rules.items():
        if keyword == "additionalProperties":
            found = _additional(value, rule, where, rules.get("properties", {}))
        else:
            found = _KEYWORDS[keyword](value, rule, where)
        if found:
            return found
    return None


def _wrong(where: str, rule: str, value: Any) -> str:
    return f"`{where or '/'}` must {rule}, got {quoted(value)}"


def _type(value: Any, rule: str, where: str) -> str | None:
    return None if _TYPES[rule](value) else _wrong(where, f"be of type {rule}", value)


def _const(value: Any, rule: Any, where: str) -> str | None:
    same = canonical(value) == canonical(rule)
    return None if same else _wrong(where, f"be {rule!r}", value)


def _enum(value: Any, rule: list[Any], where: str) -> str | None:
    known = canonical(value) in map(canonical, rule)
    return None if known else _wrong(where, f"be one of {', '.join(map(str, rule))}", value)


def _any_of(value: Any, rule: list[Any], where: str) -> str | None:
    found = [_breach(value, one, where) for one in rule]
    return None if None in found else found[-1]


def _ref(value: Any, rule: str, where: str) -> str | None:
    return _breach(value, schema()["$defs"][rule.rpartition("/")[2]], where)


def _pattern(value: Any, rule: str, where: str) -> str | None:
    # Every pattern is anchored; "$" alone would let a newline follow.
    good = not isinstance(value, str) or re.fullmatch(rule, value)
    return None if good else _wrong(where, f"match {rule}", value)


def _limit(kind: Any, sign: int, text: str) -> Callable[..., str | None]:
    """Return the check of a number, or of a length, against a largest (1) or a smallest (-1)."""

    def check(value: Any, rule: float, where: str) -> str | None:
        if not isinstance(value, kind) or isinstance(value, bool):
            return None
        size = value if isinstance(value, int | float) else len(value)
        bound = "at most" if sign > 0 else "at least"
        return (
            None if sign * size <= sign * rule else _wrong(where, f"{text} {bound} {rule}", value)
        )

    return check


def _required(value: Any, rule: list[str], where: str) -> str | None:
    missing = [key for key in rule if key not in value] if isinstance(value, dict) else []
    return _wrong(where, f"have the key {missing[0]!r}", list(value)) if missing else None


def _items(value: Any, rule: Any, where: str) -> str | None:
    if not isinstance(value, list):
        return None
    found = (_breach(x, rule, f"{where}/{i}") for i, x in enumerate(value))
    return next((breach for breach in found if breach), None)


def _properties(value: Any, rule: Mapping[str, Any], where: str) -> str | None:
    if not isinstance(value, dict):
        return None
    found = (_breach(value[k], rule[k], f"{where}/{k}") for k in rule if k in value)
    return next((breach for breach in found if breach), None)


def _property_names(value: Any, rule: Any, where: str) -> str | None:
    if not isinstance(value, dict):
        return None
    found = (_breach(key, rule, f"{where} (a key)") for key in value)
    return next((breach for breach in found if breach), None)


def _additional(value: Any, rule: Any, where: str, named: Mapping[str, Any]) -> str | None:
    """Check the values of keys that the schema does not name: False forbids them."""
    others = [key for key in value if key not in named] if isinstance(value, dict) else []
    if rule is False:
        return _wrong(where, f"have no key but {', '.join(named)}", others[0]) if others else None
    found = (_breach(value[key], rule, f"{where}/{quoted(key)[1:-1]}") for key in others)
    return next((breach for breach in found if breach), None)


def _nothing(value: Any, rule: Any, where: str) -> None:
    return None


_KEYWORDS: Mapping[str, Callable[..., str | None]] = {
    **dict.fromkeys(("$schema", "$id", "$defs", "title", "description"), _nothing),
    "type": _type,
    "const": _const,
    "enum": _enum,
    "anyOf": _any_of,
    "$ref": _ref,
    "pattern": _pattern,
    "minimum": _limit((int, float), -1, "be"),
    "maximum": _limit((int, float), 1, "be"),
    "maxLength": _limit(str, 1, "have a length of"),
    "minProperties": _limit(dict, -1, "have a number of keys of"),
    "maxProperties": _limit(dict, 1, "have a number of keys of"),
    "maxItems": _limit(list, 1, "have a number of items of"),
    "required": _required,
    "items": _items,
    "properties": _properties,
    "propertyNames": _property_names,
}
