"""Stories as bags, what training draws for them, and clipping by the spectral norm."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_network_naive import CASES, MEMORY, SIZE, WIDTH, WORDS, Examples, examples
from strategies import SEEDS

import gradnoise_core as gn
from gradnoise_core.random import leaf_key, words
from gradnoise_reference_models.models import memory_network as model
from gradnoise_reference_models.models.memory_network import MemoryNetwork

# torch.compile imports modules of torch that warn, and says of caches that it sees through them.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools:UserWarning"),
]


def _network(case: str = "usual") -> MemoryNetwork:
    return MemoryNetwork(WORDS, WIDTH, MEMORY, SIZE, **CASES[case])


# --- data sets --------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_gathered_examples_are_those_of_their_words(library: Any, case: str) -> None:
    network, ids = _network(case), examples()
    data = model.stories(network, *ids, xp=library.xp, device=library.device)
    rows = np.asarray([[3, 0, 0], [1, 2, 3]])
    gathered = model.gather(network, data, library.array(rows, "int32"))
    direct = model.batch(network, *(library.array(a[rows], "int32") for a in ids))
    for a, b in zip(gathered, direct, strict=True):
        if network.masked or b is not None:
            np.testing.assert_array_equal(library.numpy(a), library.numpy(b))
    assert (gathered.filled is None) == (not network.masked)
    assert tuple(gathered.memory.shape) == (2, 3, MEMORY, network.encoding.bag)


def test_each_distinct_sentence_is_kept_once() -> None:
    ids = examples()
    data = model.stories(_network(), *ids)
    everything = np.concatenate([ids.words.reshape(-1, WIDTH), ids.questions])
    distinct = {tuple(s) for s in everything} | {(0,) * WIDTH}
    assert len(data.sentences) == len(distinct)
    assert not data.sentences[0].any()
    assert not data.memory[ids.times == 0].any()


def test_other_times_take_the_place_of_the_data_sets() -> None:
    network, ids = _network("masked"), examples()
    data = model.stories(network, *ids)
    rows, times = np.asarray([0, 1]), np.asarray([[4, 3, 2, 1, 1], [5, 3, 1, 0, 0]])
    found = model.gather(network, data, rows, times)
    expected = model.batch(network, ids.words[rows], times, ids.questions[rows], ids.answers[rows])
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@given(seed=st.integers(0, 2**31), width=st.integers(1, 12), vocabulary=st.integers(2, 200))
def test_sentences_of_any_width_are_told_apart(seed: int, width: int, vocabulary: int) -> None:
    # 200**12 is beyond 64 bits: no sentence may be numbered by its digits alone.
    rng = np.random.default_rng(seed)
    pool = rng.integers(1, vocabulary, (6, width))
    memory, asked = pool[rng.integers(0, 6, (5, 3))], pool[rng.integers(0, 6, 5)]
    times = np.broadcast_to([3, 2, 1], (5, 3))
    network = MemoryNetwork(vocabulary, width, 3, SIZE, kind="bag-of-words")
    data = model.stories(network, memory, times, asked, np.zeros(5, np.int64))
    one_hot = memory[..., None] == np.arange(1, vocabulary)
    np.testing.assert_array_equal(data.sentences[data.memory], one_hot.sum(-2))
    one_hot = asked[..., None] == np.arange(1, vocabulary)
    np.testing.assert_array_equal(data.sentences[data.questions], one_hot.sum(-2))


_BAD: dict[str, tuple[str, Any, type[Exception], str]] = {
    "a word too many": ("words", lambda a: a + WORDS * (a == 2), ValueError, r"\[0, 7\), got 9"),
    "a negative word": ("questions", lambda a: -a, ValueError, r"`questions` must be in \[0, 7\)"),
    "floats": ("words", lambda a: a * 1.0, TypeError, "`words` must be integers, got dtype float"),
    "a time too late": ("times", lambda a: a + (a > 0), ValueError, r"`times` must be in \[0, 6\)"),
    "times from 0": ("times", lambda a: np.maximum(a - 1, 0), ValueError, "latest .* has time 1"),
    "an empty slot with a time": ("times", np.ones_like, ValueError, r"got 1 for the words \[0, 0"),
    "a slot too few": ("words", lambda a: a[:, 1:], ValueError, r"shape \(4, 5, 4\)"),
    "an answer too few": ("answers", lambda a: a[1:], ValueError, r"shape \(3, 5, 4\)"),
    "an answer of no class": ("answers", lambda a: a + 12, ValueError, r"`answers` must be in"),
}


@pytest.mark.parametrize("name", _BAD)
def test_bad_data_are_refused(name: str) -> None:
    field, spoil, error, match = _BAD[name]
    good = examples()
    bad = good._replace(**{field: spoil(getattr(good, field))})
    with pytest.raises(error, match=match):
        model.stories(_network(), *bad)


# --- what training draws ----------------------------------------------------


@given(seed=SEEDS, count=st.integers(0, 2**64 - 1), n=st.integers(1, 2**31 - 1))
def test_rows_are_words_scaled_to_the_data(seed: int, count: int, n: int) -> None:
    rows = model.random_rows(seed, count, (2, 3), n)
    w = words(leaf_key(seed, "", count, domain="examples"), (2, 3))
    expected = [(int(x) % 2**32) * n // 2**32 for x in w.ravel()]
    assert rows.ravel().tolist() == expected
    assert rows.dtype == np.int32
    together = model.random_rows((seed, 7), count, (2, 3), n)
    np.testing.assert_array_equal(together[0], rows)
    np.testing.assert_array_equal(together[1], model.random_rows(7, count, (2, 3), n))


def test_rows_are_equally_likely_and_drawn_with_replacement() -> None:
    rows = model.random_rows(1, 0, (28, 900), 900)
    counts = np.bincount(rows.ravel(), minlength=900)
    # The statistic has mean 899 and standard deviation 42 if all rows are equally likely.
    chi2 = np.sum((counts - 28) ** 2 / 28)
    assert abs(chi2 - 899) < 4 * 42
    once_each = np.full(900, 28)
    assert abs(np.sum((once_each - 28) ** 2 / 28) - 899) > 4 * 42  # not so of permutations
    first = model.random_rows(1, 1, (28, 900), 900)
    assert np.mean(first == rows) < 0.01


def _plain(lengths: Any, memory: int) -> Any:
    """Return the times r..1 of stories of so many statements."""
    lengths, slot = np.asarray(lengths)[..., None], np.arange(memory)
    return np.where(slot < lengths, lengths - slot, 0)


@given(
    seed=SEEDS,
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    fraction=st.sampled_from([0.0, 0.1, 0.3, 1.0]),
)
def test_times_keep_their_order_and_have_few_gaps(
    seed: int, lengths: list[int], fraction: float
) -> None:
    memory = 30
    plain = _plain(lengths, memory)
    times = model.random_times(seed, 3, plain, memory, fraction=fraction)
    assert times.dtype == np.int32
    np.testing.assert_array_equal(times == 0, plain == 0)
    for r, before, after in zip(lengths, plain, times, strict=True):
        kept = after[:r]
        most = -(-round(1000 * fraction) * r // 1000)
        assert np.all(kept >= before[:r])
        assert np.all(kept <= np.minimum(before[:r] + most, memory))
        uncut = kept[kept < memory]
        assert np.all(np.diff(uncut) < 0)
        assert np.all(np.diff(kept) <= 0)
    if fraction == 0:
        np.testing.assert_array_equal(times, plain)


@given(seed=SEEDS, order=st.permutations(range(8)))
def test_a_statement_has_its_time_wherever_it_stands(seed: int, order: list[int]) -> None:
    plain = _plain([6, 3], 8)
    times = model.random_times(seed, 0, plain, 8, fraction=0.5)
    moved = model.random_times(seed, 0, plain[:, order], 8, fraction=0.5)
    np.testing.assert_array_equal(moved, times[:, order])


def test_every_set_of_gaps_is_equally_likely() -> None:
    # Of 4 statements and fraction 0.5, e is 0, 1 or 2; each of the 1, 5 or 15 sets is as likely.
    r, draws = 4, 60_000
    expected: dict[tuple[int, ...], float] = {}  # two sets may leave the same: 1..4
    for e in range(3):
        sets = list(itertools.combinations(range(1, r + e + 1), e))
        for gaps in sets:
            kept = tuple(sorted(set(range(1, r + e + 1)) - set(gaps), reverse=True))
            expected[kept] = expected.get(kept, 0.0) + draws / 3 / len(sets)
    plain = np.broadcast_to(_plain([r], 8), (draws, 8))
    times = model.random_times(5, 0, plain, 8, fraction=0.5)
    found, counts = np.unique(times[:, :r], axis=0, return_counts=True)
    by_set = {tuple(kept): n for kept, n in zip(found.tolist(), counts, strict=True)}
    assert set(by_set) == set(expected)

    def statistic(observed: dict[Any, Any]) -> float:
        return sum((observed.get(k, 0) - x) ** 2 / x for k, x in expected.items())

    # 15 sets: the statistic has mean 14 and standard deviation 5.3.
    degrees = len(expected) - 1
    assert statistic(by_set) < degrees + 4 * (2 * degrees) ** 0.5
    # Negative control: two independent gaps, of which the second is moved up by one if they meet.
    rng = np.random.default_rng(0)
    wrong: dict[Any, int] = {}
    for _ in range(draws):
        met: set[int] = set()
        for _ in range(e := int(rng.integers(0, 3))):
            g = int(rng.integers(1, r + e + 1))
            met.add(g % (r + e) + 1 if g in met else g)
        kept = tuple(sorted(set(range(1, r + e + 1)) - met, reverse=True))
        wrong[kept] = wrong.get(kept, 0) + 1
    assert statistic(wrong) > degrees + 4 * (2 * degrees) ** 0.5


def test_the_number_of_gaps_is_rounded_up_from_the_decimal_fraction() -> None:
    # 0.1 * 30 is 3 and a bit in binary for some codings: 3 gaps at most, 4 of 31.
    for r, most in ((1, 1), (10, 1), (11, 2), (30, 3), (31, 4), (50, 5)):
        plain = np.broadcast_to(_plain([r], 60), (4000, 60))
        times = model.random_times(0, 0, plain, 60)
        assert (times.max(-1) - r).max() == most


def test_times_of_replica_r_are_the_solo_runs() -> None:
    plain = np.stack([_plain([5, 7, 2], 8), _plain([8, 1, 0], 8)])
    together = model.random_times((3, 4), 9, plain, 8, fraction=0.4)
    for r, seed in enumerate((3, 4)):
        alone = model.random_times(seed, 9, plain[r], 8, fraction=0.4)
        np.testing.assert_array_equal(together[r], alone)
    assert not np.array_equal(
        model.random_times(3, 9, plain[0], 8, fraction=1.0),
        model.random_times(3, 10, plain[0], 8, fraction=1.0),
    )


def test_bad_draws_are_refused() -> None:
    plain = np.stack([_plain([5, 7], 8)] * 3)
    with pytest.raises(ValueError, match=r"`fraction` must be a finite number >= 0, got -0\.1"):
        model.random_times(0, 0, plain, 8, fraction=-0.1)
    with pytest.raises(ValueError, match=r"`times` must have a last axis of M = 9, got shape"):
        model.random_times(0, 0, plain, 9)
    with pytest.raises(ValueError, match="`times` must have a leading replica axis of size 2"):
        model.random_times((0, 1), 0, plain, 8)
    with pytest.raises(ValueError, match="`n` must be >= 1, got 0"):
        model.random_rows(0, 0, (2,), 0)
    with pytest.raises(TypeError, match="`count` must be an integer"):
        model.random_rows(0, 0.5, (2,), 3)  # type: ignore[arg-type]


# --- clipping ---------------------------------------------------------------


def _matrices() -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {"tall": random.standard_normal((2, 7, 3)), "wide": random.standard_normal((2, 3, 7))}


def test_each_matrix_of_each_replica_is_clipped_by_its_largest_singular_value(
    library: Any,
) -> None:
    grads = _matrices()
    grads["tall"][0] *= 0.01
    clip = model.clip_by_spectral_norm(2.5)
    theirs = {name: library.array(a, "float64") for name, a in grads.items()}
    jit = library.jit if library.name in ("jax", "torch") else (lambda f: f)
    found = jit(lambda g: clip.update(g, clip.init(g))[0])(theirs)
    for name, a in grads.items():
        norms = np.linalg.norm(a, ord=2, axis=(-2, -1))
        factor = np.minimum(1.0, 2.5 / norms)[:, None, None]
        np.testing.assert_allclose(library.numpy(found[name]), a * factor, rtol=1e-12)
    assert np.linalg.norm(library.numpy(found["wide"])[1], ord=2) == pytest.approx(2.5)
    np.testing.assert_array_equal(library.numpy(found["tall"])[0], grads["tall"][0])


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_spectral_norm_neither_overflows_nor_underflows(library: Any, scale: float) -> None:
    a = (_matrices()["tall"] * scale).astype(np.float32)
    norms = library.numpy(model.spectral_norm(library.array(a)))
    expected = np.linalg.norm(a.astype(np.float64), ord=2, axis=(-2, -1))
    np.testing.assert_allclose(norms, expected, rtol=3e-6)
    assert norms.dtype == np.float32


def test_no_gradient_and_no_number_pass_unchanged(library: Any) -> None:
    a = np.zeros((4, 3, 2))
    a[1, 0, 0], a[2, 0, 0], a[3] = np.nan, -np.inf, 100.0
    clip = model.clip_by_spectral_norm(1.0)
    grads = {"W": library.array(a, "float64")}
    found = library.numpy(clip.update(grads, clip.init(grads))[0]["W"])
    np.testing.assert_array_equal(found[:3], a[:3])
    assert np.linalg.norm(found[3], ord=2) == pytest.approx(1.0)


def test_it_clips_less_than_the_frobenius_norm_and_chains() -> None:
    grads = _matrices()
    for norm in (2.0, 3.0):
        spectral, frobenius = (
            gn.chain(clip, gn.sgd(1.0))
            for clip in (model.clip_by_spectral_norm(norm), gn.clip_by_norm(norm, replicas=True))
        )
        a, b = (o.update(grads, o.init(grads), grads)[0] for o in (spectral, frobenius))
        for name in grads:
            assert np.all(np.abs(a[name]) >= np.abs(b[name]) - 1e-15)
            assert np.any(np.abs(a[name]) > np.abs(b[name]) + 1e-3)


def test_vectors_and_bad_norms_are_refused() -> None:
    with pytest.raises(ValueError, match="`max_norm` must be a number > 0, got 0"):
        model.clip_by_spectral_norm(0)
    clip = model.clip_by_spectral_norm(1.0)
    with pytest.raises(ValueError, match=r"`params` must be matrices, got shape \(3,\) at 'b'"):
        clip.init({"b": np.zeros(3)})


def test_examples_of_the_tests_are_good_data() -> None:
    # Times above M occur twice in the first story, as training makes them; a set refuses none.
    assert isinstance(examples(), Examples)
    model.stories(_network(), *examples())
