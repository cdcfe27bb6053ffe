"""Attention over slots: a softmax or the scores themselves, with empty slots left out or not."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gradnoise_reference_models.layers import attention

#: Softmax, linear, and one of each in two replicas.
SWITCHES: dict[str, Any] = {"softmax": False, "linear": True, "either": [False, True]}
FILLED = np.asarray(
    [
        [[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]],
        [[1, 0, 0, 0], [0, 1, 0, 1], [1, 1, 1, 1]],
    ],
    np.bool_,
)

each_switch = pytest.mark.parametrize("switch", SWITCHES)
masked_or_not = pytest.mark.parametrize("masked", [False, True], ids=["plain", "masked"])


def _scores() -> Any:
    return np.random.default_rng(1).standard_normal((2, 3, 4))


def _switch(library: Any, switch: str) -> Any:
    value = SWITCHES[switch]
    return library.array(value, "bool") if isinstance(value, list) else value


def _options(library: Any, switch: str, masked: bool) -> dict[str, Any]:
    filled = library.array(FILLED, "bool") if masked else None
    return {"linear": _switch(library, switch), "filled": filled}


def _by_hand(switch: str, masked: bool) -> Any:
    """Return the weights, slot by slot."""
    scores, out = _scores(), np.zeros((2, 3, 4))
    for r, n in np.ndindex(2, 3):
        linear = SWITCHES[switch] if switch != "either" else SWITCHES[switch][r]
        slots = [i for i in range(4) if FILLED[r, n, i] or not masked]
        total = sum(np.exp(scores[r, n, i]) for i in slots)
        for i in slots:
            out[r, n, i] = scores[r, n, i] if linear else np.exp(scores[r, n, i]) / total
    return out


@each_switch
@masked_or_not
def test_the_weights(library: Any, switch: str, masked: bool) -> None:
    scores = library.array(_scores(), "float64")
    weights, _ = attention.forward({}, scores, **_options(library, switch, masked))
    np.testing.assert_allclose(
        library.numpy(weights), _by_hand(switch, masked), rtol=1e-14, atol=1e-16
    )


@each_switch
@masked_or_not
def test_gradients_agree_with_central_differences(library: Any, switch: str, masked: bool) -> None:
    options = _options(library, switch, masked)
    random = np.random.default_rng(2)
    dy, scores = random.standard_normal((2, 3, 4)), _scores()

    def value(s: Any) -> Any:
        return library.numpy(attention.forward({}, library.array(s, "float64"), **options)[0])

    _, residuals = attention.forward({}, library.array(scores, "float64"), **options)
    dparams, ds = attention.backward({}, residuals, library.array(dy, "float64"))
    assert dparams == {}
    h = np.finfo(np.float64).eps ** (1 / 3)
    found = library.numpy(ds)
    for at in np.ndindex(scores.shape):
        step = np.zeros_like(scores)
        step[at] = h
        expected = np.sum(dy * (value(scores + step) - value(scores - step))) / (2 * h)
        assert found[at] == pytest.approx(expected, rel=1e-8, abs=1e-9)
        if masked and not FILLED[at]:
            assert found[at] == 0


@each_switch
@masked_or_not
def test_gradients_agree_with_the_frameworks_own(library: Any, switch: str, masked: bool) -> None:
    torch = pytest.importorskip("torch")
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    dy = np.random.default_rng(2).standard_normal((2, 3, 4))
    options = _options(library, switch, masked)
    _, residuals = attention.forward({}, library.array(_scores(), "float64"), **options)
    found = library.numpy(attention.backward({}, residuals, library.array(dy, "float64"))[1])

    def total(xp: Any, softmax: Any, scores: Any) -> Any:
        out = 0.0
        for r, n in np.ndindex(2, 3):
            linear = SWITCHES[switch] if switch != "either" else SWITCHES[switch][r]
            slots = np.flatnonzero(FILLED[r, n]) if masked else np.arange(4)
            if len(slots):
                s = scores[r, n][xp.asarray(slots)]
                out = out + ((s if linear else softmax(s)) * xp.asarray(dy[r, n, slots])).sum()
        return out

    leaf = torch.tensor(_scores(), requires_grad=True)
    (by_torch,) = torch.autograd.grad(total(torch, lambda s: torch.softmax(s, -1), leaf), leaf)
    by_jax = jax.jit(jax.grad(lambda s: total(jax.numpy, jax.nn.softmax, s)))(_scores())
    for expected in (by_torch.numpy(), np.asarray(by_jax)):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@masked_or_not
def test_a_switch_may_be_traced(library: Any, masked: bool) -> None:
    def run(scores: Any, dy: Any, linear: Any) -> Any:
        filled = library.array(FILLED, "bool") if masked else None
        weights, residuals = attention.forward({}, scores, linear=linear, filled=filled)
        return weights, attention.backward({}, residuals, dy)[1]

    dy = np.random.default_rng(2).standard_normal((2, 3, 4))
    scores = library.array(_scores(), "float64")
    compiled = library.jit(run)
    for linear in (False, True):
        traced = compiled(scores, library.array(dy, "float64"), library.array(linear, "bool"))
        static = run(scores, library.array(dy, "float64"), linear)
        for a, b in zip(traced, static, strict=True):
            np.testing.assert_allclose(library.numpy(a), library.numpy(b), rtol=1e-13, atol=1e-16)


scores_of_any_size = arrays(np.float64, (3, 4), elements=st.floats(-700, 700))


@given(scores=scores_of_any_size, shift=st.floats(-100, 100), order=st.permutations(range(4)))
def test_a_softmax_sums_to_one_whatever_the_scores(
    scores: Any, shift: float, order: list[int]
) -> None:
    weights, _ = attention.forward({}, scores)
    np.testing.assert_allclose(weights.sum(-1), 1.0, rtol=1e-14)
    assert (weights >= 0).all()
    moved, _ = attention.forward({}, scores[:, order] + shift)
    np.testing.assert_allclose(moved, weights[:, order], rtol=1e-9, atol=1e-300)
    linear, _ = attention.forward({}, scores, linear=True)
    np.testing.assert_array_equal(linear, scores)


@given(
    scores=scores_of_any_size,
    filled=arrays(np.bool_, (3, 4)),
    linear=st.booleans(),
    dy=arrays(np.float64, (3, 4), elements=st.floats(-10, 10)),
)
def test_masked_slots_have_no_weight_and_no_gradient(
    scores: Any, filled: Any, linear: bool, dy: Any
) -> None:
    weights, residuals = attention.forward({}, scores, linear=linear, filled=filled)
    _, ds = attention.backward({}, residuals, dy)
    assert not weights[~filled].any()
    assert not ds[~filled].any()
    if not linear:
        np.testing.assert_allclose(weights.sum(-1), filled.any(-1), rtol=1e-14)
        # The gradient of what sums to one sums to zero.
        np.testing.assert_allclose(ds.sum(-1), 0.0, atol=1e-13)
    # What the masked scores are does not matter.
    other, _ = attention.forward({}, np.where(filled, scores, 1e6), linear=linear, filled=filled)
    np.testing.assert_array_equal(other, weights)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_not_hidden(bad: float) -> None:
    scores = _scores()
    scores[0, 0, 0] = bad
    for filled in (None, FILLED):
        with np.errstate(invalid="ignore"):
            weights, _ = attention.forward({}, scores, filled=filled)
        assert np.isnan(weights[0, 0, 0])
        assert np.isfinite(weights[0, 1]).all()


def test_it_has_no_parameters() -> None:
    assert attention.init() == {}
