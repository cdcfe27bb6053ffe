"""The score: the oracle catches every wrong implementation, and passes every right one."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from gradnoise_core.oracle.mutants import MUTANTS, RIGHT, Mutant
from tools.oracle_right import all_right

ALL_RIGHT = all_right()

#: Right noise is judged under a few seeds here, and under a thousand by the tool.
SEEDS = 2


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_a_wrong_implementation_is_caught_and_its_mistake_named(mutant: Mutant) -> None:
    report = mutant.judge(seed=1)
    assert not report.passed
    assert mutant.diagnosis in "\n".join(map(str, report.failures)), report


@pytest.mark.parametrize("right", ALL_RIGHT, ids=lambda r: r.name)
def test_a_right_implementation_passes(right: Mutant) -> None:
    for seed in range(SEEDS if right in RIGHT and right.kind == "noise" else 1):
        report = right.judge(seed)
        assert report.passed, report


def test_the_p_values_of_right_noise_are_not_too_small() -> None:
    """Of ten seeds' 130 claims the smallest is no rarer than one in a hundred thousand."""
    (numpy,) = (r for r in RIGHT if r.name == "numpy-float32")
    p = [c.p_value for seed in range(10) for c in numpy.judge(seed) if c.p_value is not None]
    assert len(p) == 130
    assert min(p) > 1e-5
    assert np.median(p) > 0.2


def test_the_catalogue_is_as_large_as_is_said() -> None:
    kinds = Counter(m.kind for m in MUTANTS)
    assert len(MUTANTS) >= 60
    assert set(kinds) == {"schedule", "noise", "stream", "clipping", "optimizer"}


def test_every_entry_is_complete() -> None:
    names = [i.name for i in (*MUTANTS, *ALL_RIGHT)]
    assert len(set(names)) == len(names)
    for mutant in MUTANTS:
        assert mutant.wrong, mutant
        assert mutant.source, mutant
        assert not mutant.wrong.endswith("."), mutant
        assert mutant.name == mutant.name.lower().replace(" ", "-")


@pytest.mark.parametrize("name", ["numpy-float32", "ours-stream", "ours-schedule", "numpy-clipped"])
def test_what_is_right_is_not_caught(name: str) -> None:
    (right,) = (r for r in RIGHT if r.name == name)
    fields = {f.name: getattr(right, f.name) for f in dataclasses.fields(right)}
    assert not Mutant(**fields, wrong="nothing", source="").caught()


def test_a_mutant_with_another_diagnosis_is_not_caught() -> None:
    mutant = next(m for m in MUTANTS if m.diagnosis)
    assert mutant.caught()
    assert not dataclasses.replace(mutant, diagnosis="something else").caught()
