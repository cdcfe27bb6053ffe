"""bAbI's archive, read in memory: nothing is ever unpacked to disk."""

import gzip
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import BinaryIO, NoReturn

from gradnoise_reference_models.data._dataset import DataError
from gradnoise_reference_models.data._gzip import verified

__all__ = ["FOLDER", "LARGEST", "TOTAL", "read_archive"]

#: The folder of the files in the archive: English, 1,000 training questions a task.
FOLDER = "en"

#: Bytes that a file may have; the largest of the 40 has 529,204.
LARGEST = 1 << 20

#: Bytes that the archive may unpack to, those between the files included.
TOTAL = 1 << 29


def read_archive(
    stream: BinaryIO, where: object, checksums: Mapping[str, str], *, remedy: str = ""
) -> dict[str, bytes]:
    """Return the files ``en/NAME`` of a ``.tar.gz``, once each is found to be what it should be.

    Members are read up to the last one wanted. One whose name is absolute or holds ``..`` is
    refused, wanted or not: no honest archive has it.

    Parameters
    ----------
    stream : binary file
        The archive.
    where : object
        What errors call it.
    checksums : mapping of str to str
        SHA-256 by file name.
    remedy : str, optional
        What the error tells the reader to do.

    Raises
    ------
    DataError
        If the archive is damaged, hostile, or lacks a file or holds another one in its place.
    """
    try:
        with gzip.GzipFile(fileobj=stream, mode="rb") as unzipped:
            return _members(_Limited(unzipped), checksums)
    except DataError as error:
        message = f"`{where}` {error}. {remedy}".rstrip()
        raise DataError(message) from error
    # tarfile and gzip raise every one of these for some damaged file or other.
    except (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError, OSError) as error:
        message = f"`{where}` must be an intact .tar.gz archive, got {error!r}. {remedy}".rstrip()
        raise DataError(message) from error


def _members(stream: "_Limited", checksums: Mapping[str, str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=stream, mode="r:") as archive:  # type: ignore[call-overload]
        for member in archive:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts:
                _refuse(f"must hold relative paths without .., got the member {member.name!r}")
            if path.parts[-2:-1] != (FOLDER,) or path.name not in checksums or path.name in found:
                continue
            found[path.name] = _read(archive, member, checksums[path.name])
            if len(found) == len(checksums):
                return found
    absent = [name for name in checksums if name not in found]
    _refuse(f"must hold {FOLDER}/{absent[0]}, got an archive without {len(absent)} of its files")


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo, sha256: str) -> bytes:
    if not member.isreg() or member.issparse():
        _refuse(f"member {member.name!r} must be a plain file, got one of type {member.type!r}")
    if member.size > LARGEST:
        _refuse(f"member {member.name!r} must have at most {LARGEST} bytes, got {member.size}")
    file = archive.extractfile(member)
    content = b"" if file is None else file.read()
    if len(content) != member.size:
        _refuse(f"member {member.name!r} must have {member.size} bytes, got {len(content)}")
    try:
        return verified(content, sha256)
    except DataError as error:
        message = f"member {member.name!r} {error}"
        raise DataError(message) from error


class _Limited:
    """A stream that goes forwards only, to `TOTAL` bytes, and gives at most `LARGEST` at once.

    So a bomb or a header that claims gigabytes fills no memory, and sizes below 0 make no loop.
    """

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        if not 0 <= size <= LARGEST:
            _refuse(f"must hold headers of 0 to {LARGEST} bytes, got one of {size}")
        self._check(self._stream.tell() + size)
        return self._stream.read(size)

    def seek(self, position: int) -> int:
        self._check(position)
        return self._stream.seek(position)

    def tell(self) -> int:
        return self._stream.tell()

    def _check(self, position: int) -> None:
        if position < self._stream.tell():
            _refuse("must hold members one after another, got one that leads back")
        if position > TOTAL:
            _refuse(f"must unpack to at most {TOTAL} bytes, got more")


def _refuse(rule: str) -> NoReturn:
    raise DataError(rule)
