"""Keras 3, on each of its backends: a real training run is NumPy's, saved and loaded too."""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import adapter_workers
import pytest
from training_run import APART, TOLERANCE

pytestmark = pytest.mark.slow

#: Keras on torch multiplies matrices in float32, also those of float64.
WITHIN = {"jax": TOLERANCE, "torch": 5e-6}

BACKENDS = (*WITHIN, "numpy")

trains = pytest.mark.parametrize("backend", WITHIN)


def findings(backend: str, root: Path) -> dict[str, Any]:
    """Return what the worker found on a backend, by check."""
    for name in ("keras", "jax", "torch", "sklearn"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    if backend == "torch":
        findings("jax", root)  # with a model of which it goes on
    found = adapter_workers.findings(
        "keras_optimizer_worker",
        "keras.rst",
        root,
        KERAS_BACKEND=backend,
        KERAS_HOME=str(root),
        JAX_ENABLE_X64="1",
        XLA_FLAGS="--xla_force_host_platform_device_count=2",
    )
    assert found["backend"] == backend
    return found


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keras")


@trains
def test_a_run_is_numpys(backend: str, root: Path) -> None:
    """Clipping of each kind, decay, accumulation, averages, loss scales, schedules, placements."""
    found = findings(backend, root)
    runs = {name: d for name, d in found.items() if name.startswith("run_")}
    assert len(runs) >= (10 if backend == "jax" else 19)
    assert {name: d for name, d in runs.items() if not d <= WITHIN[backend]} == {}


@trains
@pytest.mark.parametrize("check", ["plain", "noise_before_clipping", "t_from_1"])
def test_a_wrong_run_is_told_apart(backend: str, check: str, root: Path) -> None:
    assert findings(backend, root)[f"control_{check}"] > APART > WITHIN[backend]


@trains
def test_a_loaded_model_has_other_paths_and_keeps_the_noise_of_the_old(
    backend: str, root: Path
) -> None:
    found = findings(backend, root)["fact_paths_are_kept"]
    assert found["now"] == ["hidden/kernel", "hidden/bias", "out/kernel", "out/bias"]
    assert found["paths"] == [f"digits/{path}" for path in found["now"]]
    assert found["optimizer"]["module"] == "keras.optimizers"


@pytest.mark.parametrize("backend", BACKENDS)
def test_facts(backend: str, root: Path) -> None:
    found = findings(backend, root)
    facts = {n: x for n, x in found.items() if n.startswith("fact_") and isinstance(x, bool)}
    assert len(facts) >= 2
    assert all(facts.values()), facts


@trains
def test_the_page_runs(backend: str, root: Path) -> None:
    assert findings(backend, root)["page"] > 0.85


MESSAGES = {
    "name_of_an_optimizer": "`optimizer` must be one keras.optimizers.Optimizer, got 'adam'",
    "several": "of several, make each noisy",
    "twice": "`optimizer` must not be noisy already",
    "twice_within": "`optimizer` must not be noisy already",
    "placement": "`placement` must be 'gradient' or 'weight', got 'gradients'",
    "eta": "`eta` must be a finite number >= 0, got -1.0",
    "schedule_to_save": "got the local function 'annealed.<locals>.variance'. Decorate",
    "names_that_are_alike": "Two trainable variables have the path 'w'",
    "other_model": "saved for 4 trainable variables, and this model has 1",
    "backend": "got 'tensorflow'. Set KERAS_BACKEND=jax",
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_cannot_be_is_refused(backend: str, root: Path) -> None:
    found = findings(backend, root)
    said = {name: found.get(f"refused_{name}", words) for name, words in MESSAGES.items()}
    assert {name: said[name] for name, words in MESSAGES.items() if words not in said[name]} == {}
    assert len([name for name in found if name.startswith("refused_")]) >= len(MESSAGES) - 1


def test_without_keras_the_extra_is_named() -> None:
    with mock.patch.dict(sys.modules, {"keras": None}):
        sys.modules.pop("gradnoise_backends.keras_optimizer", None)
        with pytest.raises(ImportError, match=r'pip install "gradnoise-core\[keras\]"'):
            importlib.import_module("gradnoise_backends.keras_optimizer")
