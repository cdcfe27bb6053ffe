"""The transformers callback: a real training run of a Trainer is NumPy's, resumed or not."""

import importlib.util
from typing import Any

import pytest
from adapter_workers import findings
from training_run import APART, TOLERANCE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    for name in ("torch", "transformers", "accelerate", "sklearn"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    folder = tmp_path_factory.mktemp("transformers")
    # Nothing is fetched: models are made of their configs.
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder)}
    return findings("transformers_worker", "transformers.rst", folder, **offline)


RUNS = (
    "clipped",
    "weight_placement",
    "schedule",
    "accumulation",
    "accelerated_and_scaled",
    "accelerated_and_skipped",
    "resumed",
    "resumed_weight_placement",
    "resumed_by_the_same_trainer",
)


@pytest.mark.parametrize("run", RUNS)
def test_a_run_is_numpys(run: str, found: dict[str, Any]) -> None:
    assert found[f"run_{run}"] <= TOLERANCE


def test_no_run_is_left_out(found: dict[str, Any]) -> None:
    assert {name.removeprefix("run_") for name in found if name.startswith("run_")} == set(RUNS)


@pytest.mark.parametrize(
    "control", ["plain", "noise_before_clipping", "t_from_1", "resumed_from_0"]
)
def test_a_wrong_run_is_told_apart(control: str, found: dict[str, Any]) -> None:
    assert found[f"control_{control}"] > APART


@pytest.mark.parametrize(
    "fact", ["noise_is_off_at_the_end", "the_count_is_told", "a_model_of_transformers_trains"]
)
def test_fact(fact: str, found: dict[str, Any]) -> None:
    assert found[f"fact_{fact}"] is True


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("placement", "`placement` must be 'gradient' or 'weight', got 'weights'"),
        ("absence", 'pip install "gradnoise-core[transformers]"'),
        ("eta", "`eta` must be a finite number >= 0, got -1.0"),
    ],
)
def test_what_cannot_be_is_refused_at_once(what: str, message: str, found: dict[str, Any]) -> None:
    assert message in found[f"refused_{what}"]


def test_the_page_runs(found: dict[str, Any]) -> None:
    assert found["page"] > 0.8
