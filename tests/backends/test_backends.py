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


def _kernel(x: Any, y: Any, scale: Any, offset: Any) -> tuple[Any, Any]:
    return x * scale + y, y - x * offset


class TestElementwise:
    # NumPy works in pieces of 2**14 where a leaf is longer than two of them.
    SHAPES = ((), (0,), (7,), (200, 200), (2**15,), (2**15 + 1,), (3, 2**14))

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_is_that_of_the_definition(
        self, library: Library, shape: tuple[int, ...], dtype: str
    ) -> None:
        random = np.random.default_rng(1)
        x, y = (random.standard_normal(shape).astype(dtype) for _ in range(2))
        given = library.array(x, dtype), library.array(y, dtype)
        made = library.backend.elementwise(_kernel, given, (2.0, 0.5))
        defined = plain(library).elementwise(_kernel, given, (2.0, 0.5))
        assert len(made) == 2
        for a, b in zip(made, defined, strict=True):
            assert a.dtype == b.dtype
            assert tuple(a.shape) == shape
            assert np.array_equal(library.backend.to_numpy(a), library.backend.to_numpy(b))
        assert np.array_equal(library.numpy(given[0]), x)

    def test_of_one_scalar_a_replica(self, library: Library) -> None:
        x = np.random.default_rng(2).standard_normal((3, 2**14)).astype(np.float32)
        rates = library.array([[0.5], [1.0], [2.0]])
        found, _ = library.backend.elementwise(
            _kernel, (library.array(x), library.array(x)), (rates, 0.5)
        )
        expected = x * np.asarray([[0.5], [1.0], [2.0]], dtype=np.float32) + x
        assert np.allclose(library.numpy(found), expected, rtol=1e-6, atol=0)

    @pytest.mark.parametrize("layout", ["Fortran", "strided", "mixed"])
    def test_of_leaves_that_do_not_lie_in_order(self, layout: str) -> None:
        from gradnoise_backends.numpy import backend

        random = np.random.default_rng(3)
        x, y = (random.standard_normal((300, 200)).astype(np.float32) for _ in range(2))
        wide = np.zeros((300, 400), dtype=np.float32)
        wide[:, ::2] = x
        views = {
            "Fortran": (np.asfortranarray(x), np.asfortranarray(y)),
            "strided": (wide[:, ::2], y),
            "mixed": (x, np.asfortranarray(y)),
        }[layout]
        found = backend.elementwise(_kernel, views, (2.0, 0.5))
        for a, b in zip(found, _kernel(x, y, 2.0, 0.5), strict=True):
            assert np.array_equal(a, b)


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


def test_pieces_are_powers_of_two(library: Library) -> None:
    piece = library.backend.block(library.device)
    if piece is None:
        pytest.skip(f"{library.name} draws a leaf at once")
    # Pieces end at multiples of their size, so that none crosses a border of the counter.
    assert piece in [2**k for k in range(1, 31)]


def test_a_backend_changes_by_replacement_alone(library: Library) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        library.backend.name = "other"  # type: ignore[misc]
