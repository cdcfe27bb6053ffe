"""IDX files, the format of MNIST: a big-endian header, then unsigned bytes.

Bytes 0 and 1 are zero, byte 2 is the element type (0x08: unsigned byte), byte 3 the number of
dimensions n; then come n 32-bit lengths; then the elements, last dimension fastest.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradnoise_core.typing import Array, Shape
from gradnoise_reference_models.data._dataset import DataError
from gradnoise_reference_models.data._gzip import decompressed, verified

__all__ = ["IdxFile", "checked_array", "parse_idx", "read_idx"]


class IdxFile(NamedTuple):
    """One IDX file as it must be.

    Attributes
    ----------
    name : str
        File name without ``.gz``.
    shape : tuple of int
        What its header must say.
    sha256 : str
        Hexadecimal SHA-256 of its raw (decompressed) bytes.
    """

    name: str
    shape: Shape
    sha256: str

    @property
    def size(self) -> int:
        """The number of raw bytes, header included."""
        return 4 + 4 * len(self.shape) + math.prod(self.shape)


def read_idx(path: Path, file: IdxFile, *, remedy: str = "") -> Array:
    """Return the array in `path`, plain or gzip-compressed, once it has been found to be `file`.

    Parameters
    ----------
    path : Path
        The file to read.
    file : IdxFile
        What it must hold.
    remedy : str, optional
        What the error tells the reader to do.

    Returns
    -------
    uint8 array of ``file.shape``

    Raises
    ------
    DataError
        If the file is truncated, corrupt, or another one.
    """
    return checked_array(path.read_bytes(), path, file, remedy=remedy)


def checked_array(content: bytes, path: object, file: IdxFile, *, remedy: str = "") -> Array:
    """Return the array in the bytes of a file; `path` names it in errors. See `read_idx`."""
    try:
        raw = decompressed(content, file.size)
        array = parse_idx(raw)
        if array.shape != file.shape:
            message = f"must have shape {file.shape}, got {array.shape}"
            raise DataError(message)
        verified(raw, file.sha256)
    except DataError as error:
        message = f"`{path}` {error}. {remedy}".rstrip()
        raise DataError(message) from error
    return array


def parse_idx(raw: bytes) -> Array:
    """Return the uint8 array of an uncompressed IDX file.

    Parameters
    ----------
    raw : bytes
        The whole file.

    Returns
    -------
    uint8 array
        Of the shape that the header gives; read-only, as it shares the memory of `raw`.

    Raises
    ------
    DataError
        If the magic number, the number of dimensions or the length is wrong. The message is the
        rule and the value found, to stand after a file's name.

    Examples
    --------
    >>> parse_idx(bytes.fromhex("00000802 00000001 00000003 070809"))
    array([[7, 8, 9]], dtype=uint8)
    """
    if len(raw) < 4 or raw[:3] != b"\0\0\x08" or raw[3] == 0:
        magic = raw[:4].hex(" ") or "an empty file"
        message = f"must begin with 00 00 08 and a number of dimensions >= 1, got {magic}"
        raise DataError(message)
    header = 4 + 4 * raw[3]
    if len(raw) < header:
        message = f"must have a header of {header} bytes, got {len(raw)} bytes in all"
        raise DataError(message)
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4", count=raw[3], offset=4))
    size = header + math.prod(shape)
    if len(raw) != size:
        message = f"must have {size} bytes, as its header says {shape}, got {len(raw)}"
        raise DataError(message)
    elements = np.frombuffer(raw, np.uint8, offset=header)
    try:
        return elements.reshape(shape)
    except ValueError as error:  # too many dimensions, or lengths beyond memory beside a zero
        message = f"must have a shape that an array can have, got {shape}"
        raise DataError(message) from error
