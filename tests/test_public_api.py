"""What the packages promise: every public name, written down once more."""

import importlib
import inspect
import pkgutil
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest

#: Public modules and their ``__all__``. A change here is a change for users: say it in CHANGELOG.
PUBLIC: dict[str, list[str]] = {
    "gradnoise_core": [
        "GradientTransformation",
        "adadelta",
        "adagrad",
        "adam",
        "adamw",
        "add_decayed_weights",
        "add_gradient_noise",
        "add_weight_noise",
        "apply_gradients",
        "apply_updates",
        "chain",
        "clip_by_global_norm",
        "clip_by_norm",
        "clip_by_value",
        "global_norm",
        "momentum",
        "noisy",
        "psgld",
        "random",
        "rmsprop",
        "santa",
        "scale_by_learning_rate",
        "schedules",
        "sgd",
        "sgld",
        "skip_non_finite",
        "trace",
        "zero_nans",
    ],
    "gradnoise_core.backend": [
        "GROUP",
        "Backend",
        "Sharding",
        "TreeFunctions",
        "backend_for",
        "backend_of",
        "registered",
    ],
    "gradnoise_core.clipping": [
        "clip_by_global_norm",
        "clip_by_norm",
        "clip_by_value",
        "global_norm",
    ],
    "gradnoise_core.noise": ["NoiseState", "add_gradient_noise", "add_weight_noise"],
    "gradnoise_core.optimizers": [
        "DIALECTS",
        "adadelta",
        "adagrad",
        "adam",
        "adamw",
        "add_decayed_weights",
        "keywords",
        "momentum",
        "psgld",
        "rmsprop",
        "santa",
        "scale_by_learning_rate",
        "sgd",
        "sgld",
        "trace",
    ],
    "gradnoise_core.optimizers.adadelta": ["AdadeltaState", "adadelta", "scale_by_adadelta"],
    "gradnoise_core.optimizers.adagrad": ["AdagradState", "adagrad", "scale_by_adagrad"],
    "gradnoise_core.optimizers.adam": ["AdamState", "AmsgradState", "adam", "scale_by_adam"],
    "gradnoise_core.optimizers.adamw": ["adamw"],
    "gradnoise_core.optimizers.momentum": ["momentum"],
    "gradnoise_core.optimizers.psgld": ["psgld"],
    "gradnoise_core.optimizers.rmsprop": [
        "CenteredRmsState",
        "RmsState",
        "rmsprop",
        "scale_by_rms",
    ],
    "gradnoise_core.optimizers.santa": ["SantaState", "santa"],
    "gradnoise_core.optimizers.sgd": ["sgd"],
    "gradnoise_core.optimizers.sgld": ["sgld"],
    "gradnoise_core.oracle": [
        "MILLION_NORMALS_SHA256",
        "MILLION_WORDS_SHA256",
        "Claim",
        "ConformanceError",
        "Deviation",
        "Identification",
        "LangevinScales",
        "OptimizerSteps",
        "Reading",
        "Report",
        "StreamReport",
        "check_noise",
        "check_noise_seeds",
        "check_optimizer",
        "check_schedule",
        "check_stream",
        "check_stream_bits",
        "identify_dialect",
        "langevin_scales",
        "optimizer_steps",
    ],
    "gradnoise_core.oracle.mutants": ["MUTANTS", "RIGHT", "Implementation", "Mutant"],
    "gradnoise_backends.keras_optimizer": ["NoisyOptimizer", "add_gradient_noise"],
    "gradnoise_backends.lightning_callback": ["GradientNoise"],
    "gradnoise_backends.transformers_callback": ["GradientNoiseCallback"],
    "gradnoise_backends.torch_optim": ["OptimizerNoise", "add_gradient_noise"],
    "gradnoise_core.oracle.vectors": [
        "FORMAT_VERSION",
        "SETS",
        "SET_VERSION",
        "VECTORS",
        "Entry",
        "Output",
        "Tolerance",
        "Vector",
        "VectorClaim",
        "VectorSet",
        "VectorsError",
        "check_vectors",
        "matching",
        "published_vectors",
        "schema",
        "write_vectors",
    ],
    "gradnoise_core.random": [
        "STREAM_VERSION",
        "TABLE_SHA256",
        "Key",
        "fold_in",
        "key",
        "leaf_key",
        "quantile_table",
        "standard_normal",
        "words",
    ],
    "gradnoise_core.schedules": [
        "annealed",
        "constant",
        "exponential_decay",
        "inverse_time_decay",
        "piecewise_constant",
    ],
    "gradnoise_core.transformation": [
        "EmptyState",
        "GradientTransformation",
        "SkipState",
        "apply_gradients",
        "apply_updates",
        "chain",
        "noisy",
        "skip_non_finite",
        "zero_nans",
    ],
    "gradnoise_core.tree": ["Leaves", "flatten", "flatten_like", "map_leaves"],
    "gradnoise_core.typing": [
        "Array",
        "Device",
        "Namespace",
        "Rate",
        "Schedule",
        "Seed",
        "Shape",
        "Step",
        "Tree",
    ],
    "gradnoise_backends": [],
    "gradnoise_backends.cupy": ["backend"],
    "gradnoise_backends.jax": ["backend"],
    "gradnoise_backends.numpy": ["backend"],
    "gradnoise_backends.torch": ["backend"],
}
names = pytest.mark.parametrize("name", PUBLIC)


