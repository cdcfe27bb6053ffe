"""How workers and the main process talk while a task is under way: through files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gradnoise_reference_models.runner._context import Sender

__all__ = ["Channel", "FileChannel"]


class Channel(Protocol):
    """The main process's end."""

    def sender(self, task: str, folder: Path) -> Sender:
        """Return what a task sends by; it is picklable."""

    def latest(self, tasks: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
        """Return the last message of each of the tasks that sent one."""

    def stop(self, tasks: Mapping[str, Path]) -> None:
        """Ask these tasks to stop."""

    def close(self) -> None:
        """Leave nothing behind."""


@dataclass(frozen=True)
class _FileSender:
    folder: Path

    def send(self, message: dict[str, Any]) -> None:
        try:
            part = self.folder / "progress.part"
            part.write_text(json.dumps(message))
            part.replace(self.folder / "progress.json")
        except OSError:
            pass  # A full disk is found out by what matters; this is only to be looked at.

    def cancelled(self) -> bool:
        return not (self.folder / "wanted").exists()


class FileChannel:
    """For any executor whose workers see the same folders as the main process.

    A task is told to stop by a file that is there no more: removing one needs no room on the disk.
    """

    def sender(self, task: str, folder: Path) -> Sender:
        """Return a sender that writes ``progress.json`` into the task's folder."""
        (folder / "wanted").touch()
        return _FileSender(folder)

    def latest(self, tasks: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
        """Read the files of the tasks."""
        found = {}
        for task, folder in tasks.items():
            try:
                found[task] = json.loads((folder / "progress.json").read_text())
            except (OSError, ValueError):
                continue
        return found

    def stop(self, tasks: Mapping[str, Path]) -> None:
        """Remove the files that senders look for."""
        for folder in tasks.values():
            (folder / "wanted").unlink(missing_ok=True)

    def close(self) -> None:
        """Do nothing: the files went with their folders."""
