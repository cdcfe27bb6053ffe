"""What is true of every memory network: null is zero, empty slots, the order of slots."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from memory_network_naive import CASES, MEMORY, SIZE, WIDTH, WORDS, Examples

import gradnoise_core as gn
from gradnoise_core.tree import flatten, map_leaves
from gradnoise_reference_models.initializers import gaussian
from gradnoise_reference_models.models import memory_network as model
from gradnoise_reference_models.models.memory_network import MemoryNetwork

numbers = st.integers(0, 2**31)


def _network(case: str) -> MemoryNetwork:
    return MemoryNetwork(WORDS, WIDTH, MEMORY, SIZE, **CASES[case])


def _params(case: str, seed: int) -> Any:
    return model.init(_network(case), seed, initializer=gaussian(0.35), dtype=np.dtype(np.float64))


def _random_story(seed: int, memory: int) -> Examples:
    """Return three stories of up to `memory` statements."""
    rng = np.random.default_rng(seed)
    length = rng.integers(0, memory + 1, (3, 1))
    slot = np.arange(memory)
    times = np.where(slot < length, length - slot, 0)
    words = rng.integers(1, WORDS, (3, memory, WIDTH))
    words[np.arange(WIDTH) >= rng.integers(1, WIDTH + 1, (3, memory, 1))] = 0
    words[times == 0] = 0
    return Examples(words, times, rng.integers(1, WORDS, (3, WIDTH)), rng.integers(1, WORDS, 3))


def _logits(network: MemoryNetwork, params: Any, data: Examples, linear: bool) -> Any:
    batch = model.batch(network, *data, dtype=np.dtype(np.float64))
    return model.forward(network, params, batch, linear=linear)[0]


@given(seed=numbers, case=st.sampled_from(sorted(CASES)), linear=st.booleans())
def test_slots_may_stand_in_any_order(seed: int, case: str, linear: bool) -> None:
    network, params, data = _network(case), _params(case, seed), _random_story(seed, MEMORY)
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(MEMORY), (3, 1)), axis=-1)
    moved = data._replace(
        words=np.take_along_axis(data.words, order[..., None], axis=1),
        times=np.take_along_axis(data.times, order, axis=1),
    )
    a, b = (_logits(network, params, d, linear) for d in (data, moved))
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(a).max())


@given(seed=numbers, extra=st.integers(1, 4))
def test_empty_slots_damp_a_softmax_and_do_nothing_to_linear_attention(
    seed: int, extra: int
) -> None:
    data = _random_story(seed, MEMORY)
    rng = np.random.default_rng(seed)
    data.words[0, 0, 0] = 1 + rng.integers(WORDS - 1)  # at least one statement
    data.times[0, 0] = max(data.times[0, 0], 1)
    longer = data._replace(
        words=np.pad(data.words, ((0, 0), (0, extra), (0, 0))),
        times=np.pad(data.times, ((0, 0), (0, extra))),
    )
    params = _params("no-times", seed)
    for linear, masked, same in ((True, False, True), (False, True, True), (False, False, False)):
        options = {**CASES["no-times"], "masked": masked}
        a, b = (
            _logits(MemoryNetwork(WORDS, WIDTH, m, SIZE, **options), params, d, linear)
            for m, d in ((MEMORY, data), (MEMORY + extra, longer))
        )
        assert np.allclose(a, b, rtol=1e-10, atol=1e-12) == same


@given(seed=numbers, case=st.sampled_from(sorted(CASES)), steps=st.integers(1, 3))
def test_null_stays_zero_under_noise(seed: int, case: str, steps: int) -> None:
    network, params = _network(case), _params(case, seed)
    batch = model.batch(network, *_random_story(seed, MEMORY), dtype=np.dtype(np.float64))
    optimizer = gn.chain(gn.clip_by_norm(1.0), gn.add_gradient_noise(1.0, seed=seed), gn.sgd(0.1))
    state = optimizer.init(params)
    for _ in range(steps):
        _, grads = model.loss_and_grads(network, params, batch)
        params, state = gn.apply_gradients(optimizer, grads, state, params)
        tree = flatten(params, "params")
        pairs = list(zip(tree.paths, tree.leaves, strict=True))
        assert all(leaf[0].any() for path, leaf in pairs if path.endswith("embedding"))
        params = model.without_null(network, params)
    tree = flatten(params, "params")
    for (path, before), leaf in zip(pairs, tree.leaves, strict=True):
        if path.endswith("embedding"):
            assert not leaf[0].any()
            np.testing.assert_array_equal(leaf[1:], before[1:])
        else:
            np.testing.assert_array_equal(leaf, before)


def test_null_becomes_zero_even_if_it_is_not_a_number(library: Any) -> None:
    network, params = _network("usual"), _params("usual", 0)
    for layer in params["E"]:
        layer["embedding"][0] = np.nan
    theirs = map_leaves(lambda a: library.array(a, "float64"), params)
    for leaf in flatten(model.without_null(network, theirs), "params").leaves:
        found = library.numpy(leaf)
        assert not found[0].any()
        assert np.isfinite(found).all()
