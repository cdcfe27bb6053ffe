"""Memory networks are trained as the papers say: stages, rates, order of an update, resumption."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optree
import pytest
from libraries import Library

import gradnoise_core as gn
from gradnoise_core.backend import Backend, backend_for
from gradnoise_core.typing import Tree
from gradnoise_reference_models import checkpoint
from gradnoise_reference_models.data import StoryData, load_stories
from gradnoise_reference_models.memory_training import (
    MemoryRecord,
    MemoryTrainer,
    Stages,
    network_for,
)
from gradnoise_reference_models.models import memory_network as model

NUMPY = backend_for(np)

#: One epoch of each stage, and a rate that is halved in the second one's second.
STAGES = Stages(epochs=2, rate=0.01, halving=2, linear_epochs=1, linear_rate=0.005)


@functools.cache
def small() -> StoryData:
    """Return the first questions of some stories: 5 updates an epoch."""
    whole = load_stories(15, "stories")
    parts = {"train": 170, "validation": 30, "test": 50}
    cut = {name: getattr(whole, name).take(slice(n)) for name, n in parts.items()}
    return dataclasses.replace(whole, **cut)


def optimizer(seeds: list[int], stages: Stages = STAGES, **options: Any) -> Any:
    values = {"clip": 5.0, "eta": 0.01, **options}
    return gn.chain(
        gn.clip_by_norm(values["clip"], replicas=True),
        gn.add_gradient_noise(values["eta"], 0.55, seed=seeds),
        gn.sgd(stages.schedule(5)),
    )


def trainer(
    seeds: list[int], backend: Backend = NUMPY, stages: Stages = STAGES, **options: Any
) -> MemoryTrainer:
    made = options.pop("optimizer", None) or optimizer(seeds, stages)
    network = network_for(small(), size=8, hops=2)
    return MemoryTrainer(
        small(), network, seeds, stages, made, backend, **{"dtype": "float64", **options}
    )


def run(made: MemoryTrainer) -> tuple[Any, list[MemoryRecord]]:
    seen = list(made.epochs(made.start()))
    return seen[-1][0], [record for _, record in seen]


def leaves(tree: Tree) -> list[Any]:
    return [np.asarray(leaf) for leaf in optree.tree_leaves(tree)]


# --- the schedule --------------------------------------------------------------------------------


def rates(stages: Stages, updates: int) -> list[set[float]]:
    """Return the rates that occur within each epoch."""
    rate = stages.schedule(updates)
    return [{rate(epoch * updates + i) for i in range(updates)} for epoch in range(stages.total)]


def test_the_rate_is_halved_at_the_start_of_epochs_25_50_75_and_100() -> None:
    found = rates(Stages(epochs=100, rate=0.01, halving=25), 28)
    expected = [0.01] * 24 + [0.005] * 25 + [0.0025] * 25 + [0.00125] * 25 + [0.000625]
    assert found == [{rate} for rate in expected]
    after = [{0.01 / 2 ** (epoch // 25)} for epoch in range(100)]
    assert found != after  # a halving one epoch late is another schedule


def test_halving_goes_on_to_the_last_of_200_epochs() -> None:
    found = rates(Stages(epochs=200, rate=0.01, halving=25), 2)
    assert found[-1] == {0.01 / 256}
    assert found[174] == found[198] == {0.01 / 128}


def test_the_linear_stage_has_a_rate_of_its_own_and_shifts_the_other() -> None:
    stages = Stages(epochs=60, rate=0.006, halving=15, linear_epochs=30, linear_rate=0.005)
    found = rates(stages, 3)
    assert stages.total == 90
    assert found[:30] == [{0.005}] * 30
    assert found[30:44] == [{0.006}] * 14
    assert found[44] == {0.003}
    assert found[89] == {0.006 / 16}


def test_halving_in_every_epoch_begins_with_the_first() -> None:
    assert rates(Stages(epochs=2, rate=0.4, halving=1), 2) == [{0.2}, {0.1}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "`epochs` must be an integer >= 1, got 0"),
        ({"halving": 0}, "`halving` must be an integer >= 1, got 0"),
        ({"linear_epochs": -1}, "`linear_epochs` must"),
        ({"rate": 0.0}, "`rate` must be a number > 0"),
        ({"linear_rate": -1.0}, "`linear_rate` must be a number > 0"),
    ],
)
def test_what_is_no_schedule_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Stages(**{"epochs": 1, "rate": 0.1, "halving": 1, **options})


# --- an update -----------------------------------------------------------------------------------


def by_hand(
    made: MemoryTrainer, *, clip: str = "each", t_of: Callable[[int], int] = lambda t: t
) -> tuple[list[Any], list[float]]:
    """Train one replica in the plainest way; return its parameters and each epoch's train error."""
    network, data, (seed,) = made.network, made.data, made.seeds
    params = model.init(network, seed, xp=np, dtype=np.float64)
    matrices = [layer["embedding"] for layer in params["E"]]
    noise = gn.add_gradient_noise(0.01, 0.55, seed=seed)
    zeros = {"E": [{"embedding": np.zeros_like(m)} for m in matrices]}
    drawn, state = [], noise.init(zeros)
    for _ in range(made.stages.total * 5):
        eps, state = noise.update(zeros, state)
        drawn.append([layer["embedding"] for layer in eps["E"]])
    errors = []
    for epoch in range(made.stages.total):
        rows, times = made.draw(epoch)
        wrong = 0
        for i in range(5):
            t = 5 * epoch + i
            chosen = data.train.take(rows[0, i])
            parts = chosen.X, times[0, i], chosen.Q, chosen.y
            batch = model.batch(network, *parts, dtype=np.float64)
            params = {"E": [{"embedding": m} for m in matrices]}
            linear = epoch < made.stages.linear_epochs
            score, grads = model.score_and_grads(network, params, batch, linear=linear)
            wrong += int(score.wrong)
            g = [layer["embedding"] for layer in grads["E"]]
            norms = [np.linalg.norm(x) for x in g]
            if clip == "all":
                norms = [np.linalg.norm(norms)] * len(g)
            g = [x * min(1.0, 5.0 / norm) for x, norm in zip(g, norms, strict=True)]
            rate = (0.005, 0.01, 0.005)[epoch]
            steps = zip(matrices, g, drawn[t_of(t)], strict=True)
            matrices = [m - rate * (x + eps) for m, x, eps in steps]
            for m in matrices:
                m[0] = 0.0
        errors.append(wrong / (5 * 32))
    return matrices, errors


