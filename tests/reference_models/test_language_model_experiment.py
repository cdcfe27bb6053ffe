"""The language model's experiment: its settings are the specification's, its runs train as they should."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from libraries import Library

from gradnoise_core.backend import backend_for
from gradnoise_reference_models import checkpoint
from gradnoise_reference_models.data import DataError, TextData
from gradnoise_reference_models.experiments._language_plan import (
    FULL,
    USUAL,
    LanguagePlan,
    stretched,
    trials,
)
from gradnoise_reference_models.experiments._language_setting import LanguageSetting
from gradnoise_reference_models.experiments._language_text import load_words
from gradnoise_reference_models.experiments._language_trials import (
    conditions,
    outcomes,
    train,
    trainer_of,
)
from gradnoise_reference_models.experiments.language_model import (
    ETAS,
    NAME,
    TRIED,
    paper,
    percent,
    settings,
)
from gradnoise_reference_models.language_training import RECIPES, LanguageRecord, Recipe
from gradnoise_reference_models.models import lstm_language_model as model
from gradnoise_reference_models.runner import (
    Context,
    Interrupted,
    Outcome,
    Trial,
)

# --- the registry --------------------------------------------------------------------------------


def test_the_figures_are_the_papers() -> None:
    assert {eta: paper(eta) for eta in ETAS} == {0.0: 95.0, 0.01: 98.0, 0.001: 95.0}
    assert TRIED == (0.01, 1.0)
    assert percent(0.01) == pytest.approx(100 * 3 / 95)
    assert percent(0.001) == percent(0.0) == 0
    assert paper(1.0) is percent(1.0) is None


def test_all_of_it_is_the_published_small_network() -> None:
    """Section 2 of the specification, row by row."""
    assert dataclasses.asdict(FULL.recipe) == {
        "units": 200,
        "layers": 2,
        "bound": 0.1,
        "dropout_rate": 0.0,
        "epochs": 13,
        "flat_epochs": 4,
        "divisor": 2.0,
        "learning_rate": 1.0,
        "clip": 5.0,
        "window": 20,
        "batch_size": 20,
    }
    rate = FULL.recipe.rate(10)
    assert [rate(10 * epoch) for epoch in (0, 3, 4, 12)] == [1, 1, 0.5, 2.0**-9]


def test_settings_differ_by_the_noise_alone() -> None:
    made = [s.as_dict() for s in settings(LanguagePlan("corpus", 9, FULL.recipe, ETAS))]
    assert [s.pop("eta") for s in made] == [0.0, 0.01, 0.001]
    assert made[0] == made[1] == made[2]
    assert (made[0]["gamma"], made[0]["vocabulary"], made[0]["corpus"]) == (0.55, 9, "corpus")
    assert LanguageSetting(**made[0], eta=0.0).recipe == FULL.recipe


def test_several_values_are_several_variants() -> None:
    plan = LanguagePlan(
        "corpus", 9, USUAL.recipe, (0.0, 0.1), dropout_rates=(0.0, 0.5), bounds=(0.1, 0.2)
    )
    made = [(s.bound, s.dropout_rate, s.eta) for s in settings(plan)]
    assert len(set(made)) == len(made) == 8
    assert made[:3] == [(0.1, 0.0, 0.0), (0.1, 0.0, 0.1), (0.1, 0.5, 0.0)]


@pytest.mark.parametrize("epochs", [2, 3, 6, 13, 39, 55])
def test_a_stretched_schedule_ends_at_the_same_rate(epochs: int) -> None:
    found = stretched(RECIPES["small"], epochs)
    assert found.epochs == epochs
    assert 1 <= found.flat_epochs < epochs
    assert abs(found.flat_epochs - 4 * epochs / 13) <= 0.5
    assert found.rate(1)(epochs - 1) == pytest.approx(2.0**-9)
    # The control: with the published divisor over other epochs it ends elsewhere.
    plain = dataclasses.replace(found, divisor=2.0)
    assert (plain.rate(1)(epochs - 1) == pytest.approx(2.0**-9)) == (epochs == 13)


def test_one_epoch_is_at_the_first_rate() -> None:
    found = stretched(RECIPES["small"], 1)
    assert (found.epochs, found.flat_epochs) == (1, 1)
    assert found.rate(5)(4) == 1.0


# --- a small text --------------------------------------------------------------------------------

#: A word of a cycle follows the one before, but for one in four.
WORDS = 12


def corpus(folder: Path, *, counts: Sequence[int] = (40, 20, 10), seed: int = 0) -> Path:
    """Files in the form of the Penn Treebank's, of 30 tokens a line and 13 words with <unk>."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in zip(("train", "valid", "test"), counts, strict=True):
        steps = np.where(rng.random((count, 29)) < 0.75, 1, rng.integers(0, WORDS, (count, 29)))
        ids = np.cumsum(steps, axis=1) % WORDS
        text = "".join(" " + " ".join(f"w{i}" for i in line) + " \n" for line in ids)
        (folder / f"ptb.{part}.txt").write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def text(folder: Path) -> TextData:
    return load_words(str(folder))


