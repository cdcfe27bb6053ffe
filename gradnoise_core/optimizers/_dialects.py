"""One table: which keywords an optimizer's name stands for in each framework.

Every row gives explicit keywords of our functions; "paper" is the paper that introduced the algorithm.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["DIALECTS", "VERSIONS", "keywords", "resolve"]

#: framework -> the version that its dialect is of.
VERSIONS: Mapping[str, str] = {
    "torch": "2.13",
    "optax": "0.2.8",
    "Keras": "3.15",
    "TensorFlow": "1 (tf.compat.v1.train)",
    "Chainer": "7.8",
    "MXNet": "1.9",
    "MLX": "0.32",
}

_INSIDE = {"rate_inside": True}
_DECOUPLED = {"decoupled_weight_decay": True}

#: optimizer -> dialect -> keywords. What a row leaves out is as in the "paper" row.
DIALECTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "sgd": {
        "paper": {"weight_decay": 0.0},
        **{name: {} for name in ("torch", "optax", "keras", "tf1", "chainer", "mxnet", "mlx")},
    },
    "momentum": {
        "paper": {
            "momentum": 0.9,
            "nesterov": False,
            "dampening": 0.0,
            "dampen_first": True,
            "rate_inside": True,
            "nesterov_from_new": False,
            "weight_decay": 0.0,
            "decoupled_weight_decay": False,
        },
        "torch": {"rate_inside": False, "dampen_first": False},
        "optax": {"rate_inside": False},
        "keras": {**_INSIDE, **_DECOUPLED},
        "tf1": {"rate_inside": False},
        "chainer": {**_INSIDE, "nesterov_from_new": True},
        "mxnet": _INSIDE,
        "mlx": {"rate_inside": False},
    },
    "adagrad": {
        "paper": {
            "eps": 1e-10,
            "eps_in_sqrt": False,
            "initial_accumulator": 0.0,
            "weight_decay": 0.0,
            "decoupled_weight_decay": False,
        },
        "torch": {"eps": 1e-10},
        "optax": {"eps": 1e-7, "eps_in_sqrt": True, "initial_accumulator": 0.1},
        "keras": {"eps": 1e-7, "eps_in_sqrt": True, "initial_accumulator": 0.1, **_DECOUPLED},
        "tf1": {"eps": 0.0, "initial_accumulator": 0.1},
        "chainer": {"eps": 1e-8},
        "mxnet": {"eps": 1e-7, "eps_in_sqrt": True, **_DECOUPLED},
        "mlx": {"eps": 1e-8},
    },
    "rmsprop": {
        "paper": {
            "decay": 0.9,
            "eps": 1e-8,
            "eps_in_sqrt": False,
            "initial_accumulator": 0.0,
            "centered": False,
            "momentum": 0.0,
            "nesterov": False,
            "rate_inside": False,
            "weight_decay": 0.0,
            "decoupled_weight_decay": False,
        },
        "torch": {"decay": 0.99},
        "optax": {"eps_in_sqrt": True, **_INSIDE},
        "keras": {"eps": 1e-7, "eps_in_sqrt": True, **_INSIDE, **_DECOUPLED},
        "tf1": {"eps": 1e-10, "eps_in_sqrt": True, "initial_accumulator": 1.0, **_INSIDE},
        "chainer": {"decay": 0.99},
        "mxnet": {"eps_in_sqrt": True, **_INSIDE},
        "mlx": {"decay": 0.99},
    },
    "adadelta": {
        "paper": {
            "decay": 0.95,
            "eps": 1e-6,
            "weight_decay": 0.0,
            "decoupled_weight_decay": False,
        },
        "torch": {"decay": 0.9},
        "optax": {"decay": 0.9},
        "keras": {"eps": 1e-7, **_DECOUPLED},
        "tf1": {"eps": 1e-8},
        "chainer": {},
        "mlx": {"decay": 0.9},
    },
    "adam": {
        "paper": {
            "b1": 0.9,
            "b2": 0.999,
            "eps": 1e-8,
            "eps_hat": False,
            "bias_correction": True,
            "amsgrad": False,
            "amsgrad_corrected": False,
            "weight_decay": 0.0,
            "decoupled_weight_decay": False,
        },
        "torch": {},
        "optax": {"amsgrad_corrected": True},
        "keras": {"eps": 1e-7, "eps_hat": True, **_DECOUPLED},
        "tf1": {"eps_hat": True},
        "chainer": {"eps_hat": True},
        "mxnet": {"eps_hat": True},
        "mlx": {"bias_correction": False},
    },
    "adamw": {
        "paper": {
            "b1": 0.9,
            "b2": 0.999,
            "eps": 1e-8,
            "eps_hat": False,
            "bias_correction": True,
            "amsgrad": False,
            "amsgrad_corrected": False,
            "weight_decay": 0.01,
            "decay_by": "schedule",
        },
        "torch": {"decay_by": "rate"},
        "optax": {"decay_by": "rate", "weight_decay": 1e-4, "amsgrad_corrected": True},
        "keras": {"decay_by": "rate", "weight_decay": 0.004, "eps": 1e-7, "eps_hat": True},
        "chainer": {"decay_by": "nothing", "eps_hat": True},
        "mlx": {"decay_by": "rate", "bias_correction": False},
    },
    "sgld": {
        "paper": {"drift": 0.5, "temperature": 1.0},
        "mxnet": {},
    },
    "psgld": {
        "paper": {
            "decay": 0.99,
            "eps": 1e-5,
            "eps_in_sqrt": False,
            "initial_accumulator": 0.0,
            "drift": 0.5,
            "temperature": 1.0,
        },
    },
    "santa": {
        "paper": {
            "decay": 0.99,
            "eps": 1e-8,
            "friction": 1.0,
            "burn_in": 1000,
            "data_size": 1,
            "scheme": "euler",
        },
    },
}


def keywords(optimizer: str, dialect: str = "paper") -> dict[str, Any]:
    """Return the explicit keywords that a dialect stands for.

    Raises
    ------
    ValueError
        If the optimizer is unknown, or the dialect has none of that name.

    Examples
    --------
    >>> keywords("rmsprop", "torch")["decay"]
    0.99
    """
    if optimizer not in DIALECTS:
        message = f"`optimizer` must be one of {', '.join(DIALECTS)}, got {optimizer!r}."
        raise ValueError(message)
    table = DIALECTS[optimizer]
    if dialect not in table:
        message = f"`dialect` of {optimizer} must be one of {', '.join(table)}, got {dialect!r}."
        raise ValueError(message)
    return {**table["paper"], **table[dialect]}


def resolve(optimizer: str, dialect: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of a dialect, with those that are given (not None) in their place."""
    known = keywords(optimizer, dialect)
    return {**known, **{name: value for name, value in given.items() if value is not None}}