def test_updates_are_clipped_by_matrix_then_noisy_then_descend_and_null_stays_zero() -> None:
    made = trainer([3])
    state, history = run(made)
    matrices, errors = by_hand(made)
    for ours, plain in zip(leaves(state.params), matrices, strict=True):
        np.testing.assert_allclose(ours[0], plain, rtol=0, atol=1e-12)
        assert not np.any(ours[0, 0])
    assert [record.train_error[0] for record in history] == pytest.approx(errors)


@pytest.mark.parametrize(
    "wrong",
    [{"clip": "all"}, {"t_of": lambda t: t % 5}, {"t_of": lambda t: t - 5 if t >= 5 else t}],
    ids=["clipped together", "t starts anew each epoch", "t starts anew in the second stage"],
)
def test_another_order_would_be_noticed(wrong: dict[str, Any]) -> None:
    made = trainer([3])
    state, _ = run(made)
    matrices, _ = by_hand(made, **wrong)
    assert max(
        np.abs(a[0] - b).max() for a, b in zip(leaves(state.params), matrices, strict=True)
    ) > (1e-6)


def test_restarts_start_alike_with_and_without_noise_and_see_the_same_examples() -> None:
    quiet, noisy = trainer([1, 2], optimizer=gn.sgd(0.01)), trainer([1, 2])
    same = zip(leaves(quiet.start().params), leaves(noisy.start().params), strict=True)
    assert all(np.array_equal(a, b) for a, b in same)
    for a, b in zip(quiet.draw(4), noisy.draw(4), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(quiet.draw(4)[0], quiet.draw(5)[0])


# --- replicas ------------------------------------------------------------------------------------


def test_replica_r_equals_the_solo_run_of_seed_r(library: Library) -> None:
    compiled = library.name.startswith("jax")  # which takes its time: one stage has to do
    options = {
        "device": library.device,
        "compiled": compiled,
        "stages": dataclasses.replace(STAGES, linear_epochs=0) if compiled else STAGES,
    }
    state, history = run(trainer([5, 2], library.backend, **options))
    for r, seed in ((1, 2),) if compiled else enumerate((5, 2)):
        alone, records = run(trainer([seed], library.backend, **options))
        pairs = zip(optree.tree_leaves(state.params), optree.tree_leaves(alone.params), strict=True)
        for ours, solo in pairs:
            a, b = library.numpy(ours)[r], library.numpy(solo)[0]
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-11)
        for ours, solo in zip(history, records, strict=True):
            assert ours.loss[r] == pytest.approx(solo.loss[0], rel=1e-9)
            for name in ("train_error", "validation_error", "test_error"):
                assert getattr(ours, name)[r] == getattr(solo, name)[0]
    assert len(set(history[-1].loss)) == 2  # and they are no copies of each other


