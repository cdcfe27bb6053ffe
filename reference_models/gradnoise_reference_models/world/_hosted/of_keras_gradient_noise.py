"""keras-gradient-noise, which was written for Keras 2.

It finds the module ``keras`` as it was then: tf-keras, with its legacy optimizers. With
``keras=3`` it gets the Keras that is installed.
"""

import importlib
import sys
import types
from importlib.metadata import version as installed
from typing import Any

__all__ = ["make", "version"]


def version() -> str:
    """Return the package's version."""
    return installed("keras_gradient_noise")


def make(name: str, eta: float, keras: int = 2) -> Any:
    """Return ``noisy(grads, t)``."""
    if keras == 2:
        _as_keras_2()
    module: Any = importlib.import_module("keras")
    package: Any = importlib.import_module("keras_gradient_noise")

    kind = package.add_gradient_noise(getattr(module.optimizers, name))
    if keras == 3:
        kind(noise_eta=eta)
        message = "it runs: judge it"
        raise NotImplementedError(message)
    return _noise(kind, eta)


def _as_keras_2() -> None:
    """Put tf-keras in the place of Keras."""
    tf: Any = importlib.import_module("tensorflow")
    tf_keras: Any = importlib.import_module("tf_keras")

    tf.compat.v1.disable_eager_execution()
    module = types.ModuleType("keras")
    module.optimizers = tf_keras.optimizers.legacy  # type: ignore[attr-defined]
    module.backend = tf_keras.backend  # type: ignore[attr-defined]
    sys.modules["keras"] = module
    for name in [x for x in sys.modules if x.startswith("keras_gradient_noise")]:
        del sys.modules[name]  # it may have been imported with the other


def _noise(kind: Any, eta: float) -> Any:
    tf: Any = importlib.import_module("tensorflow")
    tf_keras: Any = importlib.import_module("tf_keras")
    backend: Any = importlib.import_module("tf_keras.src.backend")

    tf.compat.v1.set_random_seed(0)
    made: list[Any] = []

    def noisy(grads: list[Any], t: int) -> list[Any]:
        if not made:
            optimizer = kind(noise_eta=eta)
            variables = [tf_keras.backend.variable(0 * g) for g in grads]
            given = [tf_keras.backend.placeholder(g.shape, dtype=g.dtype.name) for g in grads]
            pairs = zip(given, variables)  # noqa: B905 - any Python 3
            loss = tf.add_n([tf.reduce_sum(g * p) for g, p in pairs])
            made.extend([optimizer, given, optimizer.get_gradients(loss, variables)])
        optimizer, given, out = made
        tf_keras.backend.set_value(optimizer.iterations, t)
        feed = dict(zip(given, grads))  # noqa: B905 - any Python 3
        return list(backend.get_session().run(out, feed_dict=feed))

    return noisy
