"""Table 1: the registry is the paper's, and its runs train as they should."""

import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import optree
import pytest
from libraries import Library

import gradnoise_core as gn
from gradnoise_core.backend import backend_for
from gradnoise_reference_models import checkpoint, data
from gradnoise_reference_models.experiments import _mlp_trials, zero_init
from gradnoise_reference_models.experiments._mlp_setting import MlpSetting
from gradnoise_reference_models.experiments._mlp_trials import conditions, train
from gradnoise_reference_models.experiments._plan import FULL, Plan, trials, usual_epochs
from gradnoise_reference_models.experiments.ablations import ABLATIONS, FIXED_VARIANCES
from gradnoise_reference_models.experiments.table1 import (
    ANNEALED,
    ARMS,
    DROPOUT,
    EXPERIMENTS,
    NO_NOISE,
    paper,
    settings,
)
from gradnoise_reference_models.initializers import INITIALIZERS
from gradnoise_reference_models.models import mlp
from gradnoise_reference_models.runner import Context, Interrupted, Outcome, Trial
from gradnoise_reference_models.training import Trainer, TrainingState

DIGITS = data.load("digits")

#: As the issue of the paper's table has them: experiment, arm, best, average.
PAPER = """
1 no noise         89.9 43.1
1 annealed noise   96.7 52.7
1 dropout          11.3 10.8
2 no noise         90.0 46.3
2 annealed noise   96.7 52.3
3 no noise         95.7 51.6
3 annealed noise   97.0 53.6
4 no noise         97.4 92.1
4 annealed noise   97.5 92.2
5 no noise         97.4 91.7
5 annealed noise   97.2 91.7
6 no noise         11.4 10.1
6 annealed noise   94.5 49.7
"""


# --- the registry --------------------------------------------------------------------------------


def test_the_figures_are_the_papers() -> None:
    for line in PAPER.split("\n")[1:-1]:
        name, *arm, best, average = line.split()
        assert paper(name, " ".join(arm)) == (float(best), float(average)), line
    held = sum(len(experiment.paper) for experiment in EXPERIMENTS.values())
    assert held == len(PAPER.split("\n")) - 2
    assert paper("5-layer", ANNEALED) is None


def test_the_starting_points_and_clips_are_the_papers() -> None:
    found = {e.name: (e.init, e.clip, e.hidden_layers) for e in EXPERIMENTS.values()}
    assert found == {
        "1": ("simple", None, 20),
        "2": ("simple", 100, 20),
        "3": ("simple", 10, 20),
        "4": ("random-walk", 10, 20),
        "5": ("he", 10, 20),
        "6": ("zero", 10, 20),
        "5-layer": ("simple", None, 5),
    }


def test_half_of_the_runs_have_each_rate_and_all_arms_the_same_seeds() -> None:
    plan = Plan(data="digits", epochs=3, runs=40)
    made = trials("table1", list(settings(plan)), plan, DIGITS, "numpy", None)
    cells: dict[tuple[str, str], list[Trial]] = {}
    for trial in made:
        cells.setdefault((trial.setting["experiment"], trial.setting["arm"]), []).append(trial)
    assert len(cells) == 13 + 2
    for cell in cells.values():
        pairs = sorted((t.setting["learning_rate"], t.seed) for t in cell)
        assert pairs == [(rate, seed) for rate in (0.01, 0.1) for seed in range(20)]
    assert len({trial.key for trial in made}) == len(made)


def test_an_arm_differs_by_what_it_is_named_for_and_nothing_else() -> None:
    found = {
        s.arm: s for s in settings(Plan(data="digits", epochs=3), ["1"]) if s.learning_rate == 0.1
    }
    assert set(found) == set(ARMS)

    def differences(arm: str) -> dict[str, Any]:
        base, other = found[NO_NOISE].as_dict(), found[arm].as_dict()
        return {k: v for k, v in other.items() if k != "arm" and base[k] != v}

    assert differences(ANNEALED) == {"eta": 0.01}
    assert differences(DROPOUT) == {"dropout_rate": 0.5}
    assert found[NO_NOISE].eta == 0
    assert found[NO_NOISE].dropout_rate == 0
    assert found[ANNEALED].gamma == 0.55


