"""Every backend against the definition: what it does faster, it does with the same bits."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from libraries import Library

from gradnoise_core.backend import Backend, registered

DTYPES = ("float16", "float32", "float64", "int32")


def plain(library: Library) -> Backend:
    """Return the definition on a library: its backend without anything of its own."""
    return Backend(name=library.backend.name, namespace=library.xp)


def test_is_named_for_its_library(library: Library) -> None:
    assert library.backend.name == library.name.removesuffix("-cuda")
    assert library.name == "array_api_strict" or library.backend.name in registered()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 2)])
def test_arrays_go_in_and_come_out(library: Library, dtype: str, shape: tuple[int, ...]) -> None:
    if not hasattr(library.xp, dtype):
        pytest.skip(f"{library.name} has no {dtype}")
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    values.setflags(write=False)
    made = library.backend.from_host(values, device=library.device)
    assert made.dtype == getattr(library.xp, dtype)
    back = library.backend.to_numpy(made)
    assert type(back) is np.ndarray
    assert back.dtype == dtype
    assert back.shape == shape
    assert np.array_equal(back, values)


def test_bfloat16_comes_out_by_value(library: Library) -> None:
    if not hasattr(library.xp, "bfloat16"):
        pytest.skip(f"{library.name} has no bfloat16")
    made = library.xp.astype(library.array([1.5, -2.0]), library.xp.bfloat16)
    assert np.asarray(library.backend.to_numpy(made), dtype=np.float64).tolist() == [1.5, -2.0]


def test_an_array_that_goes_in_is_a_copy(library: Library) -> None:
    values = np.zeros(3, dtype=np.float32)
    if library.backend.asarray is None:
        pytest.skip("the namespace's own asarray may share memory")
    made = library.backend.from_host(values, device=library.device)
    values += 1
    assert library.numpy(made).tolist() == [0.0] * 3


def test_devices_are_where_arrays_can_lie(library: Library) -> None:
    devices = library.backend.devices()
    assert devices
    for name, device in devices.items():
        assert name.partition(":")[0] in ("cpu", "cuda", "tpu", "default")
        made = library.backend.from_host(np.ones(2, dtype=np.float32), device=device)
        assert library.backend.to_numpy(made).tolist() == [1.0, 1.0]


def test_device_is_the_array_s_own(library: Library) -> None:
    array = library.array([1.0])
    device = library.backend.device(array)
    again = library.backend.from_host(np.ones(1, dtype=np.float32), device=device)
    assert library.backend.device(again) == device


def test_bits_are_those_of_the_float(library: Library) -> None:
    if library.backend.bitcast is None:
        pytest.skip(f"{library.name} reads no bits")
    values = np.asarray([0.0, -0.0, 1.5, -3e38, 1e-40, np.inf, 2.0**31 + 0.5], dtype=np.float32)
    found = library.numpy(library.backend.bitcast(library.array(values)))
    assert found.dtype == np.int32
    assert np.array_equal(found, values.view(np.int32))


@pytest.mark.parametrize("shape", [(5,), (1,), (0,), (2, 3, 4)])
def test_take_is_that_of_the_definition(library: Library, shape: tuple[int, ...]) -> None:
    table = np.arange(100, dtype=np.float32) ** 2
    indices = np.random.default_rng(0).integers(0, 100, shape).astype(np.int32)
    arrays = library.array(table), library.array(indices, "int32")
    for backend in (library.backend, plain(library)):
        found = library.numpy(backend.take(*arrays))
        assert found.dtype == np.float32
        assert np.array_equal(found, table[indices])


class TestJit:
    def test_computes_the_same(self) -> None:
        for name in registered():
            if name in ("torch", "cupy"):
                continue  # compiling takes torch half a minute: the stream's tests do it once
            backend = registered()[name].load()
            x = backend.from_host(np.ones(3, dtype=np.float32))
            assert backend.to_numpy(backend.jit(lambda a: a + 1)(x)).tolist() == [2.0] * 3

    def test_of_jax_compiles_and_knows_what_is_traced(self) -> None:
        pytest.importorskip("jax")
        from gradnoise_backends.jax import backend

        seen = []

        def function(x: Any) -> Any:
            seen.append((backend.traced(x), backend.device(x)))
            return x + 1

        compiled = backend.jit(function)
        x = backend.from_host(np.ones(2, dtype=np.float32))
        compiled(x)
        compiled(x)
        assert seen == [(True, None)]
        assert not backend.traced(x)

    def test_of_torch_is_torch_compile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        torch = pytest.importorskip("torch")
        from gradnoise_backends.torch import backend

        asked: dict[str, Any] = {}

        def compile_(function: Any, **options: Any) -> Any:
            asked.update(options, function=function)
            return function

        monkeypatch.setattr(torch, "compile", compile_)
        assert backend.jit(len) is len
        assert asked["function"] is len


def test_synchronize_returns_when_the_value_is_there(library: Library) -> None:
    array = library.array([1.0]) + 1
    library.backend.synchronize(array)
    assert library.numpy(array).tolist() == [2.0]


def test_a_backend_changes_by_replacement_alone(library: Library) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        library.backend.name = "other"  # type: ignore[misc]
