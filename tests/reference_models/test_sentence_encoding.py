"""Sentences as vectors: the weights of positions, bags, and the layer's gradient."""

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_network_naive import weight

from gradnoise_reference_models.initializers import gaussian
from gradnoise_reference_models.layers import sentence_encoding
from gradnoise_reference_models.layers.sentence_encoding import KINDS, TIMES, Encoding

each_kind = pytest.mark.parametrize("kind", KINDS)
each_time = pytest.mark.parametrize("times", TIMES)

WORDS, WIDTH, MEMORY, SIZE = 6, 4, 3, 5
#: Two replicas of three sentences: one full, one with a word twice, one of a single word.
SENTENCES = np.asarray(
    [[[1, 2, 3, 4], [5, 2, 5, 0], [3, 0, 0, 0]], [[2, 2, 2, 2], [4, 1, 0, 0], [5, 4, 3, 0]]]
)
SAID = np.asarray([[3, 2, 1], [3, 0, 3]])


def _encoding(kind: str, times: str, null: bool = False) -> Encoding:
    return Encoding(WORDS, WIDTH, MEMORY, kind, times, null)


def _params(encoding: Encoding) -> dict[str, Any]:
    dtype = np.dtype(np.float64)
    settings: Any = {"encoding": encoding, "path": "E", "dtype": dtype}
    return sentence_encoding.init(gaussian(1.0), (1, 2), SIZE, **settings)


def _vectors(encoding: Encoding, params: dict[str, Any]) -> Any:
    """Return the vectors of all sentences, from the specification's weights, one by one."""
    out = np.zeros((*SENTENCES.shape[:-1], SIZE))
    for r, i in np.ndindex(*SAID.shape):
        words, t = SENTENCES[r, i], SAID[r, i]
        E = params["embedding"][r]
        J = WIDTH + (encoding.times == "rows")
        if encoding.kind == "position-paper":
            J = int((words > 0).sum())
        for a in range(SIZE):
            for j, v in enumerate(words):
                if v:
                    out[r, i, a] += weight(encoding.kind, j + 1, a + 1, J, SIZE) * E[v, a]
            if t and encoding.times == "rows":
                last = weight("position", J, a + 1, J, SIZE) if encoding.kind == "position" else 1.0
                out[r, i, a] += last * E[WORDS + t - 1, a]
            elif t and encoding.times == "matrix":
                out[r, i, a] += params["times"][r][t - 1, a]
    return out


def _bags(library: Any, encoding: Encoding) -> Any:
    xp = library.xp
    words, said = library.array(SENTENCES, "int64"), library.array(SAID, "int64")
    bags = sentence_encoding.word_bags(words, encoding=encoding, dtype=xp.float64)
    if encoding.times == "none":
        return bags
    times = sentence_encoding.time_bags(said, encoding=encoding, dtype=xp.float64)
    return xp.concat([bags, times], axis=-1)


@each_kind
@each_time
@pytest.mark.parametrize("null", [False, True], ids=["null-out", "null-in"])
def test_vectors_are_weighted_sums_of_words_and_times(
    library: Any, kind: str, times: str, null: bool
) -> None:
    encoding = _encoding(kind, times, null)
    params = _params(encoding)
    bags = _bags(library, encoding)
    assert bags.shape[-1] == encoding.bag
    theirs = {name: library.array(a, "float64") for name, a in params.items()}
    y, _ = sentence_encoding.forward(theirs, bags, encoding=encoding)
    np.testing.assert_allclose(library.numpy(y), _vectors(encoding, params), rtol=0, atol=1e-14)


def test_the_published_position_weights() -> None:
    # Each column of a stack of one word that stands at one position.
    published = [
        [1.6, 1.2, 0.8, 0.4],
        [1.3, 1.1, 0.9, 0.7],
        [1.0, 1.0, 1.0, 1.0],
        [0.7, 0.9, 1.1, 1.3],
        [0.4, 0.8, 1.2, 1.6],
    ]
    encoding = Encoding(2, 4, 1)
    params = {"embedding": np.asarray([np.zeros(4), np.ones(4), np.ones(4)])}
    for j in range(4):
        words = np.zeros((1, 4), np.int64)
        words[0, j] = 1
        bags = sentence_encoding.word_bags(words, encoding=encoding, dtype=np.dtype(np.float64))
        bags = np.concatenate([bags, [[0.0]]], axis=-1)
        y, _ = sentence_encoding.forward(params, bags, encoding=encoding)
        np.testing.assert_allclose(y[0], published[j], rtol=1e-15)
    time_only = np.asarray([[0.0, 0.0, 1.0]])
    y, _ = sentence_encoding.forward(params, time_only, encoding=encoding)
    np.testing.assert_allclose(y[0], published[4], rtol=1e-15)


