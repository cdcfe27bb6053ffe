"""Table 2: the registry is the papers', and its trials train as they should."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from libraries import Library

from gradnoise_core.backend import backend_for
from gradnoise_reference_models import checkpoint
from gradnoise_reference_models.data import DataError, StoryData, load_stories
from gradnoise_reference_models.experiments import _memory_cost
from gradnoise_reference_models.experiments._memory_plan import (
    FULL,
    USUAL,
    MemoryPlan,
    load_tasks,
    trials,
    usual_tasks,
)
from gradnoise_reference_models.experiments._memory_setting import MemorySetting
from gradnoise_reference_models.experiments._memory_trials import (
    conditions,
    outcomes,
    train,
    trainer_of,
)
from gradnoise_reference_models.experiments._mlp_trials import COMPILED
from gradnoise_reference_models.experiments.ablations import (
    ABLATIONS,
    MEMORY_NETWORK,
    on_model,
)
from gradnoise_reference_models.experiments.table1 import ANNEALED, NO_NOISE
from gradnoise_reference_models.experiments.table2 import (
    ARMS,
    JOINT,
    PROCEDURES,
    TASKS,
    paper,
    published,
    settings,
)
from gradnoise_reference_models.memory_training import MemoryRecord
from gradnoise_reference_models.runner import Context, Interrupted, Outcome, Trial

NUMPY = backend_for(np)

PLAN = MemoryPlan(data="stories", epochs=200)


# --- the registry --------------------------------------------------------------------------------


def test_the_figures_are_the_papers() -> None:
    assert paper("one-stage", NO_NOISE) == (10.5, 19.5)
    assert paper("one-stage", ANNEALED) == (9.6, 16.6)
    assert paper("two-stage", NO_NOISE) == (6.2, 10.9)
    assert paper("two-stage", ANNEALED) == (5.9, 10.8)
    assert paper("one-stage", "fixed variance 0.001") is None


@pytest.mark.parametrize(
    ("procedure", "mean", "failed"), [("one-stage", 20.3, 13), ("two-stage", 13.9, 11)]
)
def test_published_errors_have_the_published_mean_and_count(
    procedure: str, mean: float, failed: int
) -> None:
    found = [published(procedure, task) for task in TASKS]
    values = [value for value in found if value is not None]
    assert len(values) == 20
    assert round(sum(values) / 20, 1) == mean
    assert sum(value > 5 for value in values) == failed
    assert published(procedure, JOINT) is None


def only(**wanted: Any) -> MemorySetting:
    (found,) = (
        s
        for s in settings(PLAN, ["3"])
        if all(getattr(s, name) == value for name, value in wanted.items())
    )
    return found


def test_the_settings_are_those_of_the_published_procedure() -> None:
    one = only(procedure="one-stage", arm=ANNEALED)
    assert one == MemorySetting(
        task="3",
        procedure="one-stage",
        arm=ANNEALED,
        data="stories",
        eta=0.01,
        gamma=0.55,
        epochs=200,
        learning_rate=0.01,
        halving=25,
        linear_epochs=0,
        linear_rate=0.005,
        clip=40.0,
        norm="frobenius",
        size=20,
        hops=3,
        tying="adjacent",
        encoding="position",
        random_times=0.1,
        batch_size=32,
        dtype="float32",
    )
    two = only(procedure="two-stage", arm=ANNEALED)
    assert two == dataclasses.replace(
        one, procedure="two-stage", linear_epochs=20, learning_rate=0.005
    )
    for procedure in PROCEDURES:
        quiet, noisy = (only(procedure=procedure, arm=arm) for arm in ARMS)
        assert dataclasses.replace(quiet, arm=ANNEALED, eta=0.01) == noisy


def test_the_joint_network_has_its_own_sizes() -> None:
    (one, two) = (s for s in settings(PLAN, [JOINT]) if s.arm == NO_NOISE)
    assert (one.size, one.halving, one.linear_epochs) == (50, 15, 0)
    assert (two.size, two.halving, two.linear_epochs) == (50, 15, 30)


def test_an_epoch_has_28_updates_and_the_network_the_data_sizes() -> None:
    found = load_stories("1", "stories")
    made = trainer_of(only(procedure="one-stage", arm=NO_NOISE), found, [0, 1], NUMPY, None)
    assert made.updates_per_epoch == 28
    assert made.network.classes == len(found.vocabulary) + found.memory
    shapes = {leaf["embedding"].shape for leaf in made.start().params["E"]}
    assert shapes == {(2, made.network.classes, 20)}
    assert not made.network.null
    assert made.draw(0)[0].shape == (2, 28, 32)


def test_the_program_of_the_authors_clips_by_the_spectral_norm_with_null_counted() -> None:
    found = load_stories("1", "stories")
    setting = only(procedure="one-stage", arm=NO_NOISE)
    spectral = dataclasses.replace(setting, norm="spectral")
    assert spectral.network(found).null
    grads = {"E": [{"embedding": np.stack([40 * np.eye(3), 80 * np.eye(3)])}]}

    def clipped(some: MemorySetting) -> Any:
        made = dataclasses.replace(some, learning_rate=1.0).optimizer([0, 1], 28)
        return -made.update(grads, made.init(grads))[0]["E"][0]["embedding"]

    # The spectral norms are 40 and 80, the Frobenius norms the root of 3 as large.
    np.testing.assert_allclose(clipped(spectral), [40 * np.eye(3)] * 2)
    np.testing.assert_allclose(clipped(setting), [40 / np.sqrt(3) * np.eye(3)] * 2)
    with pytest.raises(ValueError, match="`norm` must be one of frobenius, spectral, got 'l1'"):
        dataclasses.replace(setting, norm="l1")


def test_full_is_the_papers_and_the_usual_tasks_have_stories() -> None:
    assert (FULL.tasks, FULL.restarts, FULL.epochs) == (TASKS, 10, 200)
    assert set(USUAL.tasks) <= set(TASKS)


def test_tasks_without_stories_are_left_out_only_where_none_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRADNOISE_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "18" in USUAL.tasks
    known = tuple(task for task in USUAL.tasks if task != "18")
    assert usual_tasks("stories") == usual_tasks("auto") == known
    assert usual_tasks("babi") == USUAL.tasks
    with pytest.raises(DataError, match="got '18'"):
        load_tasks(["18"], "auto")


def test_every_arm_has_the_same_seeds() -> None:
    found = {task: load_stories(task, "stories") for task in ("1", "15")}
    made = trials("table2", list(settings(PLAN, [*found])), PLAN, found, "numpy", None)
    cells: dict[tuple[str, ...], list[int]] = {}
    for trial in made:
        place = tuple(trial.setting[name] for name in ("task", "procedure", "arm"))
        cells.setdefault(place, []).append(trial.seed)
    assert len(cells) == 2 * 2 * 2
    assert all(seeds == list(range(10)) for seeds in cells.values())
    assert len({trial.key for trial in made}) == len(made) == 80


def test_the_joint_variant_stands_alone() -> None:
    with pytest.raises(ValueError, match="`tasks` must be numbers, or joint alone, got 1, joint"):
        load_tasks(["1", JOINT], "stories")


# --- the ablation --------------------------------------------------------------------------------


def test_fixed_noise_has_the_variance_and_the_deviation_of_the_paper() -> None:
    made = ABLATIONS["annealed-vs-fixed"].models[MEMORY_NETWORK]
    found = {s.arm: s for s in made(PLAN, ["16"], ["one-stage"])}
    assert list(found) == [NO_NOISE, ANNEALED, "fixed variance 0.001", "fixed variance 1e-06"]
    assert [(s.eta, s.gamma) for s in found.values()] == [
        (0.0, 0.55),
        (0.01, 0.55),
        (1e-3, 0.0),
        (1e-6, 0.0),
    ]
    same = {dataclasses.replace(s, arm="", eta=0, gamma=0) for s in found.values()}
    assert len(same) == 1
    assert on_model("annealed-vs-fixed", MEMORY_NETWORK) == "annealed-vs-fixed-memory-network"
    assert on_model("annealed-vs-fixed", "mlp") == "annealed-vs-fixed"


def test_fixed_noise_stays_as_it_is() -> None:
    made = ABLATIONS["annealed-vs-fixed"].models[MEMORY_NETWORK]
    setting = next(s for s in made(PLAN, ["1"], ["one-stage"]) if s.eta == 1e-3)
    optimizer = dataclasses.replace(setting, learning_rate=1.0, halving=10**6).optimizer([0], 28)
    zeros = {"E": [{"embedding": np.zeros((1, 100, 100))}]}
    state = optimizer.init(zeros)
    for _ in range(3):
        updates, state = optimizer.update(zeros, state)
        assert np.std(updates["E"][0]["embedding"]) == pytest.approx(0.0316, rel=0.03)


# --- trials --------------------------------------------------------------------------------------


class Silent:
    """A runner that listens to nothing, and may ask to stop."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.left = stop_after

    def send(self, message: Mapping[str, Any]) -> None:
        if self.left is not None:
            self.left -= 1

    def cancelled(self) -> bool:
        return self.left is not None and self.left < 0


