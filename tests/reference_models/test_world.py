"""The registry of what is judged, and that the record of the last run is of it."""

import dataclasses
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradnoise_core as gn
from gradnoise_core.optimizers import DIALECTS
from gradnoise_core.oracle import optimizer_steps
from gradnoise_reference_models.world import (
    FRAMEWORKS,
    WORLD,
    NoiseSubject,
    OptimizerSubject,
    Record,
    Subject,
    address,
    chosen,
    differences,
    lines_of,
    size_of,
    summary,
)
from gradnoise_reference_models.world._frameworks import EXTRA
from gradnoise_reference_models.world._measure import distance, sgld_scales

RECORD = Path(__file__).parents[2] / "docs" / "results" / "world.json"

optimizers = [s for s in WORLD if isinstance(s, OptimizerSubject)]


@pytest.fixture(scope="module")
def record() -> Record:
    return Record.from_json(RECORD.read_text("utf-8"))


# --- the registry -------------------------------------------------------------------------------


def test_names_are_unique_and_frameworks_are_known() -> None:
    names = [s.name for s in WORLD]
    assert len(set(names)) == len(names) >= 150
    assert {s.framework for s in WORLD if s.framework} == set(FRAMEWORKS)


def test_who_must_be_judged_is() -> None:
    names = {s.name for s in WORLD}
    of_optax = ["add_noise", "noisy_sgd", "sgd", "adagrad", "rmsprop", "adam", "adamw"]
    assert {f"optax.{name}" for name in of_optax} <= names
    for way in ("single", "foreach", "fused"):
        kinds = ("SGD", "Adagrad", "Adam", "AdamW", *(("RMSprop", "Adadelta") * (way != "fused")))
        assert {f"torch.optim.{kind}, {way}" for kind in kinds} <= names
    frameworks = {s.framework for s in WORLD}
    others = {"torchopt", "pytorch_optimizer", "mlx", "blackjax", "torch-sgld"}
    assert {"keras-jax", "keras-torch", *others} <= frameworks
    assert sum(s.restated for s in WORLD) >= 8


@pytest.mark.parametrize("subject", optimizers, ids=lambda s: s.name)
def test_a_claim_is_a_row_of_the_table_of_dialects(subject: OptimizerSubject) -> None:
    assert subject.dialect in DIALECTS[subject.optimizer]
    getattr(gn, subject.optimizer)(subject.rate, dialect=subject.dialect, **subject.keywords)


