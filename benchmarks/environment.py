"""The environment of a measurement: threads, cores, versions, the machine."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["ROOT", "child_environment", "describe", "pin"]

#: Of the repository.
ROOT = Path(__file__).parents[1]
PACKAGES = (
    "gradnoise-core",
    "numpy",
    "numba",
    "torch",
    "triton",
    "jax",
    "jaxlib",
    "optax",
    "cupy-cuda13x",
    "cupy-cuda12x",
)

#: Read by OpenMP, MKL, OpenBLAS, numba and XLA when they are first imported.
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NPROC",
)
ONE_THREAD_OF_XLA = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


def child_environment(threads: int, device: str, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which a process measures: nothing in it is set after an import."""
    out = dict(os.environ)
    out.update(dict.fromkeys(THREADS, str(threads)))
    if threads == 1:
        out["XLA_FLAGS"] = f"{out.get('XLA_FLAGS', '')} {ONE_THREAD_OF_XLA}".strip()
    if device == "cpu":
        out["JAX_PLATFORMS"] = "cpu"
    out["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), out.get("PYTHONPATH")]))
    out.update(extra)
    return out


def pin(threads: int) -> str:
    """Keep this process on as many cores as it has threads; return what was done.

    The last cores, for the first ones serve interrupts.
    """
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned: this system has no sched_setaffinity"
    cores = sorted(os.sched_getaffinity(0))
    if threads > len(cores):
        return f"not pinned: {threads} threads asked for, {len(cores)} cores at hand"
    os.sched_setaffinity(0, cores[-threads:])
    return f"pinned to {threads} of {len(cores)} cores"


def describe() -> dict[str, str]:
    """Return the processor, the system, Python and the versions of what is installed."""
    out = {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    for name in PACKAGES:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            continue
    return out


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
