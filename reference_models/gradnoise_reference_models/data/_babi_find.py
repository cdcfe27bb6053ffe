"""Where bAbI's files are, and their verified bytes."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from gradnoise_reference_models.data._babi_archive import FOLDER, LARGEST, read_archive
from gradnoise_reference_models.data._babi_files import FILES, BabiFiles
from gradnoise_reference_models.data._dataset import DataError
from gradnoise_reference_models.data._gzip import verified
from gradnoise_reference_models.data._places import Directory, places

__all__ = ["ARCHIVES", "GET", "NAME", "REPLACE", "contents", "find"]

#: The data set's folder below a folder of data sets.
NAME = "babi"

#: Names of the archive, in the order in which they are looked for: as published, with the English 1k
#: files alone, and as Keras names its copies.
ARCHIVES = (
    "tasks_1-20_v1-2.tar.gz",
    "tasks_1-20_v1-2_en.tar.gz",
    "babi_tasks_1-20_v1-2.tar.gz",
    "babi-tasks-v1-2.tar.gz",
)

GET = "`gradnoise data download babi`"
REPLACE = f"Replace or remove it; {GET} puts a good copy into the cache."


def find(
    directory: Directory = None, *, files: tuple[BabiFiles, ...] = FILES
) -> tuple[Path | None, tuple[str, ...]]:
    """Return where bAbI is, and why it is in none of the places before.

    The places are `directory` alone if it is given; otherwise the one that the environment variable
    ``GRADNOISE_DATA`` names, then the cache. Each may be the archive itself, or a folder that holds
    the archive, under one of the names `ARCHIVES`, or the 40 files, in itself or in ``en`` or
    ``tasks_1-20_v1-2/en``; or have a subfolder ``babi`` that is so. No file is opened.

    Returns
    -------
    path : Path or None
        An archive, or the folder of the files.
    misses : tuple of str
        One phrase for each place that was looked at in vain.
    """
    names = [name for file in files for name in file.checksums]
    misses = []
    for place, paths in places(directory, NAME):
        if not paths:
            misses.append(f"{place} is not set")
            continue
        found = next((at for path in paths if (at := _at(path, names)) is not None), None)
        if found is not None:
            return found, tuple(misses)
        misses.append(f"{place} {_lack(paths, names)}")
    return None, tuple(misses)


def contents(path: Path, wanted: Sequence[BabiFiles]) -> dict[str, bytes]:
    """Return the verified files by name."""
    checksums = {name: sha for file in wanted for name, sha in file.checksums.items()}
    if path.is_file():
        with path.open("rb") as stream:
            return read_archive(stream, path, checksums, remedy=REPLACE)
    return {name: _content(path / name, sha) for name, sha in checksums.items()}


def _at(path: Path, names: list[str]) -> Path | None:
    """Return the archive or the folder of files at `path`."""
    if path.is_file():
        return path
    archives = (path / name for name in ARCHIVES)
    found = next((archive for archive in archives if archive.is_file()), None)
    if found is not None:
        return found
    whole = (folder for folder in _folders(path) if not _absent(folder, names))
    return next(whole, None)


def _folders(path: Path) -> tuple[Path, ...]:
    return path, path / FOLDER, path / "tasks_1-20_v1-2" / FOLDER


def _absent(folder: Path, names: list[str]) -> list[str]:
    return [name for name in names if not (folder / name).is_file()]


def _lack(paths: tuple[Path, ...], names: list[str]) -> str:
    if not paths[0].exists():
        return "does not exist"
    lacks = [_absent(folder, names) for path in paths for folder in _folders(path)]
    least = min(lacks, key=len)
    if len(least) == len(names):
        return "holds no bAbI"
    return f"lacks {', '.join(least[:3])}" + (f" and {len(least) - 3} more" if least[3:] else "")


def _content(path: Path, sha256: str) -> bytes:
    try:
        with path.open("rb") as stream:
            return verified(_limited(stream), sha256)
    except DataError as error:
        message = f"`{path}` {error}. {REPLACE}"
        raise DataError(message) from error


def _limited(stream: BinaryIO) -> bytes:
    content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        message = f"must have at most {LARGEST} bytes, got more"
        raise DataError(message)
    return content