def test_a_compiled_run_is_the_same_and_compiles_once_a_stage(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    if library.name != "jax":
        pytest.skip("only JAX's step is compiled")
    traced: list[bool] = []
    whole = model.score_and_grads

    def counted(*arguments: Any, linear: bool, **options: Any) -> Any:
        traced.append(linear)
        return whole(*arguments, linear=linear, **options)

    monkeypatch.setattr(model, "score_and_grads", counted)
    stages = dataclasses.replace(STAGES, epochs=3, linear_epochs=2)
    state, history = run(trainer([1, 2], library.backend, stages, compiled=True))
    # Once more where the step count, first a Python int, comes back as an array.
    assert traced.count(True) <= 2
    assert traced.count(False) <= 2
    plain, records = run(trainer([1, 2], stages=stages))
    for ours, theirs in zip(leaves(state.params), leaves(plain.params), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)
    assert [r.train_error for r in history] == [r.train_error for r in records]


# --- errors --------------------------------------------------------------------------------------


def test_validation_and_test_errors_are_over_all_questions_at_their_own_times() -> None:
    made = trainer([1, 2])
    state, history = run(made)
    for name in ("validation", "test"):
        part = getattr(small(), name)
        batch = model.batch(made.network, part.X, part.tau, part.Q, part.y, dtype=np.float64)
        for linear, differs in ((False, False), (True, True)):
            found = model.error(made.network, state.params, batch, linear=linear)
            same = np.allclose(found, getattr(history[-1], f"{name}_error"))
            assert same != differs or name == "validation"
    assert made.errors(state.params, small().test) == history[-1].test_error


def test_a_long_test_is_judged_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    made = trainer([1, 2])
    params = made.start().params
    at_once = made.errors(params, small().test)
    monkeypatch.setattr("gradnoise_reference_models.memory_training._PIECE", 7)
    assert made.errors(params, small().test) == at_once


def test_tests_are_as_often_as_asked_and_at_the_end_of_each_stage() -> None:
    stages = Stages(epochs=5, rate=0.01, halving=9, linear_epochs=1)
    _, history = run(trainer([1], stages=stages, test_every=4))
    tested = [bool(np.isfinite(record.test_error[0])) for record in history]
    assert tested == [True, False, False, True, False, True]
    assert all(np.isfinite(record.validation_error[0]) for record in history)


def test_a_restart_that_is_not_finite_has_nothing_right_and_reaches_no_other() -> None:
    made = trainer([1, 2])
    state = made.start()
    state.params["E"][0]["embedding"][1, 3, 0] = np.nan
    with np.errstate(invalid="ignore"):
        history = [record for _, record in made.epochs(state)]
    _, alone = run(trainer([1]))
    for record, solo in zip(history, alone, strict=True):
        assert np.isnan(record.loss[1])
        assert (record.train_error[1], record.validation_error[1], record.test_error[1]) == (
            1,
            1,
            1,
        )
        assert record.train_error[0] == solo.train_error[0] < 1
        assert record.loss[0] == pytest.approx(solo.loss[0], rel=1e-9)


def test_a_restart_that_overflows_in_the_last_update_has_no_validation_answer_right() -> None:
    """Its running error was fine: what is judged is the weights after the epoch."""
    made = trainer([1], stages=Stages(epochs=1, rate=1e200, halving=9))
    with np.errstate(all="ignore"):
        _, (record,) = run(made)
    assert record.validation_error == record.test_error == (1.0,)


# --- checkpoints ---------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [1, 2])
def test_a_run_that_is_resumed_ends_with_the_same_bits(tmp_path: Path, after: int) -> None:
    whole, history = run(trainer([1, 2]))
    made = trainer([1, 2])
    states = [(state, record) for state, record in made.epochs(made.start())][:after]
    file = tmp_path / "c.npz"
    checkpoint.save(file, states[-1][0], [record for _, record in states], {"a": 1}, NUMPY)
    again = trainer([1, 2])
    state, before = checkpoint.load(file, again.start(), {"a": 1}, NUMPY, record=MemoryRecord)
    assert state.epoch == after
    assert before == history[:after]
    rest = list(again.epochs(state))
    assert [*before, *(record for _, record in rest)] == history
    same = zip(leaves(rest[-1][0].params), leaves(whole.params), strict=True)
    assert all(np.array_equal(a, b) for a, b in same)


# --- learning ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_task_1_is_learned_in_20_epochs_of_one_stage_and_not_with_linear_attention() -> None:
    data = load_stories(1, "stories")

    def record(stages: Stages) -> MemoryRecord:
        made = gn.chain(gn.clip_by_norm(40.0, replicas=True), gn.sgd(stages.schedule(28)))
        network = network_for(data)
        training = MemoryTrainer(data, network, [0, 1, 2, 3], stages, made, NUMPY, test_every=100)
        *_, (_, last) = training.epochs(training.start())
        return last

    learned = record(Stages(epochs=20, rate=0.01, halving=25))
    assert learned.test_error[int(np.argmin(learned.loss))] <= 0.01
    assert max(learned.test_error) <= 0.05
    stages = Stages(epochs=1, rate=1e-9, halving=25, linear_epochs=20)
    assert min(record(stages).test_error) > 0.05
