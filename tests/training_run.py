"""One small training run that every framework repeats, and what it must come to: NumPy's, ours.

scikit-learn's digits, an MLP whose gradients are written by hand, in float64. The order of the
minibatches and the first weights are pure functions, so frameworks need no generator in common.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import gradnoise_core as gn
from gradnoise_reference_models.data import digits
from gradnoise_reference_models.data.batches import batches, epoch_order
from gradnoise_reference_models.initializers import he_normal
from gradnoise_reference_models.models import mlp

__all__ = [
    "APART",
    "BATCH",
    "CLIP",
    "ETA",
    "HALF",
    "RATE",
    "SEED",
    "SIZES",
    "TOLERANCE",
    "UPDATES",
    "clip_as_torch",
    "distance",
    "first_weights",
    "minibatches",
    "schedule",
    "trained",
]

SIZES = (64, 16, 10)
BATCH = 32
UPDATES, HALF = 16, 8
# The rate is one of float32 too, to which some frameworks round it.
RATE, CLIP, ETA, SEED = 2.0**-7, 0.5, 0.3, 7

#: How far two codings of the run may be apart in any weight, after all of it, in float64.
TOLERANCE = 1e-9

#: How far a wrong one must be.
APART = 1e-4


def first_weights(*, transposed: bool = False) -> list[Any]:
    """Return weight and bias of each layer; ``(fan_out, fan_in)`` if `transposed`, as in torch."""
    layers = mlp.init(he_normal(), 0, SIZES, dtype=np.float64)["layers"]
    flat = [layer[name] for layer in layers for name in ("weight", "bias")]
    return [np.ascontiguousarray(_turned(w, transposed)) for w in flat]


def minibatches(count: int, first: int = 0) -> tuple[Any, Any]:
    """Return ``(count * BATCH, 64)`` pixels and labels: the examples of minibatches, in order."""
    data = digits.load()
    rows: Iterator[Any] = (
        rows
        for epoch in range(1000)
        for rows in batches(epoch_order(0, epoch, len(data.train_y)), BATCH)
    )
    chosen = np.concatenate([next(rows) for _ in range(first + count)][first:])
    return data.train_x[chosen].astype(np.float64), data.train_y[chosen].astype(np.int64)


def clip_as_torch(largest: float) -> Any:
    """Return the link that clips as ``torch.nn.utils.clip_grad_norm_``: by norm + 1e-6."""

    def update(grads: Any, state: Any, params: Any = None) -> Any:
        norm = np.sqrt(sum(float((g**2).sum()) for g in grads.values()))
        factor = min(1.0, largest / (norm + 1e-6))
        return {path: g * factor for path, g in grads.items()}, state

    return gn.GradientTransformation(lambda params: (), update)


def schedule(t: Any) -> Any:
    """Return a variance that is not the paper's."""
    return 0.2 / (1.0 + 0.5 * t)


def trained(
    optimizer: Any,
    paths: Sequence[str],
    *,
    updates: int = UPDATES,
    micro: int = 1,
    transposed: bool = False,
) -> list[Any]:
    """Return the weights after each update, as lists in the order of `paths`, of our NumPy code.

    An update is made on the mean of the gradients of `micro` minibatches.
    """
    params = dict(zip(paths, first_weights(transposed=transposed), strict=True))
    state, after = optimizer.init(params), []
    x, y = minibatches(updates * micro)
    for i in range(updates):
        part = slice(i * micro * BATCH, (i + 1) * micro * BATCH)
        grads = _gradients(list(params.values()), x[part], y[part], transposed)
        steps, state = optimizer.update(dict(zip(paths, grads, strict=True)), state, params)
        params = gn.apply_updates(params, steps)
        after.append([params[path] for path in paths])
    return after


def distance(found: Sequence[Any], wanted: Sequence[Any]) -> float:
    """Return the largest difference of any weight."""
    assert [np.shape(a) for a in found] == [np.shape(b) for b in wanted]
    assert all(np.isfinite(a).all() for a in found)
    return max(float(np.abs(a - b).max()) for a, b in zip(found, wanted, strict=True))


def _gradients(weights: list[Any], x: Any, y: Any, transposed: bool) -> list[Any]:
    pairs = zip(weights[::2], weights[1::2], strict=True)
    layers = [{"weight": _turned(w, transposed), "bias": b} for w, b in pairs]
    _, grads = mlp.loss_and_grads({"layers": layers}, x, y)
    flat = [layer[name] for layer in grads["layers"] for name in ("weight", "bias")]
    return [np.ascontiguousarray(_turned(g, transposed)) for g in flat]


def _turned(array: Any, transposed: bool) -> Any:
    return array.T if transposed else array
