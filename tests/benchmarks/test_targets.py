"""The figures to reach name cases that exist, and are judged by the right figures."""

import dataclasses

import pytest

from benchmarks.place import VARIANTS
from benchmarks.records import SCHEMA, Document, FirstCall, Found, Machine, Ratio, Time
from benchmarks.sections import SECTIONS, contestants
from benchmarks.summary import Summary
from benchmarks.targets import (
    TARGETS,
    Bandwidth,
    FirstCallTarget,
    RatioTarget,
    Target,
    judge,
)

by_name = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
RATIO = next(t for t in TARGETS if isinstance(t, RatioTarget) and len(t.ours) == 2)


@by_name
def test_a_target_names_what_is_measured(target: Target) -> None:
    section, variant = SECTIONS[target.section], VARIANTS[target.variant]
    assert target.device in variant.devices
    names = {c.name: c for c in contestants(section, variant.library)}
    assert all(names[name].ours for name in target.ours)
    if isinstance(target, RatioTarget):
        assert section.how in (("leaves", "replicas") if target.leaves > 1 else ("timed", "model"))
        assert target.to in names
        # Of itself in fewer leaves, or of a peer in as many.
        assert names[target.to].ours == (target.leaves != target.to_leaves)
    elif isinstance(target, FirstCallTarget):
        assert section.how == "first-call"
        assert target.cache in ("cold", "cached")
    else:
        assert section.how == "timed"
        assert section.bytes > 0


def test_names_are_unique() -> None:
    assert len({t.name for t in TARGETS}) == len(TARGETS)


def ratio(value: float, **changes: object) -> Ratio:
    same = Summary(value, value, value, 9)
    made = Ratio(RATIO.section, RATIO.variant, RATIO.ours[0], 1, RATIO.to, 1, RATIO.size, same)
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def document(found: Found, threads: int = 1, device: str = "cpu") -> Document:
    settings = {"threads": threads, "device": device}
    return Document(SCHEMA, "gradnoise bench", "2026-01-01", True, settings, {}, found)


def verdict(target: Target, found: Found, **options: object) -> tuple[float | None, str, str]:
    verdicts = judge([document(found, **options)])  # type: ignore[arg-type]
    (found_one,) = (v for v in verdicts if v.target == target)
    return found_one.measured, found_one.word, found_one.by


@pytest.mark.parametrize(
    ("factor", "word"), [(0.99, "met"), (1.0, "met"), (1.01, "missed"), (100.0, "missed")]
)
def test_at_most_is_met_or_missed(factor: float, word: str) -> None:
    value = factor * RATIO.at_most
    assert verdict(RATIO, Found(ratios=[ratio(value)])) == (value, word, RATIO.ours[0])


def test_the_fastest_of_ours_counts() -> None:
    found = Found(ratios=[ratio(3.0), ratio(0.1, contestant=RATIO.ours[1])])
    assert verdict(RATIO, found) == (0.1, "met", RATIO.ours[1])


@pytest.mark.parametrize(
    "other",
    [
        {"section": "noise"},
        {"variant": "jax"},
        {"contestant": "theirs"},
        {"to": "something slow"},
        {"size": 10**5},
        {"leaves": 10},
        {"to_leaves": 10},
    ],
)
def test_another_figure_does_not_count(other: dict[str, object]) -> None:
    measured, word, _ = verdict(RATIO, Found(ratios=[ratio(0.1, **other)]))
    assert (measured, word) == (None, "not measured")


def test_without_a_run_on_a_gpu_its_targets_say_so() -> None:
    for v in judge([document(Found())]):
        assert v.word == "not measured"
        assert ("no run on cuda" in v.by) == (v.target.device == "cuda")


def test_several_threads_are_said() -> None:
    assert verdict(RATIO, Found(ratios=[ratio(0.1)]), threads=2)[2].endswith("2 threads")


def test_a_first_call_is_judged_with_its_caches() -> None:
    cold = next(t for t in TARGETS if isinstance(t, FirstCallTarget) and t.cache == "cold")
    here = (cold.section, cold.variant, cold.ours[0], True, 10**6)
    calls = [
        FirstCall(*here, "cold", 9.0, 9.0, 12.0, 9.0, 1),
        FirstCall(*here, "cached", 9.0, 9.0, 1.0, 9.0, 3),
    ]
    assert verdict(cold, Found(first_calls=calls))[0] == 12.0


def test_bandwidth_is_that_of_the_copy_over_ours() -> None:
    target = next(t for t in TARGETS if isinstance(t, Bandwidth))
    moved = SECTIONS[target.section].bytes * target.size
    half = Summary(2 * moved / 1e12, 0.0, 1.0, 9)  # takes twice as long as the copy's rate asks
    here = (target.section, target.variant, target.ours[0], True, target.size, 1, 1)
    found = Found(
        times=[Time(*here, half)],
        machine=[Machine("a GPU", [[1e3, 9e12], [1e9, 1e12]], 0.0, "")],
    )
    measured, word, _ = verdict(target, found, device="cuda")
    assert measured == pytest.approx(2.0)
    assert word == "missed"