def test_several_values_vary_what_they_are_about() -> None:
    plan = Plan(
        data="digits", epochs=3, etas=(0.01, 1.0), dropout_rates=(0.2, 0.5), batch_sizes=(50, 25)
    )
    made = [s for s in settings(plan, ["1"]) if s.learning_rate == 0.1]
    by_arm = {arm: [s for s in made if s.arm == arm] for arm in ARMS}
    assert [(s.batch_size, s.eta) for s in by_arm[ANNEALED]] == [
        (50, 0.01),
        (50, 1.0),
        (25, 0.01),
        (25, 1.0),
    ]
    assert [s.dropout_rate for s in by_arm[DROPOUT]] == [0.2, 0.5, 0.2, 0.5]
    assert [s.batch_size for s in by_arm[NO_NOISE]] == [50, 25]


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="`arms` must be among those of experiment 6"):
        list(settings(Plan(data="digits", epochs=3), ["6"], [DROPOUT]))
    for runs in (0, 3):
        with pytest.raises(ValueError, match="`runs` must be an even number"):
            Plan(data="digits", epochs=3, runs=runs)


def test_epochs_hold_the_steps_that_zero_init_needs() -> None:
    assert usual_epochs(DIGITS, 50) == zero_init.ZeroInit(DIGITS).epochs == 1429
    assert FULL == ("mnist", 40, 60)


def test_annealed_against_fixed_spans_the_papers_range() -> None:
    plan = Plan(data="digits", epochs=3)
    made = list(ABLATIONS["annealed-vs-fixed"].models["mlp"](plan, ["6"], DIGITS))
    fixed = [s for s in made if s.gamma == 0]
    assert sorted({s.eta for s in fixed}) == list(FIXED_VARIANCES)
    assert (min(FIXED_VARIANCES), max(FIXED_VARIANCES)) == (1e-4, 1e-1)
    schedule = gn.schedules.annealed(fixed[0].eta, fixed[0].gamma)
    assert schedule(0) == schedule(10**6) == fixed[0].eta
    assert {s.arm for s in made if s.gamma != 0} == {NO_NOISE, ANNEALED}


