"""The embedding: rows of a table, and the sum of their gradients."""

from typing import Any

import numpy as np
import pytest

from gradnoise_reference_models.initializers import gaussian
from gradnoise_reference_models.layers import embedding

# torch.compile imports modules of torch that warn.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

V, N, SIZE, R = 7, 12, 3, 2

solo_and_ensemble = pytest.mark.parametrize(
    ("lead", "own"), [((), ()), ((R,), (R,)), ((R,), ())], ids=["solo", "own ids", "one row of ids"]
)


def _case(lead: Any, own: Any) -> tuple[Any, Any, Any]:
    """Return a table, ids of few words, so that most occur often and one never, and dy."""
    random = np.random.default_rng(3)
    table = random.standard_normal((*lead, V, SIZE))
    return table, random.integers(0, V - 1, (*own, N)), random.standard_normal((*lead, N, SIZE))


def _each(lead: Any, table: Any, ids: Any) -> Any:
    """Return the rows, replica by replica."""
    if not lead:
        return table[ids]
    ids = np.broadcast_to(ids, (R, N))
    return np.stack([table[r][ids[r]] for r in range(R)])


@solo_and_ensemble
def test_forward_gives_the_rows(library: Any, lead: Any, own: Any) -> None:
    table, ids, _ = _case(lead, own)
    params = {"weight": library.array(table, "float64")}
    y, _ = embedding.forward(params, library.array(ids, "int32"))
    np.testing.assert_array_equal(library.numpy(y), _each(lead, table, ids))


@solo_and_ensemble
def test_gradient_agrees_with_torch_autograd(library: Any, lead: Any, own: Any) -> None:
    torch = pytest.importorskip("torch")
    table, ids, dy = _case(lead, own)
    found = library.numpy(_gradient(library, table, ids, dy))
    theirs = torch.tensor(table, requires_grad=True)
    each = np.broadcast_to(ids, (*lead, N))
    if lead:
        y = torch.stack(
            [torch.nn.functional.embedding(torch.tensor(each[r]), theirs[r]) for r in range(R)]
        )
    else:
        y = torch.nn.functional.embedding(torch.tensor(each), theirs)
    (expected,) = torch.autograd.grad(y, theirs, torch.tensor(dy))
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-13, atol=1e-14)
    assert not found[..., V - 1, :].any()


def test_gradient_agrees_with_central_differences() -> None:
    table, ids, dy = _case((R,), ())
    dtable = embedding.backward({"weight": table}, ids, dy)[0]["weight"]
    v = np.random.default_rng(1).standard_normal(table.shape)
    plus, minus = (
        np.sum(dy * embedding.forward({"weight": table + s * v}, ids)[0]) for s in (1.0, -1.0)
    )
    # Of a linear map the difference is exact but for rounding.
    assert np.sum(dtable * v) == pytest.approx((plus - minus) / 2, rel=1e-12)


def _gradient(library: Any, table: Any, ids: Any, dy: Any) -> Any:
    params = {"weight": library.array(table, "float64")}
    _, residuals = embedding.forward(params, library.array(ids, "int32"))
    dparams, dx = embedding.backward(params, residuals, library.array(dy, "float64"))
    assert dx is None
    assert dparams["weight"].shape == table.shape
    return dparams["weight"]


@solo_and_ensemble
def test_compiled_equals_eager(library: Any, lead: Any, own: Any) -> None:
    table, ids, dy = _case(lead, own)

    def both(table: Any, ids: Any, dy: Any) -> Any:
        y, residuals = embedding.forward({"weight": table}, ids)
        return y, embedding.backward({"weight": table}, residuals, dy)[0]["weight"]

    there = library.array(table), library.array(ids, "int32"), library.array(dy)
    for found, expected in zip(library.jit(both)(*there), both(*there), strict=True):
        np.testing.assert_allclose(library.numpy(found), library.numpy(expected), rtol=1e-5)


@pytest.mark.parametrize("word", [-1, V, 2**31 - 1])
def test_a_word_outside_the_vocabulary_is_nan_and_no_other_replicas_row(
    library: Any, word: int
) -> None:
    table, ids, _ = _case((R,), (R,))
    ids[0, 4] = word
    params = {"weight": library.array(table, "float64")}
    y = library.numpy(embedding.forward(params, library.array(ids, "int32"))[0])
    assert np.isnan(y[0, 4]).all()
    assert np.isnan(y).sum() == SIZE


def test_words_that_are_no_integers_are_refused(library: Any) -> None:
    params = {"weight": library.array(np.ones((V, SIZE)))}
    with pytest.raises(TypeError, match=r"`ids` must be integers, got dtype .*float32"):
        embedding.forward(params, library.array([0.0, 1.0]))


@pytest.mark.parametrize("seed", [5, (5, 6)], ids=["solo", "ensemble"])
def test_init_draws_at_its_path(library: Any, seed: Any) -> None:
    found = embedding.init(
        gaussian(), seed, V, SIZE, path="embedding", xp=library.xp, device=library.device
    )
    expected = gaussian()(seed, "embedding/weight", (V, SIZE))
    np.testing.assert_array_equal(library.numpy(found["weight"]), expected, strict=True)