def small(**options: Any) -> MemorySetting:
    setting = only(procedure="two-stage", arm=ANNEALED)
    usual = {"task": "15", "epochs": 2, "linear_epochs": 1, "size": 6, "hops": 1, "halving": 2}
    return dataclasses.replace(setting, **{**usual, **options})


def group(setting: MemorySetting, seeds: range = range(2), **around: Any) -> tuple[Trial, ...]:
    known = {**conditions(load_stories(setting.task, "stories"), "numpy", None), **around}
    return tuple(Trial("table2", setting.as_dict(), seed, conditions=known) for seed in seeds)


def context(folder: Path, stop_after: int | None = None) -> Context:
    folder.mkdir(exist_ok=True)
    return Context(folder, 1, every=1e9, sender=Silent(stop_after))


def same(some: list[Outcome], others: list[Outcome]) -> bool:
    return all(
        a.metrics == b.metrics
        and all(np.array_equal(a.curves[n], b.curves[n], equal_nan=True) for n in a.curves)
        for a, b in zip(some, others, strict=True)
    )


@pytest.mark.parametrize("stop_after", [0, 40, 70])
def test_a_run_that_was_stopped_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    monkeypatch.setattr("gradnoise_reference_models.runner._context._PAUSE", 0.0)
    made = group(small())
    whole = train(made, context(tmp_path / "whole"))
    halted = context(tmp_path / "halted", stop_after)
    with pytest.raises(Interrupted):
        train(made, halted)
    with np.load(halted.checkpoint_path) as archive:
        assert f'"epoch": {stop_after // 28}' in str(archive["about"])
    again = train(made, context(tmp_path / "halted"))
    assert same(again, whole)
    assert len(again[0].curves["train_error"]) == 3


