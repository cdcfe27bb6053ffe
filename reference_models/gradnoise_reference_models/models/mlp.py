"""The multilayer perceptron: ReLU after every hidden layer, softmax after the last.

``h_0 = x, h_i = relu(h_{i-1} W_i + b_i), logits = h_{n-1} W_n + b_n``, with dropout of each h_i if
asked for. With 20 hidden layers of 50 it is the network of section 4.1 of Neelakantan et al.,
Adding gradient noise improves learning for very deep networks (2017).
"""

import itertools
from collections.abc import Sequence
from typing import Any

from gradnoise_core import _check
from gradnoise_core.backend import backend_of
from gradnoise_core.typing import Array, Device, Namespace, Seed, Tree
from gradnoise_reference_models.initializers import Initializer
from gradnoise_reference_models.layers import dropout as dropout_layer
from gradnoise_reference_models.layers import linear, relu, softmax_cross_entropy
from gradnoise_reference_models.layers.dropout import Dropout

__all__ = ["Dropout", "accuracy", "backward", "forward", "init", "loss_and_grads", "predict"]


def init(
    initializer: Initializer,
    seed: Seed,
    sizes: Sequence[int],
    *,
    xp: Namespace | None = None,
    dtype: Any = None,
    device: Device | None = None,
) -> Tree:
    """Return the initial parameters.

    Parameters
    ----------
    initializer : Initializer
        Of the weights; biases are 0.
    seed : int or sequence of int
        In [0, 2**64). R seeds give every parameter a leading replica axis; replica r equals a
        solo run with seed r, to the bit.
    sizes : sequence of int
        Features of the input, of each hidden layer, and classes.
    xp, dtype, device
        As in `Initializer`.

    Returns
    -------
    dict
        ``{"layers": [{"weight": (*R, fan_in, fan_out), "bias": (*R, fan_out)}, ...]}``.

    Raises
    ------
    ValueError
        If there are fewer than two sizes, one is below 1, a seed is outside [0, 2**64), or
        `dtype` is not a real floating one.

    Examples
    --------
    >>> from gradnoise_reference_models.initializers import he_normal
    >>> params = init(he_normal(), 0, (64, 50, 50, 10))
    >>> [layer["weight"].shape for layer in params["layers"]]
    [(64, 50), (50, 50), (50, 10)]
    """
    sizes = tuple(_check.integer_below(f"sizes[{i}]", n, 31) for i, n in enumerate(sizes))
    if len(sizes) < 2 or min(sizes) < 1:
        message = f"`sizes` must be two or more integers >= 1, got {sizes}. Try (64, 50, 10)."
        raise ValueError(message)
    layers = [
        linear.init(initializer, seed, *pair, path=f"layers/{i}", xp=xp, dtype=dtype, device=device)
        for i, pair in enumerate(itertools.pairwise(sizes))
    ]
    return {"layers": layers}


def forward(
    params: Tree, x: Array, *, dropout: Dropout | None = None
) -> tuple[Array, list[tuple[Any, ...]]]:
    """Return the logits and, for each layer, the residuals of its parts.

    Parameters
    ----------
    params : dict
        As `init` returns it.
    x : array
        ``(*R, B, features)``, or ``(B, features)`` for one batch that all replicas see.
    dropout : Dropout, optional
        None, for evaluation too, drops nothing.

    Returns
    -------
    logits : array
        ``(*R, B, classes)``.
    residuals : list of tuple
    """
    xp = backend_of(x).namespace
    *hidden, last = params["layers"]
    residuals: list[tuple[Any, ...]] = []
    for i, layer in enumerate(hidden):
        a, linear_residuals = linear.forward(layer, x, xp=xp)
        x, relu_residuals = relu.forward({}, a, xp=xp)
        dropout_residuals = None
        if dropout is not None:
            x, dropout_residuals = dropout_layer.forward(
                {}, x, dropout=dropout, path=f"layers/{i}", xp=xp
            )
        residuals.append((linear_residuals, relu_residuals, dropout_residuals))
    logits, linear_residuals = linear.forward(last, x, xp=xp)
    return logits, [*residuals, (linear_residuals,)]