def test_smaller_batches_make_as_many_updates() -> None:
    plan = Plan(data="digits", epochs=143)  # of 28 steps
    made = list(ABLATIONS["batch-noise"].models["mlp"](plan, ["1"], DIGITS))
    updates = {s.arm: s.epochs * (1437 // s.batch_size) for s in made}
    assert set(updates) == {ANNEALED, *(f"no noise, batch {n}" for n in (10, 25, 50))}
    assert all(143 * 28 <= n < 143 * 28 + 143 for n in updates.values())
    assert all((s.eta > 0) == (s.arm == ANNEALED) for s in made)


# --- the ensemble --------------------------------------------------------------------------------


def small(**changes: Any) -> MlpSetting:
    """A network that learns at once, in float64, with noise, clipping and dropout."""
    usual = MlpSetting(
        experiment="1",
        arm=ANNEALED,
        data="digits",
        init="he",
        clip=1.0,
        learning_rate=0.1,
        eta=0.01,
        gamma=0.55,
        dropout_rate=0.3,
        batch_size=50,
        epochs=2,
        hidden_layers=2,
        width=8,
        dtype="float64",
    )
    return dataclasses.replace(usual, **changes)


class Counting(Trainer):
    """A trainer that remembers how its step was called: once, where it is compiled."""

    calls: ClassVar[list[Any]] = []

    def step(self, *args: Any) -> Any:
        self.calls.append(args[-1])
        return super().step(*args)


def trainer(setting: MlpSetting, seeds: list[int], library: Library | None = None) -> Trainer:
    backend = library.backend if library else backend_for(np)
    device = library.device if library else None
    Counting.calls.clear()
    return Counting(
        DIGITS,
        seeds,
        setting.optimizer(seeds),
        setting.batch_size,
        backend,
        setting.dtype,
        device,
        compiled=backend.name == "jax",
        dropout_rate=setting.dropout_rate,
    )


def trained(
    setting: MlpSetting, seeds: list[int], library: Library | None = None, steps: int = 30
) -> list[Any]:
    """The parameters after some steps, over the end of an epoch, as NumPy arrays."""
    made = trainer(setting, seeds, library)
    state = made.start(INITIALIZERS[setting.init], setting.sizes(DIGITS))
    for now, _ in itertools.islice(made.steps(state, 2), steps):
        state = now
    return [made.backend.to_numpy(leaf) for leaf in optree.tree_leaves(state.params)]


def distance(some: list[Any], others: list[Any]) -> float:
    return max(float(np.max(np.abs(a - b))) for a, b in zip(some, others, strict=True))


def test_a_replica_with_dropout_is_the_solo_run_with_its_seed(library: Library) -> None:
    together = trained(small(), [5, 6], library)
    assert len(Counting.calls) == (1 if library.backend.name == "jax" else 30)
    alone = trained(small(), [6], library)
    assert distance([leaf[1] for leaf in together], [leaf[0] for leaf in alone]) < 1e-11
    # The control: the run with another seed is another one.
    assert distance([leaf[0] for leaf in together], [leaf[0] for leaf in alone]) > 1e-2


def test_each_step_drops_other_units() -> None:
    """Masks that do not change with the step, or begin anew with an epoch, are another network."""
    made = trainer(small(eta=0.0), [0])
    state = made.start(INITIALIZERS["he"], small().sizes(DIGITS))
    xs = made._place(DIGITS.train_x, DIGITS.train_y)
    rows = np.arange(50, dtype=np.int32)[None]
    losses = {
        count: float(made.step(state.params, state.optimizer, *xs, rows, count)[2][0])
        for count in (0, 1, made.steps_per_epoch)
    }
    assert len(set(losses.values())) == 3
    Counting.calls.clear()
    list(made.steps(state, 2))
    assert Counting.calls == list(range(2 * made.steps_per_epoch))


def test_nothing_is_dropped_in_the_test() -> None:
    setting = small(dropout_rate=0.9)
    made = trainer(setting, [0])
    state = made.start(INITIALIZERS["he"], setting.sizes(DIGITS))
    ((after, record),) = made.epochs(state, 1)
    quiet = dataclasses.replace(made, dropout_rate=0.0)
    pieces = list(quiet._test())
    assert record.test_accuracy == tuple(mlp.accuracy(after.params, *pieces[0]))


def test_a_test_set_in_pieces_has_the_same_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = small(dropout_rate=0.0)
    made = trainer(setting, [0, 1])
    state = made.start(INITIALIZERS["he"], setting.sizes(DIGITS))
    ((_, whole),) = made.epochs(state, 1)
    monkeypatch.setattr("gradnoise_reference_models.training._PIECE", 77)
    ((_, parts),) = made.epochs(state, 1)
    np.testing.assert_allclose(parts.test_accuracy, whole.test_accuracy, rtol=1e-12)


# --- the order of clipping, noise and rate -------------------------------------------------------


def one_step(setting: MlpSetting, gradient: Any) -> Any:
    optimizer = setting.optimizer([0, 1])
    params = {"w": np.zeros((2, 1000))}
    updates, _ = optimizer.update({"w": gradient}, optimizer.init(params), params)
    return updates["w"]


def test_the_rate_scales_the_noise_and_the_clip_does_not() -> None:
    huge = np.full((2, 1000), 1e6)
    update = one_step(small(clip=10.0, learning_rate=0.1, eta=0.04), huge)
    clipped = 10.0 / np.sqrt(1000)
    noise = update / -0.1 - clipped
    # 0.2 is the standard deviation; four standard errors of one of 1,000.
    assert np.std(noise, axis=1) == pytest.approx(0.2, rel=4 / np.sqrt(2000))
    # The wrong ones: noise after the rate has ten times, noise before the clip next to none of it.
    assert np.std(update, axis=1) == pytest.approx(0.02, rel=4 / np.sqrt(2000))
    assert np.any(noise[0] != noise[1])


def test_without_noise_it_is_plain_sgd() -> None:
    gradient = np.full((2, 1000), 0.01)
    for clip in (None, 10.0):
        update = one_step(small(eta=0.0, clip=clip, learning_rate=0.1), gradient)
        np.testing.assert_allclose(update, -0.001, rtol=1e-12)
    assert one_step(small(eta=0.0, clip=None), gradient * 1e9).min() < -1e5
    # Each replica is clipped by its own norm; by that of all of them it would be smaller.
    clipped = one_step(small(eta=0.0, clip=10.0, learning_rate=0.1), gradient * 1e9)
    np.testing.assert_allclose(np.linalg.norm(clipped, axis=1), 1.0, rtol=1e-9)


# --- the function that the runner calls ----------------------------------------------------------


class Silent:
    """A sender that stops a run after so many reports."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.left = stop_after

    def send(self, message: Mapping[str, Any]) -> None:
        if self.left is not None:
            self.left -= 1

    def cancelled(self) -> bool:
        return self.left is not None and self.left < 0


def group(setting: MlpSetting, seeds: range = range(2), **around: Any) -> tuple[Trial, ...]:
    known = {**conditions(DIGITS, "numpy", None), **around}
    return tuple(Trial("table1", setting.as_dict(), seed, conditions=known) for seed in seeds)


def context(folder: Path, stop_after: int | None = None) -> Context:
    folder.mkdir(exist_ok=True)
    return Context(folder, 1, every=1e9, sender=Silent(stop_after))


def same(some: list[Outcome], others: list[Outcome]) -> bool:
    return all(
        a.metrics == b.metrics
        and all(np.array_equal(a.curves[name], b.curves[name]) for name in {*a.curves, *b.curves})
        for a, b in zip(some, others, strict=True)
    )


@pytest.mark.parametrize("stop_after", [0, 40, 100])
def test_a_run_that_was_stopped_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    monkeypatch.setattr("gradnoise_reference_models.runner._context._PAUSE", 0.0)
    trials = group(small(epochs=4, dtype="float32"))
    whole = train(trials, context(tmp_path / "whole"))
    halted = context(tmp_path / "halted", stop_after)
    with pytest.raises(Interrupted):
        train(trials, halted)
    assert halted.checkpoint_path.exists()
    with np.load(halted.checkpoint_path) as archive:
        assert f'"epoch": {stop_after // 28}' in str(archive["about"])
    again = train(trials, context(tmp_path / "halted"))
    assert same(again, whole)
    assert len(again[0].curves["test_accuracy"]) == 4


def test_a_checkpoint_of_other_trials_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradnoise_reference_models.runner._context._PAUSE", 0.0)
    with pytest.raises(Interrupted):
        train(group(small()), context(tmp_path, 30))
    with pytest.raises(checkpoint.CheckpointError, match="seeds"):
        train(group(small(), range(1, 3)), context(tmp_path))


def test_outcomes_are_those_of_the_last_epochs(tmp_path: Path) -> None:
    found = train(group(small(epochs=7, dropout_rate=0.0)), context(tmp_path))
    for outcome in found:
        curve = outcome.curves["test_accuracy"]
        assert outcome.metrics["test_accuracy"] == curve[-1] > 0.2
        assert outcome.metrics["median_test_accuracy"] == np.median(curve[-5:])
        assert outcome.metrics["train_loss"] == outcome.curves["train_loss"][-1]
        assert outcome.metrics["updates"] == 7 * 28
        assert not outcome.diverged


def test_a_run_that_diverges_is_a_result_and_leaves_the_others_alone(tmp_path: Path) -> None:
    setting = small(clip=None, eta=0.0, learning_rate=1e308, epochs=1, dropout_rate=0.0)
    found = train(group(setting), context(tmp_path))
    assert all(outcome.diverged for outcome in found)
    assert not any(np.isfinite(outcome.metrics["train_loss"]) for outcome in found)
    assert all(0 <= outcome.metrics["test_accuracy"] < 0.3 for outcome in found)


def test_one_replicas_nan_reaches_no_other() -> None:
    setting = small(dtype="float32")
    made = trainer(setting, [0, 1])
    state = made.start(INITIALIZERS["he"], setting.sizes(DIGITS))
    state.params["layers"][0]["weight"][1] = np.nan
    with np.errstate(invalid="ignore"):
        ((after, record),) = made.epochs(state, 1)
    assert np.isfinite(record.loss[0])
    assert np.isnan(record.loss[1])
    ((alone, _),) = _alone(setting)
    leaves = zip(optree.tree_leaves(after.params), optree.tree_leaves(alone.params), strict=True)
    assert all(np.allclose(a[0], b[0], rtol=0, atol=1e-5) for a, b in leaves)


def _alone(setting: MlpSetting) -> list[tuple[TrainingState, Any]]:
    made = trainer(setting, [0])
    return list(made.epochs(made.start(INITIALIZERS["he"], setting.sizes(DIGITS)), 1))


def test_other_data_than_the_trials_were_made_with_is_refused(tmp_path: Path) -> None:
    trials = group(small(), data_sha256="0" * 64)
    with pytest.raises(data.DataError, match="`data` must be the digits that the trials"):
        train(trials, context(tmp_path))


def test_every_library_can_be_named(library: Library, tmp_path: Path) -> None:
    name = library.backend.name
    if name not in {"numpy", "torch", "jax", "cupy"}:
        pytest.skip("it is no backend that is registered")
    device = None if library.device is None else str(library.device)
    around = conditions(DIGITS, name, device)
    short = small(epochs=1)
    found = train(group(short, **around), context(tmp_path))
    numpys = train(group(short), context(tmp_path / "numpy"))
    for ours, theirs in zip(found, numpys, strict=True):
        assert ours.metrics["train_loss"] == pytest.approx(theirs.metrics["train_loss"], abs=1e-9)
    assert _mlp_trials.COMPILED == ("jax",)
