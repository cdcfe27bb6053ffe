"""Sums of rows by id: every backend's against the definition, and that against NumPy's."""

from typing import Any

import numpy as np
import pytest
from libraries import Library

from gradnoise_core.backend import Backend

LEADS = pytest.mark.parametrize("lead", [(), (3,), (2, 3)], ids=["solo", "replicas", "two axes"])


def by_hand(values: Any, ids: Any, count: int) -> Any:
    out = np.zeros((*ids.shape[:-1], count, values.shape[-1]), values.dtype)
    for at in np.ndindex(ids.shape[:-1]):
        np.add.at(out[at], ids[at], values[at])
    return out


def rows(lead: tuple[int, ...], n: int, count: int) -> tuple[Any, Any]:
    random = np.random.default_rng(n)
    # Of few ids: most occur several times, some not at all.
    return random.standard_normal((*lead, n, 4)), random.integers(0, count, (*lead, n)) // 2


@LEADS
@pytest.mark.parametrize("ids_dtype", ["int32", "int64"])
@pytest.mark.parametrize("n", [1, 40])
def test_it_is_that_of_the_definition(
    library: Library, lead: tuple[int, ...], n: int, ids_dtype: str
) -> None:
    values, ids = rows(lead, n, 9)
    plain = Backend(name=library.backend.name, namespace=library.xp)
    for backend in (library.backend, plain):
        found = library.numpy(
            backend.segment_sum(library.array(values, "float64"), library.array(ids, ids_dtype), 9)
        )
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, by_hand(values, ids, 9), rtol=1e-12, atol=1e-14)


@LEADS
def test_of_no_rows_it_is_zero(library: Library, lead: tuple[int, ...]) -> None:
    values, ids = rows(lead, 0, 5)
    found = library.backend.segment_sum(library.array(values), library.array(ids, "int32"), 5)
    assert np.array_equal(library.numpy(found), np.zeros((*lead, 5, 4), np.float32))


def test_it_changes_no_argument(library: Library) -> None:
    values, ids = rows((2,), 10, 4)
    there = library.array(values), library.array(ids, "int32")
    library.backend.segment_sum(*there, 4)
    assert np.array_equal(library.numpy(there[0]), values.astype(np.float32))
    assert np.array_equal(library.numpy(there[1]), ids)


def test_replicas_have_the_bits_of_solo_sums(library: Library) -> None:
    values, ids = rows((3,), 200, 7)
    values = values.astype(np.float32)

    def total(values: Any, ids: Any) -> Any:
        there = library.array(values), library.array(ids, "int32")
        return library.numpy(library.backend.segment_sum(*there, 7))

    together = total(values, ids)
    for r in range(3):
        if library.name.endswith("-cuda") or library.name == "cupy":
            np.testing.assert_allclose(together[r], total(values[r], ids[r]), rtol=1e-5)
        elif library.name == "array_api_strict":
            np.testing.assert_allclose(together[r], total(values[r], ids[r]), rtol=1e-6, atol=1e-6)
        else:
            np.testing.assert_array_equal(together[r], total(values[r], ids[r]))