def test_a_checkpoint_of_other_trials_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradnoise_reference_models.runner._context._PAUSE", 0.0)
    with pytest.raises(Interrupted):
        train(group(small()), context(tmp_path, 30))
    with pytest.raises(checkpoint.CheckpointError, match="seeds"):
        train(group(small(), range(1, 3)), context(tmp_path))


def test_other_data_than_the_trials_were_made_with_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="`data` must be the stories that the trials"):
        train(group(small(), data_sha256="0" * 64), context(tmp_path))


def test_outcomes_are_those_of_the_last_epoch() -> None:
    nan = float("nan")
    history = [
        MemoryRecord(1, 28, (3.0, 2.0), (0.5, 0.25), (0.6, 0.3), (nan, nan)),
        MemoryRecord(2, 56, (1.0, nan), (0.1, 1.0), (0.2, 1.0), (0.25, 1.0)),
    ]
    fine, lost = outcomes(history, {"train_answers": 896})
    assert fine.metrics == {
        "train_loss": 1.0,
        "train_error": 0.1,
        "validation_error": 0.2,
        "test_error": 0.25,
        "updates": 56,
        "train_answers": 896,
    }
    assert not fine.diverged
    assert lost.diverged
    assert lost.metrics["train_error"] == lost.metrics["validation_error"] == 1.0
    assert lost.curves["train_error"].tolist() == [0.25, 1.0]


