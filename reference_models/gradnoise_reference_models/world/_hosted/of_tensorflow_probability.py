"""TensorFlow Probability's preconditioned SGLD, which works in graphs only."""

import importlib
from typing import Any

__all__ = ["make", "version"]


def version() -> str:
    """Return the package's version."""
    tensorflow_probability: Any = importlib.import_module("tensorflow_probability")

    return str(tensorflow_probability.__version__)


def make(name: str, **options: Any) -> Any:
    """Return ``step(params, grads, rate) -> new params``."""
    tf: Any = importlib.import_module("tensorflow")
    tensorflow_probability: Any = importlib.import_module("tensorflow_probability")

    v1 = tf.compat.v1
    v1.disable_eager_execution()
    v1.reset_default_graph()
    v1.set_random_seed(0)
    made: list[Any] = []

    def step(params: list[Any], grads: list[Any], rate: float) -> list[Any]:
        if not made:
            told = v1.placeholder(params[0].dtype, ())
            kind = getattr(tensorflow_probability.optimizer, name)
            optimizer = kind(learning_rate=told, **options)
            variables = [v1.Variable(p, use_resource=True) for p in params]
            given = [v1.placeholder(p.dtype, p.shape) for p in params]
            # It takes the preconditioner's derivative by the parameters, which is 0 here.
            pairs = [(g + 0 * p, p) for g, p in zip(given, variables)]  # noqa: B905
            update = optimizer.apply_gradients(pairs)
            session = v1.Session()
            session.run(v1.global_variables_initializer())
            made.extend([session, update, told, given, variables])
        session, update, told, given, variables = made
        session.run(update, feed_dict={told: rate, **dict(zip(given, grads))})  # noqa: B905
        return [x.copy() for x in session.run(variables)]

    return step
