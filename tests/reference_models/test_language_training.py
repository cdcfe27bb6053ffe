"""Training a language model: windows, schedule, what is carried, resumed and recorded."""

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import optree
import pytest
from libraries import Library

import gradnoise_core as gn
from gradnoise_core.backend import backend_for
from gradnoise_core.random import leaf_key, standard_normal
from gradnoise_core.tree import flatten, map_leaves
from gradnoise_reference_models import checkpoint
from gradnoise_reference_models._language_windows import window_count, windows
from gradnoise_reference_models.data import streams
from gradnoise_reference_models.language_training import (
    RECIPES,
    LanguageRecord,
    LanguageTrainer,
    Recipe,
)
from gradnoise_reference_models.models import lstm_language_model as model
from gradnoise_reference_models.training import TrainingState

NUMPY = backend_for(np)
V, UNITS, BATCH, WINDOW = 11, 6, 3, 5
SMALL = Recipe(UNITS, 0.5, 0.0, 6, 2, 2.0, 1.0, WINDOW, batch_size=BATCH)


def text(size: int = 124, seed: int = 0) -> Any:
    """Return words of which each mostly follows the one before in the vocabulary."""
    random = np.random.default_rng(seed)
    return np.cumsum(1 + (random.random(size) < 0.1) * random.integers(0, V, size)) % V


def trainer(
    seeds: Any = (0, 7), eta: Any = 0.01, library: Library | None = None, **changes: Any
) -> LanguageTrainer:
    """Return the trainer of a small network; of 8 windows an epoch."""
    settings: dict[str, Any] = {
        "batch_size": BATCH,
        "window": WINDOW,
        "dtype": "float64",
        "backend": library.backend if library else NUMPY,
        "device": library.device if library else None,
        "compiled": library is not None and library.backend.name == "jax",
        **changes,
    }
    made = LanguageTrainer(text(), text(60, 1), V, list(seeds), None, **settings)
    optimizer = SMALL.optimizer(made.windows_per_epoch, list(seeds), eta=eta)
    return dataclasses.replace(made, optimizer=optimizer)


def start(made: LanguageTrainer) -> TrainingState:
    return made.start(UNITS, bound=0.5)


def after(made: LanguageTrainer, steps: int) -> list[Any]:
    """Return the parameters and the last loss after some steps, as NumPy arrays."""
    *_, (now, loss) = itertools.islice(made.steps(start(made), 10), steps)
    leaves = [*flatten(now.params, "params").leaves, loss]
    return [made.backend.to_numpy(x) for x in leaves]


# Windows.


