"""Bytes as text, and text as lines."""

from gradnoise_reference_models.data._dataset import DataError

__all__ = ["lines", "utf8"]


def utf8(content: bytes, name: object) -> str:
    """Return the text of a file's bytes; `name` is what an error calls the file.

    Raises
    ------
    DataError
        If a byte is not UTF-8: the message names file and line.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        message = f"`{name}` line {line} must be UTF-8, got the byte {byte:#04x}."
        raise DataError(message) from error


def lines(text: str) -> list[str]:
    r"""Return the lines of a text, which only ``\n`` and ``\r\n`` end, as in a file."""
    out = text.replace("\r\n", "\n").split("\n")
    return out[:-1] if out[-1] == "" else out
