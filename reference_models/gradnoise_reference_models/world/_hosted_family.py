"""Keras 3, TensorFlow 1, Chainer and MXNet: what runs in a process of its own."""

from collections.abc import Iterator, Mapping
from typing import Any

from gradnoise_reference_models.world._subject import NoiseSubject, OptimizerSubject, Subject

__all__ = ["HOSTED_SUBJECTS"]

#: class, ours, features by its names, by ours, the rate.
_Case = tuple[str, str, dict[str, Any], dict[str, Any], float]

_M, _WD = {"momentum": 0.9}, {"weight_decay": 0.01}
_NESTEROV = {"momentum": 0.9, "nesterov": True}

_KERAS: tuple[_Case, ...] = (
    ("SGD", "sgd", {}, {}, 0.01),
    ("SGD", "momentum", _M, _M, 0.01),
    ("SGD", "momentum", _NESTEROV, _NESTEROV, 0.01),
    ("SGD", "momentum", {**_M, **_WD}, {**_M, **_WD}, 0.01),
    ("Adagrad", "adagrad", {}, {}, 0.01),
    ("RMSprop", "rmsprop", {}, {}, 0.01),
    ("RMSprop", "rmsprop", _M, _M, 0.01),
    ("RMSprop", "rmsprop", {"centered": True}, {"centered": True}, 0.01),
    ("Adadelta", "adadelta", {}, {}, 1.0),
    ("Adam", "adam", {}, {}, 0.01),
    ("Adam", "adam", {"amsgrad": True}, {"amsgrad": True}, 0.01),
    ("Adam", "adam", _WD, _WD, 0.01),
    ("AdamW", "adamw", {}, {}, 0.01),
)

_TF1: tuple[_Case, ...] = (
    ("GradientDescentOptimizer", "sgd", {}, {}, 0.01),
    ("MomentumOptimizer", "momentum", _M, _M, 0.01),
    (
        "MomentumOptimizer",
        "momentum",
        {"momentum": 0.9, "use_nesterov": True},
        _NESTEROV,
        0.01,
    ),
    ("AdagradOptimizer", "adagrad", {}, {}, 0.01),
    ("RMSPropOptimizer", "rmsprop", {}, {}, 0.01),
    ("RMSPropOptimizer", "rmsprop", _M, _M, 0.01),
    ("RMSPropOptimizer", "rmsprop", {"centered": True}, {"centered": True}, 0.01),
    ("AdadeltaOptimizer", "adadelta", {}, {}, 1.0),
    ("AdamOptimizer", "adam", {}, {}, 0.01),
)

_CHAINER: tuple[_Case, ...] = (
    ("SGD", "sgd", {}, {}, 0.01),
    ("MomentumSGD", "momentum", _M, _M, 0.01),
    ("NesterovAG", "momentum", _M, _NESTEROV, 0.01),
    ("MomentumSGD", "momentum", {**_M, **_WD}, {**_M, **_WD}, 0.01),
    ("AdaGrad", "adagrad", {}, {}, 0.01),
    ("RMSprop", "rmsprop", {}, {}, 0.01),
    ("AdaDelta", "adadelta", {}, {}, 1.0),
    ("Adam", "adam", {}, {}, 0.01),
    ("AMSGrad", "adam", {}, {"amsgrad": True}, 0.01),
    ("AdamW", "adamw", {"weight_decay_rate": 0.01}, {"weight_decay": 0.01}, 0.01),
)

_MXNET: tuple[_Case, ...] = (
    ("sgd", "sgd", {}, {}, 0.01),
    ("sgd", "momentum", _M, _M, 0.01),
    ("nag", "momentum", _M, _NESTEROV, 0.01),
    ("adagrad", "adagrad", {}, {}, 0.01),
    ("rmsprop", "rmsprop", {}, {}, 0.01),
    ("adam", "adam", {}, {}, 0.01),
    ("adam", "adam", {"wd": 0.01}, _WD, 0.01),
)

#: What has no rate.
UNRATED = (("chainer", "AdaDelta"),)

