"""Clipping that is wrong, or in the wrong place: before, after, or instead of the noise's."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gradnoise_core.oracle.mutants._catalogue import Mutant
from gradnoise_core.oracle.mutants._parts import Noise, adding
from gradnoise_core.tree import flatten, map_leaves

__all__ = ["CLIPPING_MUTANTS"]

_CLIP = 5.0

Clip = Callable[[Any], Any]


def _norm(tree: Any) -> float:
    leaves = flatten(tree, "gradient").leaves
    return float(np.sqrt(sum(float(np.sum(np.square(g, dtype=np.float64))) for g in leaves)))


def _times(tree: Any, factor: float) -> Any:
    return map_leaves(lambda g: g * np.float32(factor), tree)


def _globally(tree: Any) -> Any:
    return _times(tree, min(1.0, _CLIP / max(_norm(tree), 1e-30)))


def _each_leaf(tree: Any) -> Any:
    return map_leaves(_globally, tree)


def _by_value(tree: Any) -> Any:
    return map_leaves(lambda g: np.clip(g, -_CLIP, _CLIP), tree)


def _always(tree: Any) -> Any:
    return _times(tree, _CLIP / max(_norm(tree), 1e-30))


def _squared(tree: Any) -> Any:
    return _times(tree, min(1.0, _CLIP / max(_norm(tree) ** 2, 1e-30)))


def _root(tree: Any) -> Any:
    return _times(tree, min(1.0, float(np.sqrt(_CLIP / max(_norm(tree), 1e-30)))))


def _largest(tree: Any) -> Any:
    leaves = flatten(tree, "gradient").leaves
    largest = max(float(np.max(np.abs(g))) for g in leaves)
    return _times(tree, min(1.0, _CLIP / max(largest, 1e-30)))


def _one_norm(tree: Any) -> Any:
    leaves = flatten(tree, "gradient").leaves
    total = sum(float(np.sum(np.abs(g, dtype=np.float64))) for g in leaves)
    return _times(tree, min(1.0, _CLIP / max(total, 1e-30)))


def _by_mean_square(tree: Any) -> Any:
    n = sum(g.size for g in flatten(tree, "gradient").leaves)
    return _times(tree, min(1.0, _CLIP / max(_norm(tree) / np.sqrt(n), 1e-30)))


def _dropped(tree: Any) -> Any:
    return _times(tree, float(_norm(tree) <= _CLIP))


def _share_of_each_leaf(tree: Any) -> Any:
    """Clip each leaf to the threshold divided by the root of how many there are."""
    leaves = flatten(tree, "gradient").leaves
    limit = _CLIP / len(leaves) ** 0.5
    return map_leaves(lambda g: g * np.float32(min(1.0, limit / max(_norm(g), 1e-30))), tree)


def _not(tree: Any) -> Any:
    return tree


def _then_noise(clip: Clip) -> Callable[[int], Noise]:
    def make(seed: int) -> Noise:
        noise = adding()(seed)
        return lambda gradient, t: noise(clip(gradient), t)

    return make


def _noise_then(clip: Clip) -> Callable[[int], Noise]:
    def make(seed: int) -> Noise:
        noise = adding()(seed)
        return lambda gradient, t: clip(noise(gradient, t))

    return make


def _both(seed: int) -> Noise:
    noise = adding()(seed)
    return lambda gradient, t: _globally(noise(_globally(gradient), t))


def _noise_scaled_along(seed: int) -> Noise:
    """Scale the noise by the factor of the clipping, as if it were of the gradient's units."""
    noise = adding()(seed)

    def noisy(gradient: Any, t: int) -> Any:
        factor = min(1.0, _CLIP / max(_norm(gradient), 1e-30))
        quiet = noise(map_leaves(np.zeros_like, gradient), t)
        return map_leaves(lambda g, n: (g + n) * np.float32(factor), gradient, quiet)

    return noisy


def _noise_of_the_threshold(seed: int) -> Noise:
    """Scale the noise by the threshold, as differentially private SGD does."""
    noise = adding()(seed)

    def noisy(gradient: Any, t: int) -> Any:
        quiet = noise(map_leaves(np.zeros_like, gradient), t)
        return map_leaves(lambda g, n: g + n * np.float32(_CLIP), _globally(gradient), quiet)

    return noisy


def _clipping(
    name: str,
    wrong: str,
    make: Callable[[int], Noise],
    source: str = "likely slip",
    diagnosis: str = "",
    *,
    declared: bool = True,
) -> Mutant:
    return Mutant(
        name=f"clipping-{name}", kind="clipping", make=make, check="check_noise",
        arguments={"clip": _CLIP} if declared else {}, wrong=wrong, source=source,
        diagnosis=diagnosis,
    )  # fmt: skip


CLIPPING_MUTANTS: tuple[Mutant, ...] = (
    _clipping("after-noise", "the noise is added before clipping, and is clipped too",
              _noise_then(_globally), "ESPnet2, TensorFlow's contrib optimize_loss",
              "added before clipping"),
    _clipping("before-and-after-noise", "the sum of clipped gradient and noise is clipped again",
              _both, "a trainer's clipping beside one's own"),
    _clipping("each-leaf", "each leaf is clipped by its own norm", _then_noise(_each_leaf),
              "domluna/memn2n; optax.clip_by_block_rms taken for clip_by_global_norm",
              "clipped by norm instead"),
    _clipping("value", "each element is clipped", _then_noise(_by_value),
              "torch's clip_grad_value_, Keras's clipvalue", "clipped by value instead"),
    _clipping("none", "nothing is clipped", _then_noise(_not),
              "a clipping whose result is not used", "it is not clipped"),
    _clipping("always", "a gradient below the threshold is scaled up to it", _then_noise(_always),
              "normalized gradient descent"),
    _clipping("squared-norm", "the threshold is divided by the square of the norm",
              _then_noise(_squared), "a root that is forgotten"),
    _clipping("root", "the root of the factor is taken", _then_noise(_root)),
    _clipping("largest-element", "the largest element is clipped, not the norm",
              _then_noise(_largest), "norm_type=inf of torch's clip_grad_norm_"),
    _clipping("one-norm", "the norm is the sum of magnitudes", _then_noise(_one_norm),
              "norm_type=1 of torch's clip_grad_norm_"),
    _clipping("mean-square", "the norm is divided by the root of the number of elements",
              _then_noise(_by_mean_square), "clipping by RMS, as Adafactor does"),
    _clipping("dropped", "a gradient above the threshold is dropped, not scaled",
              _then_noise(_dropped), "skipping steps that explode"),
    _clipping("share-of-each-leaf", "each leaf is clipped to its share of the threshold",
              _then_noise(_share_of_each_leaf), "Keras's and Opacus's clipping per layer"),
    _clipping("noise-scaled-along", "the noise is multiplied by the factor of the clipping",
              _noise_scaled_along, "one factor for update and noise", "scaled by the factor"),
    _clipping("noise-of-the-threshold", "the noise is multiplied by the threshold",
              _noise_of_the_threshold, "differentially private SGD (Opacus, optax.dpsgd)"),
    _clipping("undeclared", "the gradient is clipped although nobody asked for it",
              _then_noise(_globally), "keras-gradient-noise after Keras's clipnorm",
              "pass `clip`", declared=False),
)  # fmt: skip
