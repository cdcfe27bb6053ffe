"""First-order optimizers: each a few links, in every dialect that frameworks speak."""

from gradnoise_core.optimizers._dialects import DIALECTS, keywords
from gradnoise_core.optimizers._links import (
    add_decayed_weights,
    scale_by_learning_rate,
    trace,
)
from gradnoise_core.optimizers.adadelta import adadelta
from gradnoise_core.optimizers.adagrad import adagrad
from gradnoise_core.optimizers.adam import adam
from gradnoise_core.optimizers.adamw import adamw
from gradnoise_core.optimizers.momentum import momentum
from gradnoise_core.optimizers.psgld import psgld
from gradnoise_core.optimizers.rmsprop import rmsprop
from gradnoise_core.optimizers.santa import santa
from gradnoise_core.optimizers.sgd import sgd
from gradnoise_core.optimizers.sgld import sgld

__all__ = [
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
]
