"""The frameworks that are judged: where each is found, and how to install it."""

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

__all__ = ["EXTRA", "FRAMEWORKS", "Framework", "in_jax", "installed"]


def in_jax(*, float64: bool) -> AbstractContextManager[Any]:
    """Return a context in which JAX has float64, or has not."""
    jax: Any = importlib.import_module("jax")
    return jax.enable_x64(float64)


@dataclass(frozen=True, kw_only=True)
class Framework:
    """A package whose optimizers or noise are judged.

    Parameters
    ----------
    module : str
        What is imported.
    distribution : str
        What has its version.
    install : str
        How to get it, as typed.
    hosted : str
        Of those that run in a process of their own: the name by which that process knows it.
    environment : mapping
        Of that process.
    context : callable
        ``float64 -> context`` in which the others run.
    """

    module: str
    distribution: str
    install: str
    hosted: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    context: Callable[..., AbstractContextManager[Any]] = lambda *, float64: nullcontext()


#: This distribution's extra that brings most of them.
EXTRA = 'pip install "gradnoise-core[world]"'

_TENSORFLOW = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}

#: name -> where it is found. Those with `hosted` may be in another Python's packages.
FRAMEWORKS: Mapping[str, Framework] = {
    "optax": Framework(module="optax", distribution="optax", install=EXTRA, context=in_jax),
    "torch": Framework(module="torch", distribution="torch", install=EXTRA),
    "keras-jax": Framework(
        module="keras",
        distribution="keras",
        install=EXTRA,
        hosted="keras",
        environment={"KERAS_BACKEND": "jax", "JAX_ENABLE_X64": "1"},
    ),
    "keras-torch": Framework(
        module="keras",
        distribution="keras",
        install=EXTRA,
        hosted="keras",
        environment={"KERAS_BACKEND": "torch"},
    ),
    "torchopt": Framework(module="torchopt", distribution="torchopt", install=EXTRA),
    "pytorch_optimizer": Framework(
        module="pytorch_optimizer",
        distribution="pytorch_optimizer",
        install=EXTRA,
    ),
    "mlx": Framework(module="mlx.core", distribution="mlx", install=EXTRA),
    "blackjax": Framework(
        module="blackjax", distribution="blackjax", install=EXTRA, context=in_jax
    ),
    "torch-sgld": Framework(module="torch_sgld", distribution="torch-sgld", install=EXTRA),
    "pulseopt": Framework(module="pulseopt", distribution="pulseopt", install=EXTRA),
    "espnet": Framework(
        module="espnet2.torch_utils.add_gradient_noise",
        distribution="espnet",
        install="pip install --no-deps espnet",
    ),
    "tensorflow": Framework(
        module="tensorflow",
        distribution="tensorflow",
        install="pip install tensorflow-cpu",
        hosted="tensorflow",
        environment=_TENSORFLOW,
    ),
    "tensorflow-probability": Framework(
        module="tensorflow_probability",
        distribution="tensorflow-probability",
        install="pip install tensorflow-cpu tf-keras tensorflow-probability",
        hosted="tensorflow_probability",
        environment=_TENSORFLOW,
    ),
    "keras-gradient-noise": Framework(
        module="keras_gradient_noise",
        distribution="keras_gradient_noise",
        install="pip install tensorflow-cpu tf-keras keras-gradient-noise",
        hosted="keras_gradient_noise",
        environment={**_TENSORFLOW, "KERAS_BACKEND": "tensorflow"},
    ),
    "chainer": Framework(
        module="chainer",
        distribution="chainer",
        install='pip install "numpy<1.24" chainer',
        hosted="chainer",
    ),
    "mxnet": Framework(
        module="mxnet",
        distribution="mxnet",
        install='pip install "numpy<1.24" mxnet',
        hosted="mxnet",
    ),
}


def installed(framework: Framework) -> str | None:
    """Return the version of a package of this Python, or None if it is not installed."""
    root = framework.module.partition(".")[0]
    if importlib.util.find_spec(root) is None:
        return None
    return importlib.metadata.version(framework.distribution)
