"""TensorFlow 1's optimizers, as TensorFlow 2 still has them: ``tf.compat.v1.train``."""

import importlib
from typing import Any

__all__ = ["make", "version"]


def version() -> str:
    """Return TensorFlow's version."""
    tensorflow: Any = importlib.import_module("tensorflow")

    return str(tensorflow.__version__)


def make(name: str, **options: Any) -> Any:
    """Return ``step(params, grads, rate) -> new params`` of an optimizer, run in a graph."""
    tf: Any = importlib.import_module("tensorflow")

    v1 = tf.compat.v1
    made: list[Any] = []

    def step(params: list[Any], grads: list[Any], rate: float) -> list[Any]:
        if not made:
            graph = tf.Graph()
            with graph.as_default():
                told = v1.placeholder(params[0].dtype, ())
                # A placeholder of float64 is not rounded to float32 on its way.
                optimizer = getattr(v1.train, name)(learning_rate=told, **options)
                variables = [v1.Variable(p, use_resource=True) for p in params]
                given = [v1.placeholder(p.dtype, p.shape) for p in params]
                update = optimizer.apply_gradients(list(zip(given, variables)))  # noqa: B905
                session = v1.Session(graph=graph)
                session.run(v1.global_variables_initializer())
            made.extend([session, update, told, given, variables])
        session, update, told, given, variables = made
        feed = {told: rate, **dict(zip(given, grads))}  # noqa: B905 - any Python 3
        session.run(update, feed_dict=feed)
        return [x.copy() for x in session.run(variables)]

    return step
