"""What a trial is, what it comes to, and which train together."""

import dataclasses
import json
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from gradnoise_core.oracle.vectors import published_vectors
from gradnoise_core.random import STREAM_VERSION
from gradnoise_reference_models.runner import Outcome, Trial, checksum, ensembles, solo
from gradnoise_reference_models.runner._frozen import canonical
from gradnoise_reference_models.runner._outcome import (
    decode_curve,
    decode_metrics,
    encode_curve,
    encode_metrics,
)

TRIAL = Trial("table1", {"eta": 0.01, "clip": None, "sizes": [50, 50]}, 7, 2, {"backend": "jax"})


def test_the_key_is_the_hash_of_the_canonical_text() -> None:
    import hashlib

    text = (
        '{"conditions":{"backend":"jax","stream":1},"experiment":"table1","seed":7,'
        '"setting":{"clip":null,"eta":0.01,"sizes":[50,50]},"version":2}'
    )
    assert TRIAL.key == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"experiment": "table2"},
        {"setting": {"eta": 0.02, "clip": None, "sizes": [50, 50]}},
        {"setting": {"eta": 0.01, "clip": None, "sizes": [50, 51]}},
        {"setting": {"eta": 0.01, "clip": False, "sizes": [50, 50]}},
        {"setting": {"eta": 0.01, "sizes": [50, 50]}},
        {"seed": 8},
        {"version": 1},
        {"conditions": {"backend": "numpy"}},
        {"conditions": {"backend": "jax", "stream": 2}},
    ],
)
def test_whatever_decides_the_outcome_changes_the_key(change: dict[str, Any]) -> None:
    other = dataclasses.replace(TRIAL, **change)
    assert other.key != TRIAL.key
    assert other != TRIAL


def test_order_of_names_and_kind_of_number_do_not_change_the_key() -> None:
    a = Trial("e", {"a": 1, "b": {"c": -0.0, "d": (1, 2)}}, 0)
    b = Trial("e", {"b": {"d": [1.0, 2], "c": 0}, "a": 1.0}, 0)
    assert a.key == b.key
    assert a == b
    assert hash(a) == hash(b)
    assert Trial("e", {"a": True}, 0).key != Trial("e", {"a": 1}, 0).key


def test_large_and_small_numbers_are_written_in_full() -> None:
    values = [2**60, 2**60 + 1, 1e300, 5e-324, 0.1 + 0.2]
    assert json.loads(canonical("x", values)) == values
    assert len({canonical("x", v) for v in values}) == len(values)


def test_a_trial_cannot_change_and_can_be_pickled() -> None:
    given = {"sizes": [1, 2], "deep": {"a": 1}}
    trial = Trial("e", given, 0)
    given["sizes"].append(3)  # type: ignore[attr-defined]
    assert trial.setting["sizes"] == (1, 2)
    with pytest.raises(TypeError):
        trial.setting["eta"] = 1  # type: ignore[index]
    with pytest.raises(TypeError):
        trial.setting["deep"]["a"] = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        trial.seed = 1  # type: ignore[misc]
    again = pickle.loads(pickle.dumps(trial))
    assert (again, again.key, hash(again)) == (trial, trial.key, hash(trial))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("e", {"a": float("nan")}, 0), "`setting.a` must be plain JSON"),
        (("e", {"a": {"b": [1, float("inf")]}}, 0), r"`setting.a.b\[1\]` must be plain JSON"),
        (("e", {"a": np.float32(1)}, 0), r"`setting.a` must be plain JSON.*array.item"),
        (("e", {1: 2}, 0), "`setting` must have keys that are text, got 1"),
        (("e", 3, 0), "`setting` must be a mapping"),
        (("e", {}, -1), "`seed` must be an int from 0"),
        (("e", {}, 2**63), "`seed` must be an int from 0"),
        (("e", {}, True), "`seed` must be an int from 0"),
        (("e", {}, 0, 0), "`version` must be an int from 1"),
        (("", {}, 0), "`experiment` must be a name"),
        (("e", {}, 0, 1, {"a": object()}), "`conditions.a` must be plain JSON"),
    ],
)
def test_what_is_no_trial_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Trial(*arguments)


