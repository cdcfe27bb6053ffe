"""Keys: of seeds, of leaves and of steps, against JAX and the reference of these tests."""

import hashlib
from typing import Any

import numpy as np
import pytest
import reference_stream
from hypothesis import example, given
from hypothesis import strategies as st
from libraries import Library
from strategies import SEEDS, STEPS

from gradnoise_core.random import Key, fold_in, key, leaf_key
from gradnoise_core.random._keys import leaf_id

DOMAINS = ("gradient-noise", "weight-noise", "dropout", "init", "data-order")
PATHS = ("", "w", "layers/0/weight", "Übergang/β₂/重み", "🙂", "a b", "layers.0.weight")
BORDER_SEEDS = (0, 1, 2**32 - 1, 2**32, 2**64 - 1)
BORDER_STEPS = (0, 1, 2**31, 2**32 - 1)
COUNTS = (*BORDER_STEPS, 2, 12345, 2**31 - 1)


def unsigned(library: Library, words: Key) -> list[Any]:
    """Return both words of a key of this library's arrays as unsigned NumPy integers."""
    return [library.numpy(w).astype(np.int32).view(np.uint32) for w in words]


def array_step(library: Library, step: int, dtype: str = "int64") -> Any:
    return library.array(np.asarray(step).astype(dtype), dtype)


class TestKey:
    @pytest.mark.parametrize("seed", BORDER_SEEDS)
    def test_is_the_high_and_the_low_word(self, seed: int) -> None:
        assert key(seed) == (seed >> 32, seed & 0xFFFFFFFF)

    @given(seed=st.integers(0, 2**32 - 1))
    @example(seed=2**32 - 1)
    @example(seed=2**31)
    def test_is_the_key_data_of_jax(self, seed: int) -> None:
        jax = pytest.importorskip("jax")
        theirs = jax.random.key_data(jax.random.key(seed, impl="threefry2x32"))
        assert list(key(seed)) == np.asarray(theirs).tolist()

    def test_of_several_seeds_has_a_word_for_each(self) -> None:
        found = key(BORDER_SEEDS)
        assert found.shape == (len(BORDER_SEEDS),)
        assert found.high.dtype == found.low.dtype == np.int32
        assert found.high.view(np.uint32).tolist() == [s >> 32 for s in BORDER_SEEDS]
        assert found.low.view(np.uint32).tolist() == [s & 0xFFFFFFFF for s in BORDER_SEEDS]

    def test_takes_numpy_integers(self) -> None:
        assert key(np.uint64(2**64 - 1)) == key(2**64 - 1)  # type: ignore[arg-type]
        several = key(np.asarray([3, 4], dtype=np.uint64))  # type: ignore[arg-type]
        assert several.low.tolist() == [3, 4]

    @pytest.mark.parametrize("seed", [-1, 2**64, 10**30])
    def test_refuses_a_seed_outside_64_bits(self, seed: int) -> None:
        message = rf"`seed` must be in \[0, 2\*\*64\), got {seed}\. Take it modulo"
        with pytest.raises(ValueError, match=message):
            key(seed)
        with pytest.raises(ValueError, match=message):
            leaf_key(seed, "w", 0)

    @pytest.mark.parametrize("seed", [True, 1.0, "1", None, np.float64(3)])
    def test_refuses_a_seed_that_is_no_integer(self, seed: Any) -> None:
        with pytest.raises(TypeError, match=r"`seed` must be an integer, got .* of type"):
            key(seed)

    def test_names_the_bad_seed_of_several(self) -> None:
        with pytest.raises(ValueError, match=r"`seed\[1\]` must be in \[0, 2\*\*64\), got -3"):
            key([1, -3])
        with pytest.raises(TypeError, match=r"`seed\[2\]` must be an integer, got 2.5"):
            key([0, 1, 2.5])  # type: ignore[list-item]
        with pytest.raises(TypeError, match=r"`seed\[0\]` must be an integer, got False"):
            key([False])

    def test_refuses_an_empty_sequence(self) -> None:
        with pytest.raises(ValueError, match="`seed` must hold at least one seed, got an empty"):
            key([])


