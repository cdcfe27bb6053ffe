"""Run the Triton kernels in Triton's interpreter, on NumPy, and save what they drew.

It is a process of its own because the interpreter is chosen before Triton is imported.
"""

import os
import sys
from typing import Any

os.environ["TRITON_INTERPRET"] = "1"

import numpy as np
import torch
from gpu_cases import DTYPES, FAR, LEAVES, RANGES, SUMS, TINY, leaf_keys, operand

from gradnoise_backends import _triton_stream as stream


def _keys(keys: Any) -> Any:
    return keys if isinstance(keys[0], int) else tuple(torch.tensor(k) for k in keys)


def _bits(tensor: torch.Tensor) -> Any:
    return tensor.view(torch.int16).numpy() if tensor.element_size() == 2 else tensor.numpy()


def _ranges(out: dict[str, Any]) -> None:
    for i, case in enumerate(RANGES):
        keys = _keys(case.words())
        out[f"range {i}"] = stream.normals(keys, case.start, case.n, "cpu").numpy()
    keys = tuple(k.repeat_interleave(2)[::2] for k in _keys(RANGES[-3].words()))
    assert not keys[0].is_contiguous()
    z = stream.normals(keys, RANGES[-3].start, RANGES[-3].n, torch.device("cpu"))
    out["strided"] = z.numpy()


def _sums(out: dict[str, Any]) -> None:
    for i, (case, sigma) in enumerate(SUMS):
        for dtype in DTYPES:
            g = torch.tensor(operand(case.shape, TINY[dtype])).to(getattr(torch, dtype))
            tensor = torch.tensor(sigma, dtype=torch.float64)  # of shape () for a number
            given = tensor if isinstance(sigma, list) else sigma
            kept, keys = g.clone(), _keys(case.words())
            out[f"sum {i} {dtype}"] = _bits(stream.add(g, keys, case.start, given))
            assert torch.equal(g, kept), "add changed its operand"
            assert stream.add(g, keys, case.start, tensor, out=g) is g
            out[f"in place {i} {dtype}"] = _bits(g)


def _leaves(out: dict[str, Any]) -> None:
    leaf, index = (torch.tensor(x) for x in LEAVES)
    for rows in (0, 4):
        keys = tuple(torch.tensor(k) for k in leaf_keys(rows))
        out[f"leaves {rows}"] = stream.normals_of_leaves(keys, leaf, index, "cpu").numpy()
        far = torch.stack([index.long() + FAR, index], dim=-1)[:, 0]  # not contiguous
        out[f"far {rows}"] = stream.normals_of_leaves(keys, leaf, far, "cpu").numpy()


def _refusals(out: dict[str, Any]) -> None:
    g, found = torch.zeros(2, 3), []
    keys = (torch.zeros(2, dtype=torch.int32),) * 2
    narrow = g.half()
    for words, sigma, into in (((0, 0), 0.1, g), (keys, torch.ones(3), g), (keys, 0.1, narrow)):
        try:
            stream.add(g, words, 0, sigma, out=into)
        except ValueError as error:
            found.append(str(error))
    out["refusals"] = np.asarray(found)


def main(path: str) -> None:
    out: dict[str, Any] = {}
    _ranges(out)
    _sums(out)
    _leaves(out)
    _refusals(out)
    np.savez(path, **out)


if __name__ == "__main__":
    main(sys.argv[1])
