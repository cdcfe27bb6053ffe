"""The one error of this package, and how to quote what a stranger wrote."""

__all__ = ["VectorsError", "quoted"]

#: Characters of a stranger's text that a message repeats.
LONGEST = 80


class VectorsError(ValueError):
    """A folder is no set of vectors, or cannot be read as one; the message says why."""


def quoted(value: object) -> str:
    """Return a value as printable ASCII of bounded length, whatever is in it."""
    text = ascii(value[: LONGEST + 1] if isinstance(value, str) else value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
