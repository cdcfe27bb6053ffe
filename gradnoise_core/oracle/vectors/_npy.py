"""NumPy's ``.npy`` files, version 1.0, written the same everywhere and read without trust.

A file is what the manifest says it is, or it is refused: nothing in it is evaluated, no size that
it names is allocated, and no pickle is ever read.
"""

import math
import re
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradnoise_core.oracle.vectors._errors import VectorsError, quoted
from gradnoise_core.typing import Shape

__all__ = ["DESCRIPTIONS", "LONGEST_HEADER", "decode", "encode"]

#: The name of a dtype in a manifest -> its description in a file, little-endian.
DESCRIPTIONS = {
    "uint8": "|u1",
    "uint16": "<u2",
    "uint32": "<u4",
    "uint64": "<u8",
    "int32": "<i4",
    "int64": "<i8",
    "float16": "<f2",
    "float32": "<f4",
    "float64": "<f8",
}

_MAGIC = b"\x93NUMPY\x01\x00"

#: Where the header starts: magic, version, and its length in two bytes.
_START = len(_MAGIC) + 2

#: No header of an array of few axes is longer.
LONGEST_HEADER = 1024

_ITEM = r"""(?:'(?:descr|fortran_order|shape)'|"(?:descr|fortran_order|shape)")\s*:\s*
(?:'[^'"\\]*'|"[^'"\\]*"|True|False|\([0-9,\s]*\))\s*"""
_HEADER = re.compile(rf"\s*\{{\s*{_ITEM}(?:,\s*{_ITEM})*,?\s*\}}\s*", re.VERBOSE)
_PAIR = re.compile(r"""['"](\w+)['"]\s*:\s*(?:['"]([^'"\\]*)['"]|(True|False)|\(([0-9,\s]*)\))""")


def encode(array: Any) -> bytes:
    """Return a C-contiguous array as a file: the same bytes on every machine."""
    description = DESCRIPTIONS[array.dtype.name]
    text = f"{{'descr': '{description}', 'fortran_order': False, 'shape': {array.shape}, }}"
    padding = -(_START + len(text) + 1) % 64
    header = f"{text}{' ' * padding}\n".encode("ascii")
    data = np.ascontiguousarray(array).astype(description, copy=False).tobytes()
    return _MAGIC + struct.pack("<H", len(header)) + header + data


def decode(data: bytes, dtype: str, shape: Shape) -> Any:
    """Return the array in a file, which must be of a dtype and a shape.

    Raises
    ------
    VectorsError
        If it is anything else.
    """
    if data[: len(_MAGIC)] != _MAGIC:
        if data[:6] == _MAGIC[:6]:
            message = f"is a .npy file of version {list(data[6:8])}, not 1.0"
        else:
            message = "is no .npy file: its first bytes are not \\x93NUMPY"
        raise VectorsError(message)
    if len(data) < _START:
        message = "is truncated within its header"
        raise VectorsError(message)
    (length,) = struct.unpack("<H", data[len(_MAGIC) : _START])
    if length > LONGEST_HEADER:
        message = f"has a header of {length} bytes, more than {LONGEST_HEADER}"
        raise VectorsError(message)
    if len(data) < _START + length:
        message = "is truncated within its header"
        raise VectorsError(message)
    _check_header(data[_START : _START + length], dtype, shape)
    return _array(data[_START + length :], dtype, shape)


def _check_header(header: bytes, dtype: str, shape: Shape) -> None:
    text = header.decode("latin-1")
    pairs = _PAIR.findall(text) if _HEADER.fullmatch(text) else []
    found = {key: (words, flag, axes) for key, words, flag, axes in pairs}
    if len(pairs) != 3 or set(found) != {"descr", "fortran_order", "shape"}:
        message = f"has a header that is not that of a plain array: {quoted(text.strip())}"
        raise VectorsError(message)
    _check_dtype(found["descr"][0], dtype)
    if found["fortran_order"][1] != "False":
        message = "is in Fortran order; write it row by row (C order)"
        raise VectorsError(message)
    axes = [axis.strip() for axis in found["shape"][2].split(",")]
    seen = [axis for axis in axes if axis]
    if seen != [str(n) for n in shape]:
        message = f"has shape ({quoted(', '.join(seen))[1:-1]}), not {tuple(shape)}"
        raise VectorsError(message)


def _check_dtype(seen: str, dtype: str) -> None:
    due = DESCRIPTIONS[dtype]
    if seen == due:
        return
    if "O" in seen:
        message = f"holds Python objects ({quoted(seen)}), which are never read"
    elif seen[1:] == due[1:] and seen[:1] in "<>=|":
        message = f"has byte order {quoted(seen[:1])}, not little-endian ({due!r})"
    else:
        message = f"has dtype {quoted(seen)}, not {due!r}"
    raise VectorsError(message)


def _array(data: bytes, dtype: str, shape: Sequence[int]) -> Any:
    due = math.prod(shape) * np.dtype(DESCRIPTIONS[dtype]).itemsize
    if len(data) != due:
        kind = "truncated" if len(data) < due else "too long"
        message = f"is {kind}: {len(data)} bytes of data, not {due}"
        raise VectorsError(message)
    array = np.frombuffer(data, DESCRIPTIONS[dtype]).reshape(tuple(shape))
    return array.astype(array.dtype.newbyteorder("="), copy=False)
