"""The "keras" dialect against Keras 3 itself, on its JAX backend, in float64.

Keras reads its backend and float type once, so it runs in a process of its own: this file, as a
script, which writes the trajectories to an archive. Keras keeps its own defaults, so that a wrong
row in the table of dialects fails.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optimizer_cases import DECAY, DROP, GRADIENTS, RATES, START, TOLERANCE, path_of

#: ours, our features, the class of Keras, its features.
CASES: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("sgd", {}, "SGD", {}),
    ("sgd", DECAY, "SGD", DECAY),
    ("momentum", {}, "SGD", {"momentum": 0.9}),
    ("momentum", DECAY, "SGD", {"momentum": 0.9, **DECAY}),
    ("momentum", {"nesterov": True, **DECAY}, "SGD", {"momentum": 0.9, "nesterov": True, **DECAY}),
    ("adagrad", {}, "Adagrad", {}),
    ("adagrad", DECAY, "Adagrad", DECAY),
    ("rmsprop", {}, "RMSprop", {}),
    ("rmsprop", DECAY, "RMSprop", DECAY),
    ("rmsprop", {"centered": True}, "RMSprop", {"centered": True}),
    ("rmsprop", {"momentum": 0.9}, "RMSprop", {"momentum": 0.9}),
    (
        "rmsprop",
        {"momentum": 0.9, "centered": True},
        "RMSprop",
        {"momentum": 0.9, "centered": True},
    ),
    ("adadelta", {}, "Adadelta", {}),
    ("adadelta", DECAY, "Adadelta", DECAY),
    ("adam", {}, "Adam", {}),
    ("adam", DECAY, "Adam", DECAY),
    ("adam", {"eps": 1e-3}, "Adam", {"epsilon": 1e-3}),
    ("adam", {"amsgrad": True}, "Adam", {"amsgrad": True}),
    ("adamw", {}, "AdamW", {}),
    ("adamw", {"amsgrad": True, **DECAY}, "AdamW", {"amsgrad": True, **DECAY}),
]


def of_keras(kind: str, options: dict[str, Any]) -> Any:
    """Return the parameters after each step, of Keras."""
    import jax.numpy as jnp
    import keras

    p = keras.Variable(START, dtype="float64")
    optimizer = getattr(keras.optimizers, kind)(learning_rate=RATES[0], **options)
    path = []
    for t, g in enumerate(GRADIENTS):
        optimizer.learning_rate = RATES[t >= DROP]
        optimizer.apply([jnp.asarray(g)], [p])
        path.append(np.asarray(p.value))
    return np.stack(path)


@pytest.fixture(scope="module")
def keras_paths(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if importlib.util.find_spec("keras") is None:
        pytest.skip("keras is not installed")
    file = tmp_path_factory.mktemp("keras") / "paths.npz"
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "KERAS_HOME": str(file.parent),
        "JAX_ENABLE_X64": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, __file__, str(file)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said == {"backend": "jax", "floatx": "float64"}
    return np.load(file)


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda i: f"{CASES[i][0]}-{CASES[i][3]}")
def test_keras_dialect_is_keras(case: int, keras_paths: Any) -> None:
    name, features, _, _ = CASES[case]
    distance = np.abs(path_of(name, "keras", **features) - keras_paths[str(case)]).max()
    assert distance <= TOLERANCE


def main(file: Path) -> None:
    import keras

    keras.config.set_floatx("float64")
    paths = {str(i): of_keras(kind, options) for i, (_, _, kind, options) in enumerate(CASES)}
    assert all(path.dtype == np.float64 for path in paths.values())
    with file.open("wb") as out:
        np.savez(out, **paths)
    print(json.dumps({"backend": keras.backend.backend(), "floatx": keras.config.floatx()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
