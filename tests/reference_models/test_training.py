"""The training loop: ensembles equal solo runs, libraries agree, resumed runs are the same."""

import itertools
from typing import Any

import numpy as np
import optree
import pytest
from libraries import Library

from gradnoise_core.backend import backend_for
from gradnoise_reference_models import checkpoint
from gradnoise_reference_models.data import load
from gradnoise_reference_models.experiments.zero_init import ARMS, ZeroInit, by_arm
from gradnoise_reference_models.training import EpochRecord, Trainer, TrainingState

NUMPY = backend_for(np)


def small(**changes: Any) -> ZeroInit:
    """The experiment, short and of a small network, from weights that pass a signal."""
    settings = {"hidden_layers": 3, "width": 8, "init": "he", "dtype": "float64", "steps": 60}
    return ZeroInit(load("digits"), **{**settings, **changes})


def leaves(tree: Any) -> list[Any]:
    return list(optree.tree_leaves(tree))


def after(settings: ZeroInit, library: Library | None = None, steps: int = 20) -> list[Any]:
    """The parameters after some steps, as NumPy arrays."""
    backend = library.backend if library else NUMPY
    device = library.device if library else None
    trainer = settings.trainer(backend, device, compiled=backend.name == "jax")
    state = settings.start(trainer)
    for now, _ in itertools.islice(trainer.steps(state, 10), steps):
        state = now
    return [backend.to_numpy(x) for x in leaves(state.params)]


def test_every_library_trains_the_same_network(library: Library) -> None:
    ours, numpys = after(small(), library), after(small())
    for a, b in zip(ours, numpys, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11)


def test_another_seed_trains_another_network() -> None:
    differences = [
        np.max(np.abs(a - b)) for a, b in zip(after(small()), after(small(seed=1)), strict=True)
    ]
    assert min(differences) > 1e-4


def test_replicas_are_the_solo_runs_with_their_seeds() -> None:
    together = after(small(runs=3))
    for run in range(3):
        alone = after(small(seed=run))
        for a, b in zip(together, alone, strict=True):
            # Replicas are arm by arm: three without noise, then three with.
            np.testing.assert_allclose(a[[run, 3 + run]], b, rtol=0, atol=1e-12)


def test_arms_differ_by_the_noise_alone() -> None:
    settings = small()
    first = settings.start(settings.trainer(NUMPY, compiled=False)).params
    for leaf in leaves(first):
        np.testing.assert_array_equal(leaf[0], leaf[1])
    quiet = after(small(), steps=1)
    assert all(np.any(leaf[0] != leaf[1]) for leaf in quiet)


def test_without_noise_a_network_of_zeros_never_moves() -> None:
    weights = [x for x in after(small(init="zero", dtype="float32"), steps=50) if x.ndim == 3]
    assert len(weights) == 4
    assert all(np.all(w[0] == 0.0) for w in weights)
    assert all(np.all(w[1] != 0.0) for w in weights)


def test_training_learns_the_digits() -> None:
    settings = small(steps=28 * 20, hidden_layers=1, width=32, dtype="float32")
    trainer = settings.trainer(NUMPY, compiled=False)
    *_, (_, record) = trainer.epochs(settings.start(trainer), settings.epochs)
    assert min(record.test_accuracy) > 0.9
    assert record.epoch == 20
    assert record.step == 28 * 20


def test_records_hold_the_mean_loss_and_the_accuracy_of_each_replica() -> None:
    settings = small(steps=28, runs=2)
    trainer = settings.trainer(NUMPY, compiled=False)
    ((state, record),) = trainer.epochs(settings.start(trainer), 1)
    losses = [loss for _, loss in trainer.steps(settings.start(trainer), 1)]
    np.testing.assert_allclose(record.loss, np.mean(losses, axis=0), rtol=1e-12)
    assert len(record.test_accuracy) == 4
    assert state.epoch == 1
    assert set(by_arm(record.loss)) == {arm.name for arm in ARMS}


def test_progress_is_told_after_every_step() -> None:
    settings = small()
    trainer = settings.trainer(NUMPY, compiled=False)
    told: list[tuple[int, int]] = []
    list(trainer.epochs(settings.start(trainer), 2, lambda e, i: told.append((e, i))))
    assert told == [(e, i) for e in range(2) for i in range(1, 29)]


def _trained(settings: ZeroInit, epochs: int) -> tuple[Trainer, TrainingState, list[EpochRecord]]:
    trainer = settings.trainer(NUMPY, compiled=False)
    state, history = settings.start(trainer), []
    for now, record in trainer.epochs(state, epochs):
        state = now
        history.append(record)
    return trainer, state, history


def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Any) -> None:
    settings = small(init="zero", dtype="float32")
    _, whole, full_history = _trained(settings, 4)
    trainer, half, history = _trained(settings, 2)
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, half, history, settings.settings(), NUMPY)
    state, history = checkpoint.load(path, settings.start(trainer), settings.settings(), NUMPY)
    for now, record in trainer.epochs(state, 4):
        state = now
        history.append(record)
    for a, b in zip(leaves(state), leaves(whole), strict=True):
        np.testing.assert_array_equal(a, b)
    assert history == full_history


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Any) -> None:
    trainer, state, history = _trained(small(), 1)
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, state, history, small().settings(), NUMPY)
    with pytest.raises(checkpoint.CheckpointError, match=r"clip 10\.0, now 5\.0"):
        checkpoint.load(path, state, small(clip=5.0).settings(), NUMPY)
    assert trainer.steps_per_epoch == 28


def test_a_state_within_an_epoch_is_not_saved(tmp_path: Any) -> None:
    _, state, history = _trained(small(), 1)
    with pytest.raises(ValueError, match="`state` must be of a whole epoch, got step 3 of epoch 1"):
        checkpoint.save(tmp_path / "file", state._replace(step=3), history, {}, NUMPY)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["absent", "truncated", "text", "other format", "a folder"])
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path: Any, damage: str) -> None:
    _, state, history = _trained(small(), 1)
    path = tmp_path / "checkpoint.npz"
    if damage == "truncated":
        checkpoint.save(path, state, history, {}, NUMPY)
        path.write_bytes(path.read_bytes()[:-500])
    elif damage == "text":
        path.write_text("not a checkpoint")
    elif damage == "a folder":
        path.mkdir()
    elif damage == "other format":
        np.savez(path, about=np.asarray('{"format": 99}'))
    with pytest.raises(checkpoint.CheckpointError, match=r"checkpoint\.npz .*without --resume"):
        checkpoint.load(path, state, {}, NUMPY)


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), checkpoint.written_whole(path) as file:  # noqa: PT012
        file.write(b"new")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
