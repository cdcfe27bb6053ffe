"""Published formulas whose programs cannot be run here, in our words, with NumPy's generator."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradnoise_reference_models.world._subject import NoiseSubject, OptimizerSubject, Subject

__all__ = ["RESTATED_SUBJECTS"]

ETA, GAMMA, RATE = 0.01, 0.55, 0.05

#: ``(generator, shape) -> numbers``.
Draw = Callable[[Any, Any], Any]


def _normal(rng: Any, shape: Any) -> Any:
    return rng.standard_normal(shape)


def _truncated(rng: Any, shape: Any) -> Any:
    """Draw again what lies beyond two deviations, as ``tf.truncated_normal`` does."""
    out = rng.standard_normal(shape)
    while np.any(beyond := np.abs(out) > 2.0):
        out[beyond] = rng.standard_normal(int(beyond.sum()))
    return out


def _adding(deviation: Callable[[int], float], draw: Draw = _normal) -> Callable[[int], Any]:
    """Return how to make noise of this standard deviation at step t."""

    def make(seed: int) -> Any:
        rng = np.random.default_rng(seed)

        def noisy(gradient: Any, t: int) -> Any:
            return {
                name: (g + deviation(t) * draw(rng, g.shape)).astype(g.dtype)
                for name, g in gradient.items()
            }

        return noisy

    return make


def _variance(t: int) -> float:
    return ETA / (1 + t) ** GAMMA


def _stages(t: int) -> float:
    return ETA / (1 + t // 100) ** GAMMA


def _lost(seed: int) -> Any:
    """Draw noise, and bind the sum to a name that nobody reads."""
    rng = np.random.default_rng(seed)

    def noisy(gradient: Any, t: int) -> Any:
        for g in gradient.values():
            g = g + math.sqrt(_variance(t)) * _truncated(rng, g.shape)
        return gradient

    return noisy


def _langevin(drift: float, deviation: Callable[[float], float]) -> Callable[[float], Any]:
    """Return how to make ``p <- p - drift h g + deviation(h) z``."""

    def make(rate: float) -> Any:
        def begin() -> Any:
            rng = np.random.default_rng(0)

            def step(params: Any, grads: Any, rate: float) -> Any:
                return {
                    name: p - drift * rate * grads[name] + deviation(rate) * _normal(rng, p.shape)
                    for name, p in params.items()
                }

            return step

        return begin

    return make


RESTATED_SUBJECTS: tuple[Subject, ...] = (
    NoiseSubject(
        name="optax.add_noise until 0.1.0",
        source="google-deepmind/optax, optax/_src/transform.py before its pull request 294",
        make=_adding(_variance),
        threads=("optax#281", "optax#294"),
    ),
    NoiseSubject(
        name="optax.noisy_sgd until its pull request 369",
        source="google-deepmind/optax, optax/_src/alias.py before its pull request 369",
        make=_adding(lambda t: math.sqrt(_variance(t)) / RATE),
        note=(
            f"The noise is added to the update, after the rate (here {RATE:g}): to the gradient "
            "it is noise divided by the rate."
        ),
        threads=("optax#337", "optax#369"),
    ),
    NoiseSubject(
        name="tf.contrib.layers.optimize_loss(gradient_noise_scale=0.1)",
        source=(
            "tensorflow/tensorflow 1.x, tensorflow/contrib/layers/python/layers/optimizers.py; "
            "tensor2tensor's grad_noise_scale and OpenSeq2Seq call it or have copies"
        ),
        make=_adding(lambda t: 0.1, _truncated),
        gamma=0.0,
        claim="normal noise of standard deviation 0.1 at every step",
        note="It is added before the multipliers and before clipping.",
    ),
    NoiseSubject(
        name="tensor2tensor.utils.optimize.weight_noise(noise_rate=2000)",
        source="tensorflow/tensor2tensor 1.15, tensor2tensor/utils/optimize.py",
        make=_adding(lambda t: 0.001 * 2000 * RATE, _truncated),
        gamma=0.0,
        claim="weight noise scaled by rate and learning rate",
        note=(
            "Noise on the weights of 0.001 times both; here the scale is 0.1. The package installs, "
            "but cannot be imported with TensorFlow 2."
        ),
    ),
    NoiseSubject(
        name="neural_gpu's gradient noise",
        source="tensorflow/models, research/neural_gpu/neural_gpu.py",
        make=_lost,
        note=(
            "By co-authors of the paper: a loop binds the noisy gradient to its variable, and the "
            "optimizer gets the list that it ran over."
        ),
    ),
    NoiseSubject(
        name="domluna/memn2n's add_gradient_noise",
        source="domluna/memn2n, memn2n/memn2n.py",
        make=_adding(lambda t: 0.001),
        eta=1e-6,
        gamma=0.0,
        claim="standard deviation 0.001 at every step",
    ),
    NoiseSubject(
        name="DecayingGradientNoiseCallback of awesome-modular-pytorch-lightning",
        source="sieu-n/awesome-modular-pytorch-lightning, algorithms/gradient_noise.py",
        make=_adding(_variance),
        note="It cites the paper; plugins for Avalanche have the same formula.",
    ),
    NoiseSubject(
        name="ESPnet's add_gradient_noise",
        source="espnet/espnet, espnet2/torch_utils/add_gradient_noise.py",
        make=_adding(_stages),
        note="The same as espnet2 above, for where it is not installed.",
    ),
    OptimizerSubject(
        name="SGLD of Edward until its pull request 731",
        source="blei-lab/edward, edward/inferences/sgld.py, by its issue 722",
        make=_langevin(0.5, lambda h: h),
        optimizer="sgld",
        dialect="paper",
        threads=("edward#722", "DiffEqFlux#695"),
    ),
    OptimizerSubject(
        name="SGLD of csgmcmc until its issue 1",
        source="ruqizhang/csgmcmc, experiments/cifar_csgmcmc.py, by its issue 1, with alpha 1",
        make=_langevin(1.0, lambda h: 2 * h * h),
        optimizer="sgld",
        dialect="paper",
        keywords={"drift": 1.0},
        note="The standard deviation of the noise is 2 h**2 where (2 h)**0.5 is due.",
        threads=("csgmcmc#1",),
    ),
)
