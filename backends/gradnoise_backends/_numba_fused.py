"""A chain of elementwise operations, noise included, as one loop compiled by numba.

Each piece's normals are drawn into the cache and the loop goes over it: a noisy optimizer then
reads its inputs once, writes its results once, and makes nothing else of a leaf's size.
"""

import functools
import hashlib
import os
import sys
import types
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np
import platformdirs

from gradnoise_backends import _numba_stream as stream
from gradnoise_backends._elementwise_source import Source, UnknownOperationError, write
from gradnoise_backends._memory import empty

__all__ = ["run"]

_MADE: "weakref.WeakKeyDictionary[Any, dict[Any, Any]]" = weakref.WeakKeyDictionary()


def run(
    kernel: Callable[..., Any],
    arrays: Sequence[Any],
    draws: Sequence[Any],
    scalars: Sequence[Sequence[float]],
) -> tuple[Any, ...] | None:
    """Run a kernel on contiguous arrays of shape ``(rows, n)``; None if it cannot be compiled.

    `draws` has, for each normal that the kernel reads, unsigned keys ``(rows, L)``, where the runs
    start ``(rows, L)`` and end ``(L,)``, and which rows want it; `scalars` are those of each row,
    or one for all.
    """
    dtype = arrays[0].dtype
    made = _made(kernel, len(arrays), len(draws), len(scalars[0]), dtype)
    if made is None:
        return None
    source, loop = made
    outputs = tuple(empty(arrays[0].shape, dtype) for _ in source.results)
    numbers = np.array([source.numbers(row) for row in scalars], dtype).reshape(
        len(scalars), source.size
    )
    if len(numbers) != len(arrays[0]):
        numbers = np.repeat(numbers, len(arrays[0]), axis=0)
    operands = (tuple(draws), tuple(arrays), outputs, numbers, stream.pair_table())
    stream.in_tasks(lambda begin, end: loop(*operands, begin, end), arrays[0].size)
    return outputs


def _made(
    kernel: Callable[..., Any], arrays: int, normals: int, scalars: int, dtype: Any
) -> tuple[Source, Any] | None:
    """Return source and loop of a kernel, made once; None if it cannot be written as a loop."""
    known = _MADE.setdefault(kernel, {})
    form = (arrays, normals, scalars, dtype)
    if form not in known:
        try:
            source = write(kernel, *form)
            known[form] = (source, _compiled(_text(source, arrays, normals)))
        except UnknownOperationError:
            known[form] = None
    return known[form]


_TEMPLATE = """\
import numpy as np
from numpy import exp, sqrt

from gradnoise_backends._numba_stream import CHUNK, between, scratch


def loop(draws, arrays, outputs, numbers, table, begin, end):
    {unpack}
    buffers = scratch()
    n = arrays[0].shape[1]
    place = begin
    while place < end:
        row = place // n
        first = place - row * n
        last = min(first + CHUNK, n, first + end - place)
        place += last - first
        {draw}
        for i in range(last - first):
            {body}
"""


_DRAW = (
    "if wanted{j}[row]:",
    "    drawn = room{j}[: last - first].view(np.uint32)",
    "    keys = k{j}[row], l{j}[row]",
    "    between(*keys, starts{j}[row], ends{j}, first, last, True, drawn, buffers, table)",
    "else:",
    "    room{j}[:] = 0",
)


def _text(source: Source, arrays: int, normals: int) -> str:
    """Return the module that numba compiles."""
    results = range(len(source.results))
    blocks = {
        "unpack": [
            *(f"room{j} = np.empty(CHUNK, np.float32)" for j in range(normals)),
            *(f"k{j}, l{j}, starts{j}, ends{j}, wanted{j} = draws[{j}]" for j in range(normals)),
        ],
        "draw": [
            *(f"s{i} = numbers[row, {i}]" for i in range(source.size)),
            *(line.format(j=j) for j in range(normals) for line in _DRAW),
            *(f"x{k} = arrays[{k}][row, first:last]" for k in range(arrays)),
            *(f"y{k} = outputs[{k}][row, first:last]" for k in results),
        ],
        "body": [
            *(f"a{k} = x{k}[i]" for k in range(arrays)),
            *(f"z{j} = room{j}[i]" for j in range(normals)),
            *source.lines,
            *(f"y{k}[i] = {source.results[k]}" for k in results),
        ],
    }
    return _fill(_TEMPLATE, blocks)


def _fill(template: str, blocks: dict[str, list[str]]) -> str:
    """Put blocks of lines where the template names them, as deep as it does."""
    lines: list[str] = []
    for line in template.splitlines():
        block = blocks.get(line.strip().strip("{}"))
        indent = line[: len(line) - len(line.lstrip())]
        lines += [line] if block is None else [indent + text for text in block]
    return "\n".join(lines) + "\n"


@functools.lru_cache(maxsize=128)
def _compiled(text: str) -> Any:
    """Compile a module's text; numba keeps the result on disk beside the file that it is in."""
    path = _file(text)
    # numba finds a cached function's module by name, in sys.modules.
    module: Any = types.ModuleType(f"gradnoise_{hashlib.sha256(text.encode()).hexdigest()[:24]}")
    sys.modules[module.__name__] = module
    exec(compile(text, str(path or module.__name__), "exec"), module.__dict__)  # noqa: S102
    # Division by zero gives infinity, as in NumPy; nothing is contracted or reordered.
    options: dict[str, Any] = {"error_model": "numpy", "nogil": True, "cache": path is not None}
    return numba.njit(**options)(module.loop)


def _file(text: str) -> Path | None:
    """Return a file that holds `text`, in the user's cache; None where there can be none."""
    name = f"kernel_{hashlib.sha256(text.encode()).hexdigest()[:24]}.py"
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or platformdirs.user_cache_dir("gradnoise"))
    path = folder / name
    try:
        if not path.exists() or path.read_text() != text:
            folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{os.getpid()}")
            partial.write_text(text)
            partial.replace(path)
    except OSError:
        return None
    return path