def test_every_thread_has_an_address() -> None:
    threads = {thread for s in WORLD for thread in s.threads}
    assert len(threads) > 15
    assert all(address(t).startswith("https://github.com/") for t in threads)
    with pytest.raises(ValueError, match=r"must be one of .*optax.* and a number, got 'opt#1'"):
        address("opt#1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"make": None}, "needs either `make` or `hosted`"),
        ({"hosted": "sgd"}, "needs either `make` or `hosted`"),
        ({"framework": ""}, "needs either a `framework` or, if restated, a `source`"),
        ({"source": "a paper"}, "needs either a `framework` or, if restated, a `source`"),
    ],
)
def test_a_subject_says_where_it_is_from(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(WORLD[0], **changes)


def test_patterns_choose_subjects() -> None:
    assert chosen([]) == WORLD
    assert {s.framework for s in chosen(["optax", "keras-[jt]*"])} == {
        "optax",
        "keras-jax",
        "keras-torch",
    }
    name = "pulseopt.AEES(noise_candidates=[0.1])"  # a bracket is a set in a pattern
    assert [s.name for s in chosen([name])] == [name]
    assert all(s.restated for s in chosen(["restated"]))
    with pytest.raises(ValueError, match=r"must match a subject or a framework, got 'optx\.\*'"):
        chosen(["optax", "optx.*"])


# --- the record ---------------------------------------------------------------------------------


def test_the_record_is_of_the_registry(record: Record) -> None:
    assert list(record.verdicts) == [s.name for s in WORLD]
    for subject in WORLD:
        verdict = record.verdicts[subject.name]
        known = {key: verdict[key] for key in ("framework", "source", "note")}
        assert known == {key: getattr(subject, key) for key in known}, subject.name
        assert verdict["threads"] == list(subject.threads), subject.name


def test_the_record_has_versions_and_a_command(record: Record) -> None:
    assert set(record.versions) == {"python", "numpy", "gradnoise-core", *FRAMEWORKS}
    assert all(record.versions.values())
    assert record.command.startswith("gradnoise judge --python ")
    assert record.command.endswith("--json world.json")
    assert "/" not in record.command  # no place of the machine that made it


def test_everything_was_judged_or_says_why(record: Record) -> None:
    left = {name: v for name, v in record.verdicts.items() if v["status"] != "judged"}
    assert list(left) == ["keras_gradient_noise.add_gradient_noise, on Keras 3"]
    assert all(v["reason"] and v["passed"] is None for v in left.values())


@pytest.mark.parametrize("subject", WORLD, ids=lambda s: s.name)
def test_each_deviation_has_a_size_and_a_cause(subject: Subject, record: Record) -> None:
    verdict = record.verdicts[subject.name]
    if verdict["status"] != "judged":
        return
    assert verdict["passed"] is not bool(verdict["failed"])
    if not verdict["passed"]:
        assert verdict["cause"] or verdict["note"]
    if not verdict["paper"]:
        assert verdict["because"] or verdict["note"]
        sizes = verdict["from_paper"]
        psgld = isinstance(subject, OptimizerSubject) and subject.optimizer == "psgld"
        assert psgld or sizes
        if "share" in sizes:
            assert sizes["share"] > 0 < sizes["absolute"]
        elif sizes and subject.framework != "optax":  # in bfloat16 the scale is right
            assert any(abs(size - 1) > 0.05 for size in sizes.values())


def test_what_is_an_optimizer_speaks_its_dialect(record: Record) -> None:
    """Untold, `identify_dialect` finds the very dialect that is claimed, wherever it is one."""
    heard = 0
    for subject in optimizers:
        verdict = record.verdicts[subject.name]
        # With another value of a dialect's own keyword it is the dialect no more.
        row = {"drift", "decoupled_weight_decay", *DIALECTS[subject.optimizer][subject.dialect]}
        own = not set(subject.keywords) & row
        if verdict["passed"] and own and subject.optimizer != "psgld":
            readings = verdict["spoken"].split(" or ")
            heard += 1
            assert any(
                r.startswith(f"{subject.optimizer} (") and subject.dialect in r for r in readings
            ), (subject.name, verdict["spoken"])
    assert heard > 90


def test_the_record_survives_json(record: Record) -> None:
    assert record.to_json() == RECORD.read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "record of format 1"),
        ('{"format": 2}', "record of format 1"),
        ('{"format": 1, "command": "", "versions": {}}', "a whole record"),
        ('{"format": 1, "command": "", "versions": {}, "verdicts": [3]}', "a whole record"),
        ("{", "Expecting"),
    ],
)
def test_what_is_no_record_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Record.from_json(text)


def test_differences_are_told(record: Record) -> None:
    old = record.verdicts["optax.rmsprop"]
    same = json.loads(json.dumps(old))
    assert differences(old, same) == []
    same["from_paper"]["absolute"] *= 1.01
    same["failed"] = list(old["failed"])
    assert differences(old, same) == []
    changes = {
        "passed": False,
        "paper": True,
        "spoken": "adam (torch)",
        "failed": ["the first step: off by 1"],
        "from_claim": {"share": 0.1, "absolute": 0.1},
        "status": "not installed",
        "because": "decay 0.5",
    }
    for key, value in changes.items():
        (told,) = differences(old, {**old, key: value})
        assert told.startswith(f"{key} is ")
    # What was not asked is no difference.
    assert differences(old, {**old, "spoken": ""}) == []


# --- the extra ---------------------------------------------------------------------------------


