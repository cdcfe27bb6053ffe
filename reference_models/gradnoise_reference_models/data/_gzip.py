"""Gzip files, unpacked in memory and never beyond what they should hold."""

import gzip
import hashlib
import io
import zlib

from gradnoise_reference_models.data._dataset import DataError

__all__ = ["GZIP_MAGIC", "decompressed", "verified"]

GZIP_MAGIC = b"\x1f\x8b"


def decompressed(content: bytes, size: int) -> bytes:
    """Return the raw bytes, by content and not by suffix; refuse to unpack more than `size`.

    Raises
    ------
    DataError
        The rule and the value found, to stand after a file's name.
    """
    if not content.startswith(GZIP_MAGIC):
        return content
    try:
        # One byte more than allowed: reading to the end is also what checks gzip's own CRC.
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            raw = stream.read(size + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        message = f"must be an intact gzip file, got {len(content)} bytes ({error})"
        raise DataError(message) from error
    if len(raw) > size:
        message = f"must unpack to {size} bytes, got more"
        raise DataError(message)
    return raw


def verified(raw: bytes, sha256: str) -> bytes:
    """Return `raw` if its SHA-256 is that, in hexadecimal; the error is as `decompressed`'s."""
    found = hashlib.sha256(raw).hexdigest()
    if found != sha256:
        message = f"must have raw bytes of SHA-256 {sha256}, got {found}"
        raise DataError(message)
    return raw
