"""JAX's way to draw a large leaf: the definition's bits, and no bit is computed twice."""

import functools
from typing import Any

import numpy as np
import pytest

import gradnoise_core as gn
from gradnoise_core.random import key, standard_normal, words
from gradnoise_core.random._keys import Key, fold_in

jax = pytest.importorskip("jax")
import jax.numpy as jnp  # after the check that JAX is there

from gradnoise_backends._jax_stream import LEAST, _each, _pairs, _spread

#: Drawn in pairs, element by element, and by the definition.
SHAPES = [(LEAST,), (100, 192), (7, 64, 64), (5, 4001), (1, LEAST + 1), (LEAST - 1,)]
KEYS = {"solo": key(3), "replicas": key((1, 2**40, 2**64 - 1))}


def bits(values: Any) -> Any:
    return np.asarray(values).view(np.int32)


@pytest.mark.parametrize("draw", [words, standard_normal])
@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("shape", SHAPES)
def test_bits_are_numpys_traced_or_not(draw: Any, keys: str, shape: tuple[int, ...]) -> None:
    expected = bits(draw(KEYS[keys], shape))

    def traced(step: Any) -> Any:
        return draw(fold_in(KEYS[keys], step), shape, xp=jnp)

    np.testing.assert_array_equal(bits(draw(KEYS[keys], shape, xp=jnp)), expected)
    folded = bits(draw(fold_in(KEYS[keys], 7), shape))
    np.testing.assert_array_equal(bits(jax.jit(traced)(jnp.int32(7))), folded)
    np.testing.assert_array_equal(bits(jax.jit(lambda: traced(7))()), folded)


def test_steps_may_be_a_batch() -> None:
    def draw(step: Any) -> Any:
        return standard_normal(fold_in(key(3), step), (LEAST,), xp=jnp)

    found = jax.jit(jax.vmap(draw))(jnp.arange(3, dtype=jnp.int32))
    for t in range(3):
        expected = standard_normal(fold_in(key(3), t), (LEAST,))
        np.testing.assert_array_equal(bits(found[t]), bits(expected))


def test_pairs_lie_as_the_definition_has_them_and_not_in_halves() -> None:
    high, low = jnp.int32(5), jnp.int32(7)
    found = _spread(_pairs((2, 64), high, low))
    np.testing.assert_array_equal(found, words(Key(5, 7), (2, 64)))
    np.testing.assert_array_equal(found, _each((2, 64), high, low))
    halves = np.moveaxis(np.asarray(found).reshape(2, 32, 2), 2, 1).reshape(2, 64)
    assert (halves != np.asarray(found)).any()


def operations(transformation: Any, size: int) -> float:
    """Return how many operations XLA counts in a compiled update."""
    params = {"w": jnp.zeros(size)}
    state = jax.tree.map(jnp.asarray, transformation.init(params))
    compiled = jax.jit(transformation.update).lower(params, state, params).compile()
    count: float = compiled.cost_analysis()["flops"]
    return count


@functools.cache
def parts(size: int) -> tuple[float, float, float]:
    """Return the operations of noise, of Adam, and of both in one program."""
    noise, adam = gn.add_gradient_noise(), gn.adam(1e-3)
    return (
        operations(noise, size),
        operations(adam, size),
        operations(gn.chain(noise, adam), size),
    )


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere XLA fuses several results")
def test_an_optimizer_draws_its_noise_once() -> None:
    noise, adam, both = parts(1 << 16)
    assert both < 1.1 * (noise + adam)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere XLA fuses several results")
def test_xla_left_alone_draws_it_for_each_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of the test above: without a conditional there is more to do."""
    monkeypatch.setattr("gradnoise_backends._jax_stream._once", lambda known, make: make())
    noise = operations(gn.add_gradient_noise(), 1 << 16)
    both = operations(gn.chain(gn.add_gradient_noise(), gn.adam(1e-3)), 1 << 16)
    assert both > 1.5 * noise


@pytest.mark.parametrize("sizes", [(6000, 3000), (5001, 3, 4000)])
@pytest.mark.parametrize("seeds", [3, (1, 2**40)])
def test_small_leaves_drawn_together_are_numpys(seeds: Any, sizes: tuple[int, ...]) -> None:
    noise = gn.add_gradient_noise(1.0, 0.0, seed=seeds)
    lead = () if isinstance(seeds, int) else (len(seeds),)
    grads = {str(i): np.zeros((*lead, n), np.float32) for i, n in enumerate(sizes)}
    expected, _ = noise.update(grads, noise.init(grads)._replace(count=5))
    traced = {name: jnp.asarray(g) for name, g in grads.items()}
    state = noise.init(traced)._replace(count=jnp.int32(5))
    assert sum(sizes) >= LEAST // 2  # else the definition draws them
    for update in (noise.update, jax.jit(noise.update)):
        found, _ = update(traced, state)
        for name, g in expected.items():
            np.testing.assert_array_equal(bits(found[name]), bits(g))