def test_errors_are_of_as_many_answers_as_is_said(tmp_path: Path) -> None:
    for outcome in train(group(small(epochs=1)), context(tmp_path)):
        found = outcome.metrics
        answers = {n: found[f"{n}_answers"] for n in ("train", "validation", "test")}
        assert answers == {"train": 896, "validation": 100, "test": 1000}
        for name, n in answers.items():
            wrong = found[f"{name}_error"] * n
            assert wrong == pytest.approx(round(wrong), abs=1e-9)


def test_a_restart_that_diverges_is_a_result(tmp_path: Path) -> None:
    setting = small(epochs=1, linear_epochs=0, learning_rate=1e30, clip=1e30)
    for outcome in train(group(setting), context(tmp_path)):
        assert outcome.diverged
        assert outcome.metrics["train_error"] == 1.0


def test_every_library_can_be_named(library: Library, tmp_path: Path) -> None:
    name = library.backend.name
    if name not in {"numpy", "torch", "jax", "cupy"}:
        pytest.skip("it is no backend that is registered")
    device = None if library.device is None else str(library.device)
    short = small(epochs=1, linear_epochs=0, dtype="float64")
    around = conditions(load_stories("15", "stories"), name, device)
    found = train(group(short, **around), context(tmp_path))
    numpys = train(group(short), context(tmp_path / "numpy"))
    for ours, theirs in zip(found, numpys, strict=True):
        assert ours.metrics["train_loss"] == pytest.approx(theirs.metrics["train_loss"], abs=1e-9)
    assert COMPILED == ("jax",)


# --- the cost ------------------------------------------------------------------------------------


def test_the_grid_is_the_papers_and_its_shapes_are_babis() -> None:
    assert _memory_cost.RUNS == 800
    assert _memory_cost.UPDATES == (200 + 220) // 2 * 28
    assert tuple(_memory_cost.SHAPES) == TASKS
    try:
        found = {task: load_stories(task, "babi") for task in ("1", "4", "9", "19")}
    except DataError as error:
        pytest.skip(str(error))
    for task, data in found.items():
        assert _memory_cost.SHAPES[task] == _shape(data)


def _shape(data: StoryData) -> tuple[int, int, int]:
    return len(data.vocabulary), data.memory, data.width


def test_the_cost_is_all_updates_and_all_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_memory_cost, "_times", lambda *_: (1e-3, 1e-6))
    updating, testing = _memory_cost.measured(NUMPY, None, 2, lambda: 0.0)
    assert updating == pytest.approx(1e-3 * _memory_cost.RUNS * _memory_cost.UPDATES)
    each = 1e-6 * (210 * 100 + 21 * 1000)
    assert testing == pytest.approx(each * _memory_cost.RUNS)


def test_the_time_of_an_update_is_measured() -> None:
    ticks = iter(range(100))
    setting = only(procedure="one-stage", arm=ANNEALED)
    update, answer = _memory_cost._times(setting, NUMPY, None, 2, lambda: float(next(ticks)))
    assert update == pytest.approx(1 / 10)
    assert answer == pytest.approx(1 / 10 / 100)
