"""Messages between two processes: a line of JSON, then the bytes of its arrays."""

import json
from typing import Any, BinaryIO

import numpy as np

__all__ = ["receive", "send"]


def send(stream: BinaryIO, message: dict[str, Any], arrays: list[Any] | None = None) -> None:
    """Write a message and its arrays, in little-endian order."""
    kept = [np.asarray(x) for x in arrays or []]
    wire = [np.ascontiguousarray(x, x.dtype.newbyteorder("<")) for x in kept]
    form = [{"dtype": x.dtype.name, "shape": list(x.shape)} for x in kept]
    stream.write(json.dumps({**message, "arrays": form}).encode() + b"\n")
    stream.writelines(x.tobytes() for x in wire)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], list[Any]]:
    """Read a message and its arrays.

    Raises
    ------
    EOFError
        If the other side is gone.
    """
    line = stream.readline()
    if not line:
        message = "the other process has ended"
        raise EOFError(message)
    out = json.loads(line)
    arrays = []
    for form in out.pop("arrays"):
        dtype = np.dtype(form["dtype"]).newbyteorder("<")
        size = int(np.prod(form["shape"], dtype=np.int64)) * dtype.itemsize
        data = stream.read(size) if size else b""
        if len(data) < size:
            message = "the other process has ended"
            raise EOFError(message)
        array = np.frombuffer(data, dtype).reshape(form["shape"])
        arrays.append(array.astype(dtype.newbyteorder("=")))
    return out, arrays