def load(name: str) -> ModuleType:
    """Import a public module; a backend's needs its framework."""
    framework = name.removeprefix("gradnoise_backends.").partition("_")[0]
    with pytest.MonkeyPatch.context() as patch:
        if framework == "keras" and "keras" not in sys.modules:
            # Keras's own default is TensorFlow, whose absence is no reason to skip the adapter.
            patch.setenv("KERAS_BACKEND", "torch" if find_spec("torch") else "jax")
        if framework in ("cupy", "jax", "keras", "lightning", "torch", "transformers"):
            pytest.importorskip(framework)
        return importlib.import_module(name)


def public_things(module: ModuleType) -> dict[str, Any]:
    """Return the functions and classes in `__all__`: what can carry a docstring of its own."""
    things = {name: getattr(module, name) for name in getattr(module, "__all__", [])}
    return {n: x for n, x in things.items() if inspect.isroutine(x) or inspect.isclass(x)}


@names
def test_all_is_the_written_list(name: str) -> None:
    module = load(name)
    found = list(getattr(module, "__all__", []))
    assert found == PUBLIC[name]
    assert len(set(found)) == len(found)
    assert all(hasattr(module, n) for n in found)


@pytest.mark.parametrize("package", ["gradnoise_core", "gradnoise_backends"])
def test_no_public_module_is_missing_from_the_list(package: str) -> None:
    walked = pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
    found = {m.name for m in walked if "._" not in m.name}
    assert found | {package} == {n for n in PUBLIC if n.partition(".")[0] == package}


@names
def test_what_a_module_defines_without_an_underscore_is_in_all(name: str) -> None:
    module = load(name)
    defined = {
        n
        for n, x in vars(module).items()
        if not n.startswith("_")
        and (inspect.isfunction(x) or inspect.isclass(x))
        and x.__module__ == name
    }
    assert defined <= set(PUBLIC[name])


@names
def test_what_is_public_has_a_docstring(name: str) -> None:
    module = load(name)
    assert module.__doc__
    bare = [
        n
        for n, x in public_things(module).items()
        if not x.__doc__ or x.__doc__.startswith(f"{n}(")  # a named tuple's own is its signature
    ]
    assert not bare


@names
def test_public_methods_have_a_docstring(name: str) -> None:
    bare = [
        f"{n}.{method}"
        for n, x in public_things(load(name)).items()
        if inspect.isclass(x)
        for method, f in vars(x).items()
        if not method.startswith("_") and not getattr(f, "__name__", method).startswith("_")
        if (inspect.isfunction(f) or isinstance(f, property)) and not f.__doc__
    ]
    assert not bare
