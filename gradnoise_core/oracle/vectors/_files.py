"""Files of a folder that a stranger filled: none is read that is not in it, nor one that is none."""

import os
import stat
from pathlib import Path

from gradnoise_core.oracle.vectors._errors import VectorsError, quoted

__all__ = ["Folder"]


class Folder:
    """A folder to read from.

    Raises
    ------
    VectorsError
        If `path` is no folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self._root = self.path.resolve(strict=True)
        except (OSError, RuntimeError, ValueError):  # RuntimeError: a circle of links
            self._root = self.path
        if not self._root.is_dir():
            message = f"`folder` must be a folder with a manifest.json, got {quoted(str(path))}."
            raise VectorsError(message)

    def read(self, name: str, most: int) -> bytes:
        """Return the bytes of a file of at most `most`; `name` has / between its parts.

        Raises
        ------
        VectorsError
            If it leads out of the folder, is missing, is no regular file, or is longer.
        """
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\\" in part or ":" in part for part in parts):
            message = f"has a path that leads out of the folder: {quoted(name)}"
            raise VectorsError(message)
        try:
            real = self._root.joinpath(*parts).resolve(strict=True)
            if not real.is_relative_to(self._root):
                message = f"is a link that leads out of the folder: {quoted(name)}"
                raise VectorsError(message)
            return _read(real, most)
        except FileNotFoundError:
            message = "is missing"
        except (OSError, RuntimeError) as error:
            message = f"cannot be read: {quoted(getattr(error, 'strerror', None) or str(error))}"
        raise VectorsError(message)


def _read(path: Path, most: int) -> bytes:
    # Not to wait for a pipe's other end, nor to follow a link that was put there meanwhile.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    with open(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            message = "is no regular file"
            raise VectorsError(message)
        if found.st_size > most:
            message = f"is {found.st_size} bytes long, more than {most}"
            raise VectorsError(message)
        data = file.read(most + 1)
    if len(data) > most:
        message = f"is longer than {most} bytes"
        raise VectorsError(message)
    return data