def test_the_extra_brings_what_was_recorded(record: Record) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"]
    assert EXTRA == 'pip install "gradnoise-core[world]"'
    brought = dict(re.sub(r"\[.*\]", "", x).split(">=") for x in extras["world"] if ">=" in x)
    of_extra = {name: f for name, f in FRAMEWORKS.items() if f.install == EXTRA}
    for name, framework in of_extra.items():
        recorded = str(record.versions[name]).partition("+")[0]
        assert brought.pop(framework.distribution, recorded) == recorded, name
    assert set(brought) == {"jax"}  # a backend of Keras
    assert {f.distribution for f in of_extra.values()} > {"optax", "torchopt", "mlx", "blackjax"}
    assert "gradnoise-core[models,oracle]" in extras["world"]


# --- sizes --------------------------------------------------------------------------------------


def test_sizes_are_recorded_to_three_digits() -> None:
    steps = optimizer_steps(gn.sgd(0.011), learning_rate=0.011)
    assert distance(steps, "sgd", "paper", {}) == {"share": 0.0, "absolute": 0.0}
    tenth = dataclasses.replace(steps, rates=[0.01] * len(steps.rates))
    found = distance(tenth, "sgd", "paper", {})
    assert found["share"] == 0.1
    assert found["absolute"] == float(f"{tenth.deviation('sgd').absolute:.3g}") > 0.01
    scales = sgld_scales(gn.sgld(0.01, seed=3), 0.01, float32=True)
    assert scales["drift"] == 0.5
    assert scales["noise"] == pytest.approx(1.0, rel=1e-2)


# --- words --------------------------------------------------------------------------------------


def test_a_verdict_in_words(record: Record) -> None:
    good = [line for line, _ in lines_of(record.verdicts["optax.adam"])]
    assert good[0] == "pass  optax.adam: adam, dialect optax"
    assert good[-1] == "      the paper's"
    wrong = "\n".join(line for line, _ in lines_of(record.verdicts["neural_gpu's gradient noise"]))
    assert wrong.startswith("FAIL  neural_gpu's gradient noise: variance eta / (1 + t)**gamma\n")
    assert "no noise reaches the result" in wrong
    assert "× 0 at t = 0" in wrong
    left = "keras_gradient_noise.add_gradient_noise, on Keras 3"
    ((line, _),) = lines_of(record.verdicts[left])
    assert line.startswith("----  keras_gradient_noise")
    assert "does not run (" in line


def test_sizes_in_words() -> None:
    assert size_of({"share": 0.0, "absolute": 0.0}) == "none"
    assert size_of({"share": 0.8912, "absolute": 1.96}) == "89.1 % of the way gone, 2"
    assert size_of({"drift": 1.0, "noise": 1.41}) == "drift 1 h g, noise 1.41 √h"
    assert size_of({"drift": 2.0, "noise": 1.41}, ratio=True) == "drift × 2, noise × 1.41"
    assert size_of({"0": 0.1, "99": 0.03}) == "× 0.1 at t = 0, × 0.03 at t = 99"
    assert size_of({}) == ""


def test_the_summary_counts(record: Record) -> None:
    verdicts = list(record.verdicts.values())
    good = sum(v["passed"] is True for v in verdicts)
    line = summary(verdicts)
    assert line.startswith(f"{len(WORLD) - 1} judged: {good} are what they claim, ")
    assert line.endswith("; 1 not judged")


def test_rates_fall_as_the_oracle_lets_them() -> None:
    by_rate = {s.rate_is: s for s in optimizers}
    assert by_rate["set"].learning_rate == by_rate["set"].rate
    falls, stays = by_rate["scheduled"], by_rate["fixed"]
    for t in (0, 49, 50, 99):
        assert callable(falls.learning_rate)
        assert callable(stays.learning_rate)
        assert falls.learning_rate(t) == (falls.rate if t < 50 else falls.rate / 10)
        assert stays.learning_rate(t) == stays.rate
    assert np.isfinite([s.rate for s in optimizers]).all()
    assert all(s.eta > 0 for s in WORLD if isinstance(s, NoiseSubject))