def test_streams_are_pieces_of_the_text() -> None:
    for size, batch in itertools.product((20, 21, 22, 23, 24), (1, 3, 5)):
        data = streams(np.arange(size), batch)
        assert data.shape == (size // batch, batch)
        for b in range(batch):
            first = math.floor(b * size / batch + 0.5)
            assert data[:, b].tolist() == list(range(first, first + size // batch))


def test_the_words_of_the_penn_treebank_make_2323_windows() -> None:
    assert window_count(929589 // 20, 20) == 2323


@pytest.mark.parametrize("rest", [False, True])
def test_a_target_is_the_word_after(rest: bool) -> None:
    data = streams(np.arange(100, 124), 2)  # 12 words a stream
    found = list(windows(data, 4, rest=rest))
    assert [x.shape for x, _ in found] == [(4, 2), (4, 2), *([(3, 2)] if rest else [])]
    whole = np.concatenate([x for x, _ in found])
    assert np.array_equal(whole, data[: len(whole)])
    assert all(np.array_equal(x + 1, y) for x, y in found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, r"`batch_size` must be in \[1, S\], got 0 for S = 124"),
        ({"batch_size": 125}, r"`batch_size` must be in \[1, S\], got 125"),
        ({"window": 0}, r"`window` must be in \[1, 40\] for streams of 41 tokens, got 0"),
        ({"window": 20}, r"`window` must be in \[1, 19\] for streams of 20 tokens, got 20"),
        ({"train": text() - 1}, r"`train` must be words in \[0, vocabulary\), got -1 at position"),
        ({"validation": text() + 1}, r"`validation` must be words .* got 11 at position .* = 11"),
        ({"train": np.ones((9, 9), int)}, r"`train` must be a one-dim.* got shape \(9, 9\)"),
        ({"train": np.ones(99)}, r"`train` must be a one-dim.* dtype float64"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused(changes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(trainer(), **changes)


# The schedule and the order of an update.


def test_the_small_network_s_rate_is_halved_after_each_epoch_from_the_fourth_on() -> None:
    rate = RECIPES["small"].rate(2323)
    of_epoch = [rate(e * 2323) for e in range(13)]
    assert of_epoch == [1.0] * 4 + [2.0**-k for k in range(1, 10)]
    assert [rate(e * 2323 + 2322) for e in range(13)] == of_epoch


@pytest.mark.parametrize(("name", "last"), [("medium", 1.2**-33), ("large", 1.15**-41)])
def test_the_other_rates_end_where_the_paper_s_do(name: str, last: float) -> None:
    recipe = RECIPES[name]
    rate = recipe.rate(10)
    assert rate(10 * recipe.flat_epochs - 1) == 1.0
    assert rate(10 * recipe.epochs - 1) == pytest.approx(last, rel=1e-12)
    assert rate(10 * recipe.epochs - 11) == pytest.approx(last * recipe.divisor, rel=1e-12)


def test_an_update_clips_then_adds_noise_then_descends() -> None:
    """Three epochs by the formulas alone: t counts on, the state is carried, and then zero."""
    eta, seeds = [0.0, 0.04], [3, 9]
    made = trainer(seeds, eta)
    params = start(made).params
    data, t, clipped = streams(text(), BATCH), 0, 0
    for epoch in range(3):
        carried = model.zero_state(params, BATCH)
        for w in range(8):
            x = data[w * WINDOW : (w + 1) * WINDOW]
            targets = data[w * WINDOW + 1 : (w + 1) * WINDOW + 1]
            _, grads, carried = model.loss_and_grads(params, x, targets, carried)
            tree = flatten(grads, "grads")
            square = sum((g**2).reshape(2, -1).sum(-1) for g in tree.leaves)
            factor = np.minimum(1.0, SMALL.clip / np.sqrt(square))
            clipped += np.sum(factor < 1)
            rate = 1.0 if epoch < 2 else 0.5
            sigma = np.sqrt(np.asarray(eta) / (1 + t) ** 0.55)
            new = []
            for path, g, p in zip(
                tree.paths, tree.leaves, flatten(params, "params").leaves, strict=True
            ):
                z = standard_normal(
                    leaf_key(seeds, path, t), g.shape[1:], dtype=np.dtype(np.float64)
                )
                each = (2, *(1,) * (g.ndim - 1))
                g = g * factor.reshape(each) + z * sigma.reshape(each)
                new.append(p - rate * g)
            params = flatten(params, "params").rebuild(new)
            t += 1
    assert 0 < clipped < 48
    for a, b in zip(after(made, 24), flatten(params, "params").leaves, strict=False):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


def test_without_noise_none_is_drawn_and_nothing_changes() -> None:
    quiet, silent = trainer(eta=0.0), trainer(eta=[0.0, 0.0])
    assert len(quiet.optimizer.init(start(quiet).params)) == 2  # clipping and descent
    optimizer = gn.noisy(gn.sgd(SMALL.rate(8)), eta=0.0, clip=SMALL.clip, seed=[0, 7])
    with_none = dataclasses.replace(quiet, optimizer=optimizer)
    for a, b, c in zip(after(quiet, 4), after(silent, 4), after(with_none, 4), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a, c, rtol=0, atol=1e-14)


# Libraries and replicas.


@pytest.mark.parametrize("rate", [0.0, 0.4], ids=["plain", "dropout"])
def test_every_library_trains_the_same_network(library: Library, rate: float) -> None:
    if library.name == "jax" and rate == 0.0:
        pytest.skip("to compile it takes JAX seconds: with dropout is enough")
    found = after(trainer(library=library, dropout_rate=rate), 10)
    for a, b in zip(found, after(trainer(dropout_rate=rate), 10), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


@pytest.mark.parametrize("rate", [0.0, 0.4], ids=["plain", "dropout"])
def test_replicas_are_the_solo_runs_with_their_seeds(rate: float) -> None:
    together = after(trainer((0, 7, 2), dropout_rate=rate), 12)
    for r, seed in enumerate((0, 7, 2)):
        alone = after(trainer((seed,), dropout_rate=rate), 12)
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[r], b[0], rtol=0, atol=1e-11)
            assert np.abs(a[r] - a[r - 1]).max() > 1e-3


def test_masks_are_new_at_each_update_and_none_in_evaluation() -> None:
    made = trainer(dropout_rate=0.5, eta=0.0)
    data = streams(text(), BATCH)
    x, targets = next(windows(data, WINDOW))
    now = start(made)
    carried = model.zero_state(now.params, BATCH)
    losses = [
        made.step(now.params, now.optimizer, carried, x, targets, t)[-1].tolist() for t in (0, 1, 0)
    ]
    assert losses[0] == losses[2]
    assert losses[0] != losses[1]
    quiet = trainer(eta=0.0)
    assert made.validate(now.params) == quiet.validate(now.params)


def test_updates_are_counted_on_from_epoch_to_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    made, seen = trainer(dropout_rate=0.5), []
    forward = model.loss_and_grads

    def spy(*given: Any, dropout: Any) -> Any:
        seen.append(dropout.step)
        return forward(*given, dropout=dropout)

    monkeypatch.setattr(model, "loss_and_grads", spy)
    *_, (state, _) = made.steps(start(made), 2)
    list(made.steps(state, 3))
    assert seen == list(range(24))


# Records and resuming.


def test_a_record_has_the_perplexities_of_each_replica() -> None:
    made = trainer(seeds=(0, 7))
    ((state, record),) = made.epochs(start(made), 1)
    assert record[:2] == (1, 8)
    losses = [loss for _, loss in made.steps(start(made), 1)]
    expected = np.exp(np.sum(losses, axis=0) / (8 * WINDOW))
    np.testing.assert_allclose(record.train_perplexity, expected, rtol=1e-12)
    # 20 words a stream: 3 whole windows, and one window of all their words.
    data = streams(text(60, 1), BATCH)
    nll, _ = model.total_nll(
        state.params, data[:15], data[1:16], model.zero_state(state.params, BATCH)
    )
    np.testing.assert_allclose(record.validation_perplexity, np.exp(nll / (15 * BATCH)), rtol=1e-12)


@pytest.mark.parametrize("size", [3, 6, 60, 61])
def test_the_test_perplexity_is_of_one_stream_and_of_every_word_but_the_first(size: int) -> None:
    made = trainer()
    params = start(made).params
    tokens = text(size, 2)[:, None]
    nll, _ = model.total_nll(params, tokens[:-1], tokens[1:], model.zero_state(params, 1))
    found = made.test(params, tokens[:, 0])
    np.testing.assert_allclose(found, np.exp(nll / (size - 1)), rtol=1e-12)


def test_a_run_that_diverged_has_an_infinite_perplexity() -> None:
    made = trainer()
    params = map_leaves(lambda a: 1e6 * a, start(made).params)
    assert made.validate(params) == (math.inf, math.inf)


def test_training_learns_and_progress_is_told() -> None:
    made = dataclasses.replace(trainer(dtype="float32"), train=text(1504))
    optimizer = dataclasses.replace(SMALL, clip=5.0).optimizer(100, [0, 7])
    made, told = dataclasses.replace(made, optimizer=optimizer), []
    records = [r for _, r in made.epochs(start(made), 3, lambda e, i: told.append((e, i)))]
    assert told == [(e, i) for e in range(3) for i in range(1, 101)]
    assert [r.step for r in records] == [100, 200, 300]
    # Each word but one in ten follows the one before.
    assert min(records[0].train_perplexity) > 5
    assert min(records[-1].validation_perplexity) > 1
    assert max(records[-1].validation_perplexity) < 3


def settings() -> dict[str, Any]:
    return {"experiment": "test", "eta": 0.01}


def run(made: LanguageTrainer, state: TrainingState, epochs: int) -> Any:
    history: list[LanguageRecord] = []
    for now, record in made.epochs(state, epochs):
        state = now
        history.append(record)
    return state, history


def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Any) -> None:
    made = trainer(dtype="float32", dropout_rate=0.3)
    whole, full = run(made, start(made), 3)
    half, history = run(made, start(made), 1)
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, half, history, settings(), NUMPY)
    state, seen = checkpoint.load(path, start(made), settings(), NUMPY, record=LanguageRecord)
    assert seen == history
    state, rest = run(made, state, 3)
    assert [*seen, *rest] == full
    assert optree.tree_structure(state) == optree.tree_structure(whole)
    for a, b in zip(optree.tree_leaves(state), optree.tree_leaves(whole), strict=True):
        np.testing.assert_array_equal(a, b)
