"""A module to import as ``cupy``: NumPy's arrays, and kernels compiled by a C++ compiler.

`RawKernel` compiles the same source that CuPy would give to NVIDIA's compiler, and takes its
arguments as CuPy does: arrays as pointers, NumPy scalars by their own type. Of a launch's grid it
runs a few threads, which is enough for kernels that stride over their work.
"""

import ctypes
import functools
import hashlib
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["COMPILER", "stand_in"]

COMPILER = shutil.which("g++") or shutil.which("clang++")

HEADER = Path(__file__).with_name("cuda_on_cpu.hpp")

#: The grid that is run: blocks on both axes, and threads in a block.
GRID = (2, 2, 3)


def stand_in(folder: Path, replace: tuple[str, str] = ("", "")) -> ModuleType:
    """Return the module; `folder` is for what it compiles, `replace` for mutants of the source."""

    class RawKernel:
        def __init__(self, code: str, name: str) -> None:
            assert replace[0] in code
            library = _compiled(code.replace(*replace) if replace[0] else code, folder)
            self.kernel, self.place = getattr(library, name), library.place

        def __call__(
            self, grid: tuple[int, int], block: tuple[int], arguments: tuple[Any, ...]
        ) -> None:
            assert 0 < grid[0] < 2**31
            assert 0 < grid[1] < 2**16
            assert 0 < block[0] <= 1024
            given = [_as_c(a) for a in arguments]
            for place in np.ndindex(*GRID):
                self.place(*GRID, *place)
                self.kernel(*given)

    class Device:
        id = 0

        def __init__(self, device: Any = None) -> None:
            assert device is None or device in (0, "cpu") or isinstance(device, Device)

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    module = ModuleType("cupy")
    names = "empty empty_like asarray ascontiguousarray ndarray float32 float64 int32 int64"
    for name in names.split():
        setattr(module, name, getattr(np, name))
    module.RawKernel = RawKernel  # type: ignore[attr-defined]
    module.cuda = ModuleType("cupy.cuda")  # type: ignore[attr-defined]
    module.cuda.Device = Device
    return module


@functools.cache
def _compiled(code: str, folder: Path) -> ctypes.CDLL:
    """Compile the source with contraction allowed, as CUDA's compiler does by default."""
    assert COMPILER is not None
    name = hashlib.sha256(code.encode()).hexdigest()[:16]
    source, library = folder / f"{name}.cpp", folder / f"{name}.so"
    source.write_text(f'#include "{HEADER}"\n{code}')
    flags = ["-O2", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC"]
    subprocess.run([COMPILER, *flags, str(source), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


def _as_c(argument: Any) -> Any:
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous
        return ctypes.c_void_p(argument.ctypes.data)
    assert isinstance(argument, np.generic), "the type of a Python number would be guessed"
    kinds: dict[str, Any] = {"uint32": ctypes.c_uint32, "uint64": ctypes.c_uint64}
    kinds |= {"float32": ctypes.c_float, "float64": ctypes.c_double}
    return kinds[argument.dtype.name](argument.item())