def test_the_paper_form_is_half_of_the_program_form_up_to_half_a_step() -> None:
    J, d = 6, 20
    for j in range(1, J + 1):
        for a in range(1, d + 1):
            twice = 2 * weight("position-paper", j, a, J, d)
            assert twice == pytest.approx(1 + 4 * (a / d - 0.5) * (j / J - 0.5), abs=1e-14)
    mean = np.mean(
        [[weight("position", j, a, J, d) for a in range(1, d + 1)] for j in range(1, J + 1)]
    )
    assert mean == pytest.approx(1.0, rel=1e-12)


@each_kind
@each_time
@pytest.mark.parametrize("null", [False, True], ids=["null-out", "null-in"])
def test_backward_is_the_transpose_of_forward(
    library: Any, kind: str, times: str, null: bool
) -> None:
    # forward is linear in its parameters: <forward(p), dy> = <p, backward(dy)> for all of them.
    encoding = _encoding(kind, times, null)
    params, bags = _params(encoding), _bags(library, encoding)
    params["embedding"][:, 0] = 1.0 if null else 0.0  # a null that counts would show
    theirs = {name: library.array(a, "float64") for name, a in params.items()}
    y, residuals = sentence_encoding.forward(theirs, bags, encoding=encoding)
    dy = np.random.default_rng(0).standard_normal(y.shape)
    grads, dx = sentence_encoding.backward(
        theirs, residuals, library.array(dy, "float64"), encoding=encoding
    )
    assert dx is None
    assert sorted(grads) == sorted(params)
    found = 0.0
    for name, a in params.items():
        grad = library.numpy(grads[name])
        assert grad.shape == a.shape
        found += np.sum(grad * a)
    assert found == pytest.approx(np.sum(library.numpy(y) * dy), rel=1e-12)
    nulls = library.numpy(grads["embedding"])[:, 0]
    assert nulls.any() == (null and kind != "position-paper")


@each_kind
def test_gradients_agree_with_the_frameworks_own(library: Any, kind: str) -> None:
    torch = pytest.importorskip("torch")
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    encoding = _encoding(kind, "rows")
    params = _params(encoding)
    dy = np.random.default_rng(0).standard_normal((*SAID.shape, SIZE))
    l = np.zeros((*SENTENCES.shape, SIZE))
    for at in np.ndindex(SENTENCES.shape):
        J = WIDTH + 1 if kind == "position" else int((SENTENCES[at[:-1]] > 0).sum())
        if SENTENCES[at]:
            l[at] = [weight(kind, at[-1] + 1, a + 1, J, SIZE) for a in range(SIZE)]
    last = np.ones(SIZE)
    if kind == "position":
        last = np.asarray([weight(kind, WIDTH + 1, a + 1, WIDTH + 1, SIZE) for a in range(SIZE)])
    row = np.where(SAID > 0, WORDS + SAID - 1, 0)
    here = (SAID > 0)[..., None] * last

    def total(xp: Any, E: Any) -> Any:
        parts = [
            (E[r][xp.asarray(SENTENCES[r])] * xp.asarray(l[r])).sum(-2)
            + E[r][xp.asarray(row[r])] * xp.asarray(here[r])
            for r in range(2)
        ]
        return sum((part * xp.asarray(dy[r])).sum() for r, part in enumerate(parts))

    leaf = torch.tensor(params["embedding"], requires_grad=True)
    (by_torch,) = torch.autograd.grad(total(torch, leaf), leaf)
    by_jax = jax.jit(jax.grad(lambda E: total(jax.numpy, E)))(params["embedding"])
    theirs = {"embedding": library.array(params["embedding"], "float64")}
    bags = _bags(library, encoding)
    grads, _ = sentence_encoding.backward(
        theirs, bags, library.array(dy, "float64"), encoding=encoding
    )
    found = library.numpy(grads["embedding"])
    for expected in (by_torch.numpy(), np.asarray(by_jax)):
        np.testing.assert_allclose(found[:, 1:], expected[:, 1:], rtol=1e-12, atol=1e-13)