class TestFoldIn:
    @given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 2**32 - 1))
    @example(seed=2**32 - 1, n=2**32 - 1)
    @example(seed=0, n=2**31)
    def test_is_what_jax_computes(self, seed: int, n: int) -> None:
        jax = pytest.importorskip("jax")
        theirs = jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), np.uint32(n))
        assert list(fold_in(key(seed), n)) == np.asarray(jax.random.key_data(theirs)).tolist()

    @pytest.mark.parametrize("dtype", ["int32", "uint32", "int64"])
    @pytest.mark.parametrize("n", [0, 5, 2**31 - 1, 2**31, 2**32 - 1])
    def test_is_what_jax_computes_where_both_are_traced(self, dtype: str, n: int) -> None:
        jax = pytest.importorskip("jax")
        jax.config.update("jax_enable_x64", True)
        if dtype == "int32" and n >= 2**31:
            pytest.skip("n does not fit the type")

        def both(seed: Any, n: Any) -> tuple[Any, Any]:
            theirs = jax.random.key(seed, impl="threefry2x32")
            data = jax.lax.bitcast_convert_type(jax.random.key_data(theirs), jax.numpy.int32)
            ours = jax.numpy.stack(fold_in(Key(data[0], data[1]), n))
            folded = jax.random.fold_in(theirs, n.astype("uint32"))
            return ours, jax.lax.bitcast_convert_type(jax.random.key_data(folded), "int32")

        ours, theirs = jax.jit(both)(123456789, jax.numpy.asarray(n, dtype=dtype))
        assert ours.tolist() == theirs.tolist()

    @given(seed=SEEDS, n=SEEDS)
    def test_of_64_bits_agrees_with_the_reference(self, seed: int, n: int) -> None:
        assert fold_in(key(seed), n) == reference_stream.fold_in(divmod(seed, 2**32), n)

    @pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "uint64"])
    @pytest.mark.parametrize("n", COUNTS)
    def test_of_an_array_is_that_of_the_number(self, library: Library, dtype: str, n: int) -> None:
        if library.name.startswith("torch") and dtype == "uint64":
            pytest.skip("torch does not shift uint64")
        if n >= 2 ** (31 if dtype == "int32" else 32):
            pytest.skip("n does not fit the type")
        found = fold_in(key(2**40 + 1), array_step(library, n, dtype))
        assert found.shape == ()
        assert [int(w) for w in unsigned(library, found)] == list(fold_in(key(2**40 + 1), n))

    def test_of_a_64_bit_array_uses_both_words(self, library: Library) -> None:
        n = 2**62 + 2**33 + 5
        found = unsigned(library, fold_in(key(7), array_step(library, n)))
        assert [int(w) for w in found] == list(fold_in(key(7), n))

    def test_of_a_vector_broadcasts_with_the_key(self, library: Library) -> None:
        numbers = [0, 1, 2**31 - 1]
        found = unsigned(library, fold_in(key(7), library.array(numbers, "int32")))
        assert list(zip(*(w.tolist() for w in found), strict=True)) == [
            tuple(fold_in(key(7), n)) for n in numbers
        ]

    @pytest.mark.parametrize("traced", [False, True])
    def test_of_replicas_is_that_of_each(self, library: Library, traced: bool) -> None:
        folded = fold_in(key(BORDER_SEEDS), array_step(library, 9) if traced else 9)
        words = unsigned(library, folded) if traced else [w.view(np.uint32) for w in folded]
        assert folded.shape == (len(BORDER_SEEDS),)
        assert list(zip(*(w.tolist() for w in words), strict=True)) == [
            tuple(fold_in(key(s), 9)) for s in BORDER_SEEDS
        ]

    @pytest.mark.parametrize("n", [-1, 2**64])
    def test_refuses_a_number_outside_64_bits(self, n: int) -> None:
        with pytest.raises(ValueError, match=rf"`n` must be in \[0, 2\*\*64\), got {n}"):
            fold_in(key(0), n)

    def test_refuses_a_bool(self) -> None:
        with pytest.raises(TypeError, match="`n` must be an integer, got True of type bool"):
            fold_in(key(0), True)


class TestLeafKey:
    @pytest.mark.parametrize("domain", DOMAINS)
    @pytest.mark.parametrize("path", PATHS)
    def test_hashes_domain_and_path(self, domain: str, path: str) -> None:
        text = domain + chr(0) + path
        digest = hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest()
        assert leaf_id(path, domain) == int.from_bytes(digest, "big")
        expected = fold_in(fold_in(key(5), int.from_bytes(digest, "big")), 3)
        assert leaf_key(5, path, 3, domain=domain) == expected

    @pytest.mark.parametrize("seed", BORDER_SEEDS)
    @pytest.mark.parametrize("step", BORDER_STEPS)
    def test_at_the_borders_of_seed_and_step(self, seed: int, step: int) -> None:
        for domain in DOMAINS:
            found = leaf_key(seed, PATHS[3], step, domain=domain)
            assert found == reference_stream.leaf_key(seed, PATHS[3], step, domain)

    @given(seed=SEEDS, step=STEPS, path=st.text(st.characters(codec="utf-8")))
    def test_agrees_with_the_reference(self, seed: int, step: int, path: str) -> None:
        assert leaf_key(seed, path, step) == reference_stream.leaf_key(seed, path, step)

    def test_default_domain_is_gradient_noise(self) -> None:
        assert leaf_key(1, "w", 2) == leaf_key(1, "w", 2, domain="gradient-noise")

    def test_each_seed_path_step_and_domain_has_its_own(self) -> None:
        keys = [
            leaf_key(s, p, t, domain=d)
            for s in BORDER_SEEDS
            for p in PATHS
            for t in BORDER_STEPS
            for d in DOMAINS
        ]
        assert len(set(keys)) == len(keys)

    @pytest.mark.parametrize("step", BORDER_STEPS)
    def test_at_an_array_step_is_that_at_the_number(self, library: Library, step: int) -> None:
        found = leaf_key(2**33, "w", array_step(library, step))
        assert [int(w) for w in unsigned(library, found)] == list(leaf_key(2**33, "w", step))

    def test_inside_jit_is_that_outside(self) -> None:
        jax = pytest.importorskip("jax")
        found = jax.jit(lambda t: leaf_key((1, 2), "w", t))(7)
        expected = leaf_key((1, 2), "w", 7)
        assert np.asarray(found.high).tolist() == expected.high.tolist()
        assert np.asarray(found.low).tolist() == expected.low.tolist()

    def test_refuses_an_empty_sequence_of_seeds(self) -> None:
        with pytest.raises(ValueError, match="`seed` must hold at least one seed"):
            leaf_key((), "w", 0)
