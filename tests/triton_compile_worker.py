"""Compile the Triton kernels to machine code for a GPU that is not here, and trace their use.

What was found is printed as JSON. Neither needs a GPU: Triton ships NVIDIA's assembler, and torch
traces with tensors that have no memory.
"""

import contextlib
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "1")  # the default that is harder to bear

import torch
import triton
import triton.language as tl
from torch._dynamo.backends.common import aot_autograd
from torch._higher_order_ops.triton_kernel_wrap import kernel_side_table
from torch._subclasses.fake_tensor import FakeTensorMode
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from gradnoise_backends import _triton_stream as stream
from gradnoise_backends._triton_kernels import _quantile, _signed, _threefry, draw_range

TARGET = GPUTarget("cuda", 90, 32)
TYPES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "float64": "fp64"}


@triton.jit  # type: ignore[untyped-decorator]
def plain(
    out: tl.tensor,
    g: tl.tensor,
    sigma: tl.tensor,
    k0: tl.tensor,
    k1: tl.tensor,
    a: tl.tensor,
    b: tl.tensor,
    HALF: tl.constexpr,
) -> None:
    """Add noise as one would write it."""
    words = tl.interleave(*_threefry(k0, k1, tl.arange(0, HALF).to(tl.int64)))
    magnitude, sign = _quantile(words, a, b)
    at = tl.arange(0, 2 * HALF)
    tl.store(out + at, tl.load(g + at) + sigma * _signed(magnitude, sign))


def counts(kernel: Any, types: dict[str, str], constants: dict[str, Any]) -> dict[str, Any]:
    """Return how often an instruction occurs in the machine code, with contraction allowed."""
    names = {n: "constexpr" if n in constants else types[n] for n in kernel.arg_names}
    options = {"enable_fp_fusion": True}
    made = triton.compile(ASTSource(kernel, names, constants), target=TARGET, options=options)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(made.asm["cubin"])
        file.flush()
        tools = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
        path = os.pathsep.join([str(tools), os.environ["PATH"]])
        command = [str(tools / "cuobjdump"), "-sass", file.name]
        code = subprocess.run(
            command, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
    wide = types["g"] == "*fp64"
    found = {n: len(re.findall(rf"\b{n}\b", code)) for n in ("FFMA", "DFMA")}
    found["*"] = len(re.findall(r"\bDMUL\b" if wide else r"\bFMUL\b", code))
    found["+"] = len(re.findall(r"\bDADD\b" if wide else r"\bFADD\b", code))
    found["flushes denormals"] = ".ftz" in made.asm["ptx"]
    for name in ("cvt.rn.bf16", "cvt.rn.f16"):
        found[name] = made.asm["ptx"].count(name)
    return found


def code() -> dict[str, Any]:
    types = dict.fromkeys(("k0", "k1", "n", "blocks"), "i32") | {"first": "i64"}
    types |= {"a": "*fp32", "b": "*fp32"}
    found = {}
    for dtype, short in TYPES.items():
        sigma = "*fp64" if dtype == "float64" else "fp32"
        some = {**types, "out": f"*{short}", "g": f"*{short}", "sigma": sigma}
        spread = 0 if dtype == "float64" else -1
        constants = {"ODD": 0, "KEYED": False, "SPREAD": spread, "HALF": stream.BLOCK // 2}
        found[dtype] = counts(draw_range, some, constants)
    some = {**types, "out": "*fp32", "g": "*fp32", "sigma": "fp32"}
    found["plain"] = counts(plain, some, {"HALF": stream.BLOCK // 2})
    return found


class Target:
    """Stands for the driver of a GPU, of which tracing asks the type alone."""

    def get_current_target(self) -> Any:
        return TARGET

    def get_current_device(self) -> int:
        return 0


def traced(function: Any, *arguments: Any) -> tuple[list[Any], Any]:
    """Return the kernels in a function's graph with what each may change, and the results."""
    kernels: list[Any] = []

    def keep(graph: Any, _: Any) -> Any:
        for node in graph.graph.nodes:
            if "kernel_idx" in node.kwargs:
                kernel = kernel_side_table.get_kernel(node.kwargs["kernel_idx"])
                kernels.append([kernel.fn.__name__, node.kwargs["tensors_to_clone"]])
        return graph.forward

    compiled = torch.compile(function, backend=aot_autograd(fw_compiler=keep), fullgraph=True)
    return kernels, compiled(*arguments)


def graphs() -> dict[str, Any]:
    device = torch.device("cuda:0")
    triton.runtime.driver.set_active(Target())
    torch.cuda.device_of = lambda _: contextlib.nullcontext()
    with FakeTensorMode():
        stream._TABLES[str(device)] = (torch.empty(33 * 512, device=device),) * 2
        g, sigma = torch.empty((4, 100), device=device), torch.empty(4, device=device)
        key, leaf = (torch.empty(n, dtype=torch.int32, device=device) for n in (4, 50))
        row = torch.empty(100, device=device)

        def tensors(g: Any, key: Any, sigma: Any, leaf: Any) -> Any:
            return (
                stream.normals((key, key), 7, 100, device),
                stream.add(g, (key, key), 2**33, sigma),
                stream.normals_of_leaves((key, key), leaf, leaf, device),
            )

        def numbers(g: Any) -> Any:
            keys = (5, 2**32 - 1)
            return stream.normals(keys, 2**64 - 100, 100, device), stream.add(g, keys, 3, 0.1)

        seen, results = traced(tensors, g, key, sigma, leaf)
        return {
            "graph": seen,
            "shapes": [list(x.shape) for x in results],
            "numbers": traced(numbers, row)[0],
        }


def table() -> bool:
    """Return whether the table can be had within a graph."""
    compiled = torch.compile(lambda x: x + stream._table("cpu")[0], backend="eager", fullgraph=True)
    return torch.equal(compiled(torch.zeros(33 * 512)), stream._table("cpu")[0])


if __name__ == "__main__":
    print(json.dumps({"table": table(), "code": code(), **graphs()}))