_THREADS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("keras", "SGD"): ("pytorch#1099",),
    ("keras", "RMSprop"): ("tensorflow#58412",),
    ("keras", "AdamW"): ("keras#19051",),
    ("tensorflow", "RMSPropOptimizer"): ("pytorch#23796",),
    ("tensorflow", "AdamOptimizer"): ("tensorflow#9047", "optax#571"),
    ("chainer", "RMSprop"): ("chainer#4754",),
    ("chainer", "AdamW"): ("addons#2282",),
    ("mxnet", "rmsprop"): ("mxnet#4493", "mxnet#6219"),
}


def _subjects(
    prefix: str,
    framework: str,
    dialect: str,
    cases: tuple[_Case, ...],
    suffix: str = "",
    **more: Any,
) -> Iterator[OptimizerSubject]:
    for kind, optimizer, options, keywords, rate in cases:
        written = ", ".join(f"{name}={value}" for name, value in options.items())
        yield OptimizerSubject(
            name=f"{prefix}.{kind}" + (f"({written})" if written else "") + suffix,
            framework=framework,
            hosted=kind,
            options=options,
            optimizer=optimizer,
            dialect=dialect,
            keywords=keywords,
            rate=rate,
            rate_is="fixed" if (framework, kind) in UNRATED else "set",
            threads=_THREADS.get((framework.partition("-")[0], kind), ()),
            **more,
        )


def _psgld(**options: Any) -> OptimizerSubject:
    written = "".join(f"({name}={value})" for name, value in options.items())
    return OptimizerSubject(
        name=f"tfp.optimizer.StochasticGradientLangevinDynamics{written}",
        framework="tensorflow-probability",
        hosted="StochasticGradientLangevinDynamics",
        options=options,
        optimizer="psgld",
        dialect="paper",
        keywords={
            "decay": 0.95,
            "eps": 1e-8,
            "eps_in_sqrt": True,
            "initial_accumulator": 1.0,
        },
        rate=1e-3,
        threads=("probability#50",),
        note="It draws no noise in its first steps, one more than `burnin`.",
    )


def _chainer_noise(name: str, note: str, **options: Any) -> NoiseSubject:
    return NoiseSubject(
        name=name,
        framework="chainer",
        hosted="GradientNoise",
        options={"eta": 0.01, **options},
        in_order=True,
        threads=("chainer#1168",),
        note=note,
    )


HOSTED_SUBJECTS: tuple[Subject, ...] = (
    *_subjects("keras.optimizers", "keras-jax", "keras", _KERAS, ", on JAX"),
    *_subjects("keras.optimizers", "keras-torch", "keras", _KERAS, ", on torch"),
    *_subjects("tf.compat.v1.train", "tensorflow", "tf1", _TF1, float32=True),
    *_subjects(
        "tf.compat.v1.train",
        "tensorflow",
        "tf1",
        _TF1[-1:],
        ", in float64",
        note="Its constants are held in float32 whatever the parameters are.",
    ),
    *_subjects("chainer.optimizers", "chainer", "chainer", _CHAINER),
    *_subjects("mxnet.optimizer", "mxnet", "mxnet", _MXNET, float32=True),
    OptimizerSubject(
        name="mxnet.optimizer.sgld",
        framework="mxnet",
        hosted="sgld",
        optimizer="sgld",
        dialect="mxnet",
        float32=True,
    ),
    _psgld(),
    _psgld(burnin=0),
    _chainer_noise("chainer.optimizer_hooks.GradientNoise", "Its gamma is 0.55, always."),
    _chainer_noise(
        "chainer.optimizer_hooks.GradientNoise, hooked to the rule of each parameter",
        "A rule counts its first update as 1.",
        per_rule=True,
    ),
    NoiseSubject(
        name="keras_gradient_noise.add_gradient_noise, on Keras 3",
        framework="keras-gradient-noise",
        hosted="SGD",
        options={"eta": 0.01, "keras": 3},
        note="It was written for Keras 2.",
    ),
    NoiseSubject(
        name="keras_gradient_noise.add_gradient_noise, on tf-keras",
        framework="keras-gradient-noise",
        hosted="SGD",
        options={"eta": 0.01, "keras": 2},
        threads=("keras#2255",),
        note="On the legacy optimizers of tf-keras, which stand for the Keras 2 that it knows.",
    ),
)
