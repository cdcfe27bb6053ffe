"""Annealed gradient noise and the optimizers to use it with, on any array library.

Neelakantan et al., *Adding gradient noise improves learning for very deep networks* (2017): at
every step t add ``N(0, eta / (1 + t)**gamma)`` to the gradient, after clipping and before the
optimizer. The noise is the same, to the last bit, on NumPy, CuPy, torch and JAX.
"""

from gradnoise_core import random, schedules
from gradnoise_core.clipping import (
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    global_norm,
)
from gradnoise_core.noise import add_gradient_noise, add_weight_noise
from gradnoise_core.optimizers import (
    adadelta,
    adagrad,
    adam,
    adamw,
    add_decayed_weights,
    momentum,
    psgld,
    rmsprop,
    santa,
    scale_by_learning_rate,
    sgd,
    sgld,
    trace,
)
from gradnoise_core.transformation import (
    GradientTransformation,
    apply_gradients,
    apply_updates,
    chain,
    noisy,
    skip_non_finite,
    zero_nans,
)

__all__ = [
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
]
