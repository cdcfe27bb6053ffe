"""Memory for results of a leaf's size, used again once nothing refers to it.

A fresh array of megabytes is mapped in page by page as it is first written, and handed back to the
system when it is freed; in an optimizer's step, whose results live for one step, that takes as
long as the step itself. What is kept idle is at most twice what is in use, so little stays when the training
state goes.
"""

import ctypes
import math
import threading
import weakref
from typing import Any

import numpy as np

__all__ = ["LEAST", "Pool", "empty"]

#: From this many bytes on memory is used again; below, the allocator keeps it itself.
LEAST = 1 << 17

#: So many idle bytes are kept in any case.
FLOOR = 1 << 25


class Pool:
    """Buffers by size: those in use are counted, those idle are kept."""

    def __init__(self) -> None:
        """Start with nothing."""
        # A finalizer may run in the middle of another method, in the same thread.
        self._lock = threading.RLock()
        self._idle: dict[int, list[Any]] = {}
        self.used = 0
        self.kept = 0

    def empty(self, shape: int | tuple[int, ...], dtype: Any) -> Any:
        """Return an uninitialised array."""
        dtype = np.dtype(dtype)
        count = math.prod(shape if isinstance(shape, tuple) else (shape,)) * dtype.itemsize
        if count < LEAST:
            return np.empty(shape, dtype)
        with self._lock:
            buffer = self._take(count)
            self.used += count
        # Every view of the array refers to this object, so it goes when the last of them does.
        lease = (ctypes.c_byte * count).from_buffer(buffer)
        weakref.finalize(lease, self._take_back, buffer).atexit = False
        return np.frombuffer(lease, dtype).reshape(shape)

    def _take(self, count: int) -> Any:
        """Return an idle buffer, or a new one."""
        if count not in self._idle:
            return np.empty(count, np.uint8)
        self.kept -= count
        buffer = self._idle[count].pop()
        if not self._idle[count]:
            del self._idle[count]
        return buffer

    def _take_back(self, buffer: Any) -> None:
        with self._lock:
            self.used -= buffer.nbytes
            self.kept += buffer.nbytes
            self._idle.setdefault(buffer.nbytes, []).append(buffer)
            while self.kept > max(2 * self.used, FLOOR):
                self._drop()

    def _drop(self) -> None:
        """Let go of the largest idle buffer."""
        self._take(max(self._idle))


empty = Pool().empty