@each_kind
def test_compiled_equals_eager(library: Any, kind: str) -> None:
    encoding = _encoding(kind, "matrix")
    params = {n: library.array(a, "float64") for n, a in _params(encoding).items()}

    def run(params: Any, words: Any, said: Any, dy: Any) -> Any:
        xp = library.xp
        bags = sentence_encoding.word_bags(words, encoding=encoding, dtype=xp.float64)
        times = sentence_encoding.time_bags(said, encoding=encoding, dtype=xp.float64)
        bags = xp.concat([bags, times], axis=-1)
        y, residuals = sentence_encoding.forward(params, bags, encoding=encoding)
        return y, sentence_encoding.backward(params, residuals, dy, encoding=encoding)[0]

    dy = np.random.default_rng(0).standard_normal((*SAID.shape, SIZE))
    arrays = library.array(SENTENCES, "int32"), library.array(SAID, "int32")
    y, grads = library.jit(run)(params, *arrays, library.array(dy, "float64"))
    expected_y, expected = run(params, *arrays, library.array(dy, "float64"))
    np.testing.assert_allclose(library.numpy(y), library.numpy(expected_y), rtol=1e-13)
    for name, g in expected.items():
        np.testing.assert_allclose(
            library.numpy(grads[name]), library.numpy(g), rtol=1e-12, atol=1e-14
        )


@given(
    words=st.lists(st.integers(1, WORDS - 1), max_size=WIDTH),
    kind=st.sampled_from(KINDS),
    times=st.sampled_from(TIMES),
)
def test_a_bag_counts_its_words(words: list[int], kind: str, times: str) -> None:
    encoding = _encoding(kind, times)
    ids = np.asarray([words + [0] * (WIDTH - len(words))])
    bag = sentence_encoding.word_bags(ids, encoding=encoding, dtype=np.dtype(np.float64))[0]
    n = WORDS - 1
    counts = [words.count(v) for v in range(1, WORDS)]
    if kind == "position-paper":
        # (1 - j/J) summed over the words of one kind, and (1 - 2 j/J): their difference is j/J.
        J = len(words)
        places = [sum(j + 1 for j, w in enumerate(words) if w == v) for v in range(1, WORDS)]
        np.testing.assert_allclose(bag[:n] - bag[n:], np.asarray(places) / max(J, 1), atol=1e-14)
        np.testing.assert_allclose(2 * bag[:n] - bag[n:], counts, atol=1e-14)
    else:
        np.testing.assert_array_equal(bag[:n], counts)


@given(words=st.permutations([1, 2, 3, 4]))
def test_only_positions_see_the_order(words: list[int]) -> None:
    ids = np.asarray([words, [1, 2, 3, 4]])
    for kind in KINDS:
        a, b = sentence_encoding.word_bags(ids, encoding=_encoding(kind, "none"))
        assert np.array_equal(a, b) == (kind == "bag-of-words" or words == [1, 2, 3, 4])


def test_an_embedding_starts_without_null(library: Any) -> None:
    for times, timed, names in (
        ("rows", True, ["embedding"]),
        ("matrix", True, ["embedding", "times"]),
        ("matrix", False, ["embedding"]),
    ):
        encoding = _encoding("position", times)
        settings: Any = {"encoding": encoding, "path": "E/0", "times": timed}
        place: Any = {"xp": library.xp, "device": library.device}
        init = functools.partial(sentence_encoding.init, gaussian(), 3, SIZE, **settings, **place)
        params = library.jit(init)() if library.name == "jax" else init()
        assert sorted(params) == names
        found = library.numpy(params["embedding"])
        drawn = gaussian()(3, "E/0/embedding", (encoding.rows, SIZE))
        assert not found[0].any()
        np.testing.assert_array_equal(found[1:], drawn[1:])
        assert found.dtype == np.float32


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`kind` must be one of bag-of-words.*got 'bow'"):
        _encoding("bow", "rows")