def small(**changes: Any) -> LanguageSetting:
    """A network that learns in seconds, in float64, with noise, clipping and dropout."""
    recipe = Recipe(8, 0.1, 0.3, 2, 1, 2.0, 5.0, window=5, batch_size=4)
    usual = LanguageSetting.of(recipe, "corpus", WORDS + 2, 0.01, "float64")
    return dataclasses.replace(usual, **changes)


class Silent:
    """A sender that stops a run after so many reports."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.left = stop_after

    def send(self, message: Mapping[str, Any]) -> None:
        if self.left is not None:
            self.left -= 1

    def cancelled(self) -> bool:
        return self.left is not None and self.left < 0


def group(
    text: TextData, setting: LanguageSetting, seeds: range = range(2), **around: Any
) -> tuple[Trial, ...]:
    known = {**conditions(text, "numpy", None), **around}
    return tuple(Trial(NAME, setting.as_dict(), seed, conditions=known) for seed in seeds)


def context(folder: Path, stop_after: int | None = None) -> Context:
    folder.mkdir(exist_ok=True)
    return Context(folder, 1, every=1e9, sender=Silent(stop_after))


# --- trials --------------------------------------------------------------------------------------


def test_all_noises_have_the_same_seeds_and_no_trial_knows_where_its_text_is(
    text: TextData, folder: Path, tmp_path: Path
) -> None:
    recipe = dataclasses.replace(USUAL.recipe, batch_size=4, window=5)
    plan = LanguagePlan(text.name, len(text.vocabulary), recipe, ETAS, runs=4, seed=7)
    made = trials(NAME, list(settings(plan)), plan, text, "numpy", None)
    cells: dict[float, list[int]] = {}
    for trial in made:
        cells.setdefault(trial.setting["eta"], []).append(trial.seed)
    assert cells == {eta: [7, 8, 9, 10] for eta in ETAS}
    assert str(folder) not in str([t.setting for t in made] + [t.conditions for t in made])
    moved = load_words(str(corpus(tmp_path / "elsewhere")))
    again = trials(NAME, list(settings(plan)), plan, moved, "numpy", None)
    assert [t.key for t in again] == [t.key for t in made]
    other = load_words(str(corpus(tmp_path / "other", seed=1)))
    different = trials(NAME, list(settings(plan)), plan, other, "numpy", None)
    assert not {t.key for t in different} & {t.key for t in made}


def test_a_text_too_short_for_the_windows_is_refused(tmp_path: Path) -> None:
    plan = LanguagePlan("corpus", WORDS + 2, USUAL.recipe, ETAS)
    # 20 streams of windows of 20 steps, and the words after them, are 420 tokens.
    for part, counts in (("train", (13, 20, 10)), ("validation", (20, 13, 10))):
        found = load_words(str(corpus(tmp_path / part, counts=counts)))
        with pytest.raises(ValueError, match=f"420 {part} tokens or more, .* got 390"):
            trials(NAME, list(settings(plan)), plan, found, "numpy", None)
    enough = load_words(str(corpus(tmp_path / "enough", counts=(14, 14, 1))))
    assert trainer_of(next(settings(plan)), enough, [0], backend_for(np), None).windows_per_epoch
    assert len(trials(NAME, list(settings(plan)), plan, enough, "numpy", None)) == 9


def test_no_text_of_that_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must be one of auto, .*, or a folder .* 'shakespear'"):
        load_words("shakespear")
    with pytest.raises(DataError, match=r"lacks ptb\.train\.txt"):
        load_words(str(tmp_path))


# --- clipping, noise, rate -----------------------------------------------------------------------


def one_update(setting: LanguageSetting, value: float) -> Any:
    optimizer = setting.optimizer([0, 1], 100)
    params = {name: np.zeros((2, 500)) for name in ("a", "b")}
    grads = {name: np.full((2, 500), value) for name in params}
    updates, _ = optimizer.update(grads, optimizer.init(params), params)
    return updates


def test_the_norm_is_of_all_parameters_and_noise_comes_after_it() -> None:
    quiet = one_update(small(eta=0.0), 1e6)
    # 5 over 1,000 numbers of each replica; clipped one by one it would be 5 over 500.
    np.testing.assert_allclose(quiet["a"], -5 / np.sqrt(1000), rtol=1e-9)
    noisy = one_update(small(eta=0.04, learning_rate=0.5), 1e6)
    noise = noisy["b"] / -0.5 - 5 / np.sqrt(1000)
    # 0.2 is the standard deviation; four standard errors of one of 500.
    assert np.std(noise, axis=1) == pytest.approx(0.2, rel=4 / np.sqrt(1000))
    assert np.any(noise[0] != noise[1])
    np.testing.assert_allclose(one_update(small(eta=0.0), 1e-3)["a"], -1e-3, rtol=1e-12)


def test_words_that_do_not_occur_get_noise_too(text: TextData) -> None:
    made = trainer_of(small(dropout_rate=0.0, vocabulary=40), text, [0], backend_for(np), None)
    start = made.start(8, 2)
    state, _ = next(made.steps(start, 1))
    unseen = (state.params["embedding"]["weight"] - start.params["embedding"]["weight"])[0, 20:]
    assert np.std(unseen) == pytest.approx(0.1, rel=4 / np.sqrt(2 * unseen.size))


# --- the function that the runner calls ----------------------------------------------------------


def same(some: list[Outcome], others: list[Outcome]) -> bool:
    return all(
        a.metrics == b.metrics
        and all(np.array_equal(a.curves[name], b.curves[name]) for name in {*a.curves, *b.curves})
        for a, b in zip(some, others, strict=True)
    )


@pytest.mark.parametrize("stop_after", [3, 70, 150])
def test_a_run_that_was_stopped_ends_with_the_same_bits(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: TextData,
    folder: Path,
    stop_after: int,
) -> None:
    monkeypatch.setattr("gradnoise_reference_models.runner._context._PAUSE", 0.0)
    made = group(text, small(epochs=4, dtype="float32"))
    whole = train(made, context(tmp_path / "whole"), corpus=str(folder))
    halted = context(tmp_path / "halted", stop_after)
    with pytest.raises(Interrupted):
        train(made, halted, corpus=str(folder))
    with np.load(halted.checkpoint_path) as archive:  # (1,200 / 4 - 1) // 5 = 59 windows an epoch
        assert f'"epoch": {stop_after // 59},' in str(archive["about"])
    again = train(made, context(tmp_path / "halted"), corpus=str(folder))
    assert same(again, whole)
    assert len(again[0].curves["validation_perplexity"]) == 4


def test_a_run_that_ended_is_tested_again_without_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: TextData, folder: Path
) -> None:
    made = group(text, small())
    where = context(tmp_path)
    first = train(made, where, corpus=str(folder))
    monkeypatch.setattr("gradnoise_reference_models.language_training.LanguageTrainer.step", None)
    assert same(train(made, where, corpus=str(folder)), first)


def test_a_checkpoint_of_other_trials_is_refused(
    tmp_path: Path, text: TextData, folder: Path
) -> None:
    where = context(tmp_path)
    train(group(text, small(epochs=1)), where, corpus=str(folder))
    with pytest.raises(checkpoint.CheckpointError, match="eta"):
        train(group(text, small(epochs=1, eta=0.1)), where, corpus=str(folder))


def test_another_text_than_the_trials_were_made_with_is_refused(
    tmp_path: Path, text: TextData, folder: Path
) -> None:
    made = group(text, small(), data_sha256="0" * 64)
    with pytest.raises(DataError, match="`corpus` must be the text that the trials were made with"):
        train(made, context(tmp_path), corpus=str(folder))


def test_figures_are_of_the_last_epoch_and_of_the_texts(
    tmp_path: Path, text: TextData, folder: Path
) -> None:
    setting = small(epochs=3, flat_epochs=3, eta=0.0)
    found = train(group(text, setting), context(tmp_path), corpus=str(folder))
    made = trainer_of(setting, text, [0, 1], backend_for(np), None)
    *_, (state, _) = made.epochs(made.start(8, 2), 3)
    for r, outcome in enumerate(found):
        curve = outcome.curves["validation_perplexity"]
        assert outcome.metrics["validation_perplexity"] == curve[-1]
        assert outcome.metrics["best_validation_perplexity"] == curve.min()
        assert outcome.metrics["best_epoch"] == curve.argmin() + 1
        assert outcome.metrics["train_perplexity"] == outcome.curves["train_perplexity"][-1]
        assert outcome.metrics["updates"] == 3 * 59
        assert outcome.metrics["embedding_sd"] == pytest.approx(
            np.std(state.params["embedding"]["weight"][r]), rel=1e-12
        )
        assert not outcome.diverged
    expected = _perplexity(state.params, text.test)
    ours = [outcome.metrics["test_perplexity"] for outcome in found]
    np.testing.assert_allclose(ours, expected, rtol=1e-9)
    # The control: of another text it is another one.
    assert not np.allclose(ours, _perplexity(state.params, text.validation), rtol=1e-5)


def _perplexity(params: Any, words: Any) -> Any:
    """The whole text as one window of one stream."""
    x, y = words[:-1, None], words[1:, None]
    logits, _, _ = model.forward(params, x, model.zero_state(params, 1))
    log_p = logits - np.log(np.sum(np.exp(logits), axis=-1, keepdims=True))
    chosen = np.take_along_axis(log_p, np.broadcast_to(y[..., None], (2, *y.shape, 1)), axis=-1)
    return np.exp(-np.mean(chosen, axis=(1, 2, 3)))


def test_a_replica_is_the_solo_run_with_its_seed(
    tmp_path: Path, text: TextData, folder: Path
) -> None:
    both = train(group(text, small(), range(5, 7)), context(tmp_path / "2"), corpus=str(folder))
    alone = train(group(text, small(), range(6, 7)), context(tmp_path / "1"), corpus=str(folder))
    for name, value in alone[0].metrics.items():
        assert both[1].metrics[name] == pytest.approx(value, rel=1e-9), name
    # The control: the run with another seed is another one.
    assert both[0].metrics["test_perplexity"] != pytest.approx(
        alone[0].metrics["test_perplexity"], rel=1e-4
    )


def test_what_can_be_learnt_is_learnt_and_much_noise_unlearns_it(
    tmp_path: Path, text: TextData, folder: Path
) -> None:
    """The control of the experiment: where noise does harm, it is seen."""
    recipe = {"epochs": 8, "flat_epochs": 7, "bound": 0.5, "dropout_rate": 0.0, "dtype": "float32"}
    found = {
        eta: train(
            group(text, small(eta=eta, **recipe)), context(tmp_path / str(eta)), corpus=str(folder)
        )
        for eta in (0.0, 1.0)
    }
    quiet, noisy = ([o.metrics["test_perplexity"] for o in found[eta]] for eta in (0.0, 1.0))
    # The text itself has 3.4 or so; a uniform guess has 14.
    assert max(quiet) < 4.5
    assert min(noisy) > 7
    spreads = [found[eta][0].metrics["embedding_sd"] for eta in (0.0, 1.0)]
    assert spreads[1] > 2 * spreads[0]


def test_a_run_that_diverges_is_a_result(tmp_path: Path, text: TextData, folder: Path) -> None:
    setting = small(epochs=1, dropout_rate=0.0, dtype="float32")
    for eta, odd in ((1e30, math.inf), (1e90, math.nan)):
        made = group(text, dataclasses.replace(setting, eta=eta))
        found = train(made, context(tmp_path / str(eta)), corpus=str(folder))
        assert all(outcome.diverged for outcome in found)
        assert str(found[0].metrics["test_perplexity"]) == str(odd)


def test_the_best_epoch_is_none_that_diverged() -> None:
    history = [
        LanguageRecord(1, 5, (9.0, math.nan), (8.0, math.nan)),
        LanguageRecord(2, 10, (7.0, math.nan), (6.0, math.nan)),
        LanguageRecord(3, 15, (9.0, math.nan), (math.nan, math.nan)),
    ]
    late, never = outcomes(history, (math.nan, math.nan), (1.0, math.nan))
    assert late.metrics["best_validation_perplexity"] == 6.0
    assert late.metrics["best_epoch"] == 2
    assert late.diverged
    assert math.isnan(never.metrics["best_validation_perplexity"])


def test_every_library_can_be_named(
    library: Library, tmp_path: Path, text: TextData, folder: Path
) -> None:
    name = library.backend.name
    if name not in {"numpy", "torch", "jax", "cupy"}:
        pytest.skip("it is no backend that is registered")
    device = None if library.device is None else str(library.device)
    around = conditions(text, name, device)
    short = small(epochs=1, layers=1, window=3)  # what is compiled is unrolled
    found = train(group(text, short, **around), context(tmp_path / "a"), corpus=str(folder))
    numpys = train(group(text, short), context(tmp_path / "b"), corpus=str(folder))
    for ours, theirs in zip(found, numpys, strict=True):
        for metric, value in theirs.metrics.items():
            assert ours.metrics[metric] == pytest.approx(value, rel=1e-8), metric
