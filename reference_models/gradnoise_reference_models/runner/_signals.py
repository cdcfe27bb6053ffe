"""Ctrl-C and SIGTERM end a run at the next good moment, not in the midst of a write."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Asked", "asked_to_stop"]


class Asked:
    """Which signal asked the run to stop, and how often."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.times = 0

    def hear(self, number: int, frame: FrameType | None = None) -> None:
        """Note a signal."""
        self.signal = self.signal or number
        self.times += 1


@contextmanager
def asked_to_stop() -> Iterator[Asked]:
    """Note Ctrl-C and SIGTERM instead of being interrupted by them."""
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():  # which alone may set handlers
        yield asked
        return
    before: dict[signal.Signals, Any] = {}
    try:
        for which in (signal.SIGINT, signal.SIGTERM):
            before[which] = signal.signal(which, asked.hear)
        yield asked
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
