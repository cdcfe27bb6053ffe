"""The Lightning callback: a real training run is NumPy's, resumed or not."""

import importlib.util
from typing import Any

import pytest
from adapter_workers import findings
from training_run import APART, TOLERANCE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    for name in ("torch", "lightning", "pytorch_lightning", "sklearn"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    return findings("lightning_worker", "lightning.rst", tmp_path_factory.mktemp("lightning"))


RUNS = (
    "clipped",
    "clipped_by_value",
    "weight_placement",
    "schedule",
    "accumulation",
    "manual",
    "several_optimizers",
    "pytorch_lightning",
    "scaled",
    "resumed",
    "resumed_from_a_checkpoint_of_a_running_fit",
    "resumed_several",
    "resumed_weight_placement",
)


@pytest.mark.parametrize("run", RUNS)
def test_a_run_is_numpys(run: str, found: dict[str, Any]) -> None:
    assert found[f"run_{run}"] <= TOLERANCE


def test_no_run_is_left_out(found: dict[str, Any]) -> None:
    assert {name.removeprefix("run_") for name in found if name.startswith("run_")} == set(RUNS)


@pytest.mark.parametrize(
    "control", ["plain", "noise_before_clipping", "hook_before_clipping", "t_from_1"]
)
def test_a_wrong_run_is_told_apart(control: str, found: dict[str, Any]) -> None:
    assert found[f"control_{control}"] > APART


@pytest.mark.parametrize(
    "fact",
    [
        "skipped_steps_draw_nothing",
        "noise_is_off_at_the_end",
        "noise_is_off_after_a_failure",
        "fitting_twice_is_not_twice_the_noise",
        "counts_are_told",
        "either_name_of_lightning_will_do",
        "optimizers_of_one_parameter_have_noise_of_their_own",
    ],
)
def test_fact(fact: str, found: dict[str, Any]) -> None:
    assert found[f"fact_{fact}"] is True


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("placement", "`placement` must be 'gradient' or 'weight', got 'weights'"),
        ("eta", "`eta` must be a finite number >= 0, got -1.0"),
        ("absence", 'pip install "gradnoise-core[lightning]"'),
        ("schedule", "`schedule` must be a function of the step that returns a variance"),
    ],
)
def test_what_cannot_be_is_refused_at_once(what: str, message: str, found: dict[str, Any]) -> None:
    assert message in found[f"refused_{what}"]


def test_the_page_runs(found: dict[str, Any]) -> None:
    assert found["page"] > 0.85