def test_the_stream_is_that_of_the_published_vectors() -> None:
    manifest = json.loads((published_vectors() / "manifest.json").read_text())
    assert manifest["stream_version"] == STREAM_VERSION
    assert Trial("e", {}, 0).conditions["stream"] == STREAM_VERSION


def test_a_checksum_is_of_the_values_and_not_of_their_place_in_memory() -> None:
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    same = [np.asfortranarray(a), a.astype(">f4"), np.repeat(a, 2, axis=0)[::2]]
    assert {checksum(x) for x in same} == {checksum(a)}
    other = [a.astype(np.float64), a.reshape(4, 3), a + 1, a[:2]]
    assert len({checksum(x) for x in [a, *other]}) == 1 + len(other)
    assert checksum(a, a) != checksum(a)
    with pytest.raises(ValueError, match="Python objects"):
        checksum(np.array([None]))


def test_a_checksum_is_the_same_in_another_process() -> None:
    code = (
        "import numpy; from gradnoise_reference_models.runner import checksum, Trial\n"
        "print(checksum(numpy.arange(3)), Trial('e', {'b': 1, 'a': 2}, 0).key)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == [checksum(np.arange(3)), Trial("e", {"a": 2, "b": 1}, 0).key]


def test_metrics_come_back_as_they_were() -> None:
    metrics = {"a": 0.1, "n": 3, "nan": float("nan"), "up": float("inf"), "down": -float("inf")}
    text = encode_metrics(Outcome(metrics).metrics)
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    back = decode_metrics(text)
    assert repr(back) == repr(metrics)
    assert repr(decode_metrics(encode_metrics({"a": 0.1 + 0.2}))) == repr({"a": 0.1 + 0.2})


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bool"])
def test_curves_come_back_to_the_bit(dtype: str) -> None:
    curve = np.asarray([0.0, 1.5, np.nan if dtype.startswith("f") else 1, 3]).astype(dtype)
    back = decode_curve(encode_curve(curve))
    assert back.dtype == curve.dtype
    assert back.tobytes() == curve.tobytes()


def test_a_pickle_in_the_place_of_a_curve_is_refused() -> None:
    import io
    import zlib

    file = io.BytesIO()
    np.save(file, np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="pickle"):
        decode_curve(zlib.compress(file.getvalue()))


def test_a_metric_that_is_not_finite_is_a_divergence() -> None:
    assert Outcome({"a": 1.0}).diverged is False
    assert Outcome({"a": 1.0, "b": float(np.float32("nan"))}).diverged is True
    assert Outcome({"a": float("inf")}, diverged=False).diverged is False
    assert Outcome({"a": 1.0}, diverged=True).diverged is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"a": "x"},), "`metrics.a` must be a real number"),
        (({"a": [1.0]},), "`metrics.a` must be a real number"),
        (({"a": 1j},), "`metrics.a` must be a real number"),
        (({}, {"c": np.zeros((2, 2))}), "`curves.c` must be a one-dimensional"),
        (({}, {"c": [None]}), "`curves.c` must be a one-dimensional"),
    ],
)
def test_what_is_no_outcome_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Outcome(*arguments)


def test_trials_of_one_setting_train_together() -> None:
    trials = [
        Trial(experiment, {"eta": eta, "rate": rate}, seed, version, {"backend": backend})
        for experiment in ("a", "b")
        for eta in (0, 0.01)
        for rate in (0.1, 0.01)
        for version in (1, 2)
        for backend in ("numpy", "jax")
        for seed in range(5)
    ]
    groups = ensembles(3)(trials)
    assert sorted(map(len, groups)) == [2] * 32 + [3] * 32
    assert sorted(t.key for g in groups for t in g) == sorted(t.key for t in trials)
    for group in groups:
        assert len({dataclasses.replace(t, seed=0).key for t in group}) == 1
    wide = ensembles(100, across=("eta",))(trials)
    assert [len(group) for group in wide] == [10] * 16
    assert all(len({t.setting["rate"] for t in group}) == 1 for group in wide)
    assert solo(trials) == [(t,) for t in trials]
    with pytest.raises(ValueError, match="`size` must be at least 1"):
        ensembles(0)


def test_trials_with_other_names_in_the_setting_do_not_train_together() -> None:
    trials = [Trial("e", {"eta": 0.1}, 0), Trial("e", {}, 0)]
    assert len(ensembles(9, across=("eta",))(trials)) == 2
