"""A wrong optimizer of the catalogue is caught with every seed, and right without its slip."""

import collections
from typing import Any

import pytest

from gradnoise_core.optimizers import keywords
from gradnoise_core.oracle import check_optimizer
from gradnoise_core.oracle._formulas import FORMULAS
from gradnoise_core.oracle._plain import Plain
from gradnoise_core.oracle._wrong import MISTAKES
from gradnoise_core.oracle.mutants import MUTANTS
from gradnoise_core.oracle.mutants._langevin import LANGEVIN_MUTANTS, Langevin
from gradnoise_core.oracle.mutants._optimizers import OPTIMIZER_MUTANTS


def test_all_are_in_the_catalogue_whose_test_makes_every_one() -> None:
    assert set(map(id, OPTIMIZER_MUTANTS)) <= set(map(id, MUTANTS))


def test_what_draws_noise_is_caught_with_every_seed() -> None:
    for mutant in LANGEVIN_MUTANTS:
        if mutant.arguments["optimizer"] != "santa":
            missed = [seed for seed in range(1, 6) if not mutant.caught(seed)]
            assert not missed, mutant.name


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_the_right_one_passes_the_same_check(mistake: Any) -> None:
    """What is caught is the slip, not its surroundings."""
    k = {**keywords(mistake.optimizer, mistake.dialect), **mistake.hyperparameters}
    report = check_optimizer(
        lambda: Plain(FORMULAS[mistake.optimizer], k),
        mistake.optimizer,
        mistake.dialect,
        learning_rate=mistake.learning_rate,
        **mistake.hyperparameters,
    )
    assert report.passed, str(report)


@pytest.mark.parametrize("optimizer", ["sgld", "psgld"])
def test_the_right_sampler_passes_the_same_check(optimizer: str) -> None:
    for seed in range(5):
        report = check_optimizer(
            lambda seed=seed: Langevin(seed, keywords(optimizer)), optimizer, learning_rate=0.05
        )
        assert report.passed, str(report)


def test_the_catalogue_is_large_and_says_where_each_was_found() -> None:
    names = collections.Counter(mutant.name for mutant in OPTIMIZER_MUTANTS)
    assert len(names) == len(OPTIMIZER_MUTANTS) >= 40
    for mutant in OPTIMIZER_MUTANTS:
        assert mutant.wrong, mutant.name
        assert not mutant.wrong.endswith("."), mutant.name
        assert mutant.source, mutant.name
        assert mutant.kind == "optimizer"
        assert mutant.check == "check_optimizer"
