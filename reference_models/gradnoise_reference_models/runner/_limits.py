"""Keeping the libraries of a worker from taking all cores for themselves."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import threadpool_limits

__all__ = ["KEPT_MEMORY", "limited", "limited_environment"]

#: What libraries read when they are loaded. NPROC is XLA's, which has no thread pool to limit later.
VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NPROC",
)

#: glibc gives freed arrays back to the system, and a step takes them again page by page; what a
#: worker holds at its peak it may keep. Whoever has set one of these wants it so.
KEPT_MEMORY = dict.fromkeys(
    ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_"), str(1 << 30)
)
KEPT_MEMORY["MALLOC_TOP_PAD_"] = str(1 << 26)


@contextmanager
def limited_environment(threads: int) -> Iterator[None]:
    """Set the variables that a process started now inherits."""
    changed = dict.fromkeys(VARIABLES, str(threads))
    changed |= {name: value for name, value in KEPT_MEMORY.items() if name not in os.environ}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Limit the threads of libraries that are loaded already: BLAS, OpenMP, torch, numba."""
    torch: Any = sys.modules.get("torch")
    numba: Any = sys.modules.get("numba")
    torch_before = torch.get_num_threads() if torch else 0
    numba_before = numba.get_num_threads() if numba else 0
    try:
        if torch:
            torch.set_num_threads(threads)
        if numba:
            numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        with threadpool_limits(limits=threads):
            yield
    finally:
        if torch:
            torch.set_num_threads(torch_before)
        if numba:
            numba.set_num_threads(numba_before)
