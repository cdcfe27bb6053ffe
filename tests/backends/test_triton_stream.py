"""The Triton kernels without a GPU: interpreted, compiled to machine code, and traced by torch."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gpu_cases import (
    DTYPES,
    FAR,
    RANGES,
    SUMS,
    TINY,
    Range,
    expected,
    expected_leaves,
    expected_sum,
    operand,
)

TESTS = Path(__file__).parents[1]


def run(worker: str, *arguments: str) -> str:
    """Run a worker in a process of its own, which finds all that this one does."""
    for library in ("torch", "triton"):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    path = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
    command = [sys.executable, "-W", "error::UserWarning", str(TESTS / worker), *arguments]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("absent", ["triton", "triton.language"])
def test_without_triton_the_import_fails_as_imports_do(
    monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, absent, None)
    for name in ("_triton_stream", "_triton_kernels"):
        monkeypatch.delitem(sys.modules, f"gradnoise_backends.{name}", raising=False)
    with pytest.raises(ImportError):
        importlib.import_module("gradnoise_backends._triton_stream")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("triton") / "drawn.npz"
    run("triton_worker.py", str(path))
    return np.load(path)


@pytest.fixture(scope="module")
def compiled() -> Any:
    return json.loads(run("triton_compile_worker.py").splitlines()[-1])


def same(found: Any, wanted: Any) -> bool:
    """Return whether two arrays are equal to the bit."""
    return (
        found.dtype == wanted.dtype
        and found.shape == wanted.shape
        and bool(found.tobytes() == np.ascontiguousarray(wanted).tobytes())
    )


@pytest.mark.parametrize("i", range(len(RANGES)))
def test_normals_are_those_of_the_definition(drawn: Any, i: int) -> None:
    assert same(drawn[f"range {i}"], expected(RANGES[i]))


def test_keys_may_lie_apart(drawn: Any) -> None:
    assert RANGES[-3].rows == 5
    assert same(drawn["strided"], expected(RANGES[-3]))


def rounded(total: Any, dtype: str) -> Any:
    """Return float32 sums in a dtype as the interpreter rounds them."""
    if dtype == "bfloat16":
        # The interpreter cuts off where a GPU rounds to nearest; see the test of machine code.
        return (total.view(np.uint32) >> 16).astype(np.uint16).view(np.int16)
    if dtype == "float16":
        with np.errstate(over="ignore"):
            return total.astype(np.float16).view(np.int16)
    return total


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", ["sum", "in place"])
@pytest.mark.parametrize(("i", "case", "sigma"), [(i, *s) for i, s in enumerate(SUMS)])
def test_sums_are_those_of_two_operations(
    drawn: Any, i: int, case: Range, sigma: Any, way: str, dtype: str
) -> None:
    import torch

    g = torch.tensor(operand(case.shape, TINY[dtype])).to(getattr(torch, dtype))
    wide = g.numpy() if dtype == "float64" else g.float().numpy()
    total = expected_sum(case, sigma, wide)
    found = drawn[f"{way} {i} {dtype}"]
    if dtype == "bfloat16":  # whose subnormal numbers the interpreter converts wrongly
        normal = (total == 0) | (abs(total) >= np.finfo(np.float32).tiny)
        assert normal.sum() > 0.8 * normal.size
        found, total = found[normal], total[normal]
    assert same(found, rounded(total, dtype))


def test_misfits_are_refused_by_name(drawn: Any) -> None:
    messages = drawn["refusals"].tolist()
    for message, name in zip(messages, ("g", "sigma", "out"), strict=True):
        assert message.startswith(f"`{name}` must ")


@pytest.mark.parametrize("rows", [0, 4])
@pytest.mark.parametrize(("kind", "far"), [("leaves", 0), ("far", FAR)])
def test_leaves_together_are_those_of_the_definition(
    drawn: Any, rows: int, kind: str, far: int
) -> None:
    assert same(drawn[f"{kind} {rows}"], expected_leaves(rows, far))


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_no_compiler_contracts_the_sum(compiled: Any, dtype: str) -> None:
    counts = compiled["code"][dtype]
    fused, product, total = (
        counts["DFMA" if dtype == "float64" else "FFMA"],
        counts["*"],
        counts["+"],
    )
    # Eight elements a thread: the table's product is contracted, the sum's is not.
    assert fused == (0 if dtype == "float64" else 8)
    assert product == 8
    assert total >= 8
    assert not counts["flushes denormals"]


def test_a_plain_sum_is_contracted(compiled: Any) -> None:
    """Show that the test above can fail: without the exclusive or, two products are contracted."""
    assert compiled["code"]["plain"]["FFMA"] == 16
    assert compiled["code"]["plain"]["*"] == 0


def test_the_gpu_rounds_16_bits_to_nearest(compiled: Any) -> None:
    assert compiled["code"]["bfloat16"]["cvt.rn.bf16"] > 0
    assert compiled["code"]["float16"]["cvt.rn.f16"] > 0


def test_torch_compile_sees_the_kernels(compiled: Any) -> None:
    # Three kernels in one graph, each of which writes to its result alone.
    assert compiled["graph"] == [["draw_range", ["out"]]] * 2 + [["draw_leaves", ["out"]]]
    assert compiled["numbers"] == [["draw_range", ["out"]]] * 2
    assert compiled["shapes"] == [[4, 100], [4, 100], [50]]


def test_the_table_is_a_constant_of_the_graph(compiled: Any) -> None:
    assert compiled["table"] is True