def backward(params: Tree, residuals: list[tuple[Any, ...]], dlogits: Array) -> tuple[Tree, Array]:
    """Return the gradient with respect to the parameters and to x.

    Parameters
    ----------
    params : dict
        As for `forward`.
    residuals : list of tuple
        As `forward` returned them.
    dlogits : array
        ``(*R, B, classes)``.

    Returns
    -------
    grads : dict
        Of the structure and the shapes of `params`.
    dx : array
        ``(*R, B, features)``: for each replica its own, also when they saw one batch.
    """
    grads, dy = _parameter_gradients(params, residuals, dlogits, backend_of(dlogits).namespace)
    return grads, linear.input_gradient(params["layers"][0], dy)


def loss_and_grads(
    params: Tree, x: Array, labels: Array, *, dropout: Dropout | None = None
) -> tuple[Array, Tree]:
    """Return the mean cross-entropy of a batch and its gradient.

    Parameters
    ----------
    params : dict
        As `init` returns it.
    x : array
        ``(*R, B, features)``, or ``(B, features)`` for one batch that all replicas see.
    labels : integer array
        ``(*R, B)`` or ``(B,)``, in [0, classes).
    dropout : Dropout, optional
        None drops nothing.

    Returns
    -------
    loss : array
        ``(*R,)``, in nats.
    grads : dict
        Of the structure and the shapes of `params`.

    Raises
    ------
    TypeError, ValueError
        As `softmax_cross_entropy.forward` and `dropout.forward`.

    Examples
    --------
    >>> import numpy as np
    >>> from gradnoise_reference_models.initializers import zeros
    >>> params = init(zeros(), 0, (2, 3, 2))
    >>> x, labels = np.ones((4, 2), np.float32), np.asarray([0, 0, 0, 1])
    >>> loss, grads = loss_and_grads(params, x, labels)
    >>> round(float(loss), 4)
    0.6931
    >>> grads["layers"][1]["bias"]
    array([-0.25,  0.25], dtype=float32)
    """
    logits, residuals = forward(params, x, dropout=dropout)
    xp = backend_of(logits).namespace
    loss, loss_residuals = softmax_cross_entropy.forward(logits, labels, xp=xp)
    dlogits = softmax_cross_entropy.backward(loss_residuals, xp=xp)
    # The gradient with respect to the data, the largest product of a wide input, is not needed.
    return loss, _parameter_gradients(params, residuals, dlogits, xp)[0]


def predict(params: Tree, x: Array) -> Array:
    """Return the class of the largest logit of each example, ``(*R, B)``; the first of equals.

    Parameters
    ----------
    params : dict
        As `init` returns it.
    x : array
        ``(*R, B, features)`` or ``(B, features)``.

    Returns
    -------
    integer array
    """
    return backend_of(x).namespace.argmax(forward(params, x)[0], axis=-1)


def accuracy(params: Tree, x: Array, labels: Array) -> Array:
    """Return the fraction of examples that are predicted right, ``(*R,)``, in the dtype of `x`.

    Parameters
    ----------
    params : dict
        As `init` returns it.
    x : array
        ``(*R, B, features)`` or ``(B, features)``.
    labels : integer array
        ``(*R, B)`` or ``(B,)``.

    Returns
    -------
    array
    """
    xp = backend_of(x).namespace
    return xp.mean(xp.astype(predict(params, x) == labels, x.dtype), axis=-1)


def _parameter_gradients(
    params: Tree, residuals: list[tuple[Any, ...]], dy: Array, xp: Namespace
) -> tuple[Tree, Array]:
    """Return the gradients of all parameters, and dy at the output of the first linear map."""
    layers = params["layers"]
    grads = [linear.parameter_gradients(residuals[-1][0], dy, xp=xp)]
    for i in range(len(layers) - 2, -1, -1):
        linear_residuals, relu_residuals, dropout_residuals = residuals[i]
        dy = linear.input_gradient(layers[i + 1], dy)
        if dropout_residuals is not None:
            _, dy = dropout_layer.backward({}, dropout_residuals, dy, xp=xp)
        _, dy = relu.backward({}, relu_residuals, dy, xp=xp)
        grads.append(linear.parameter_gradients(linear_residuals, dy, xp=xp))
    return {"layers": grads[::-1]}, dy
