"""The word-level LSTM language model of Zaremba, Sutskever & Vinyals (2014).

``h0_t = E[x_t]``, L layers of LSTM, ``z_t = hL_t W + b``, and the loss of a window of T steps,

``loss = sum_t mean_b (log sum_v exp(z_tbv) - z_tb,target)``,

with dropout, if asked for, on the L + 1 connections that are not recurrent: into each layer and
into the last product. Back-propagation is truncated: the state that a window starts from is a
number, through which no gradient goes.

Recurrent neural network regularization, arXiv:1409.2329, sections 3 and 4.1. The network to which
Neelakantan et al., Adding gradient noise improves learning for very deep networks (2017), section
4.6, found noise to be of no help has L = 2 layers of n = 200 units and V = 10,000 words.
"""

from typing import Any, NamedTuple

from gradnoise_core import _check
from gradnoise_core.backend import backend_of
from gradnoise_core.typing import Array, Device, Namespace, Seed, Tree
from gradnoise_reference_models.initializers import Initializer
from gradnoise_reference_models.layers import dropout as dropout_layer
from gradnoise_reference_models.layers import embedding, linear, lstm
from gradnoise_reference_models.layers.dropout import Dropout
from gradnoise_reference_models.models import _lstm_loss
from gradnoise_reference_models.models._lstm_uniform import uniform

__all__ = [
    "Dropout",
    "Residuals",
    "State",
    "backward",
    "forward",
    "init",
    "loss_and_grads",
    "total_nll",
    "uniform",
    "zero_state",
]

#: The state of each layer, the lowest first.
State = tuple[lstm.State, ...]


class Residuals(NamedTuple):
    """What the gradient needs, part by part; masks are of each layer, then of the last product."""

    embedding: Array
    layers: tuple[lstm.Residuals, ...]
    masks: tuple[Any, ...]
    output: Array


def init(
    initializer: Initializer,
    seed: Seed,
    vocabulary: int,
    units: int = 200,
    layers: int = 2,
    *,
    xp: Namespace | None = None,
    dtype: Any = None,
    device: Device | None = None,
) -> Tree:
    """Return the initial parameters.

    Parameters
    ----------
    initializer : Initializer
        Of every parameter, biases and the embedding included; `uniform` in the paper.
    seed : int or sequence of int
        In [0, 2**64). R seeds give every parameter a leading replica axis; replica r equals a
        solo run with seed r, to the bit.
    vocabulary : int
        V, the number of words.
    units : int
        n, of each layer, and the size of the embedding.
    layers : int
        L.
    xp, dtype, device
        As in `Initializer`.

    Returns
    -------
    dict
        ``{"embedding": {"weight": (*R, V, n)}, "lstm": [{"input_weight": (*R, n, 4 n),
        "recurrent_weight": (*R, n, 4 n), "bias": (*R, 4 n)}, ...], "output": {"weight":
        (*R, n, V), "bias": (*R, V)}}``.

    Raises
    ------
    ValueError
        If a size is below 1, a seed is outside [0, 2**64), or `dtype` is not a real floating one.

    Examples
    --------
    >>> params = init(uniform(0.1), 0, 50, units=8)
    >>> params["embedding"]["weight"].shape, params["output"]["weight"].shape
    ((50, 8), (8, 50))
    >>> [layer["bias"].shape for layer in params["lstm"]]
    [(32,), (32,)]
    """
    sizes = {"vocabulary": vocabulary, "units": units, "layers": layers}
    for name, value in sizes.items():
        if _check.integer_below(name, value, 31) < 1:
            message = f"`{name}` must be an integer >= 1, got {value}."
            raise ValueError(message)
    place = {"xp": xp, "dtype": dtype, "device": device}
    return {
        "embedding": embedding.init(
            initializer, seed, vocabulary, units, path="embedding", **place
        ),
        "lstm": [
            lstm.init(initializer, seed, units, units, path=f"lstm/{i}", bias=initializer, **place)
            for i in range(layers)
        ],
        "output": {
            "weight": initializer(seed, "output/weight", (units, vocabulary), **place),
            "bias": initializer(seed, "output/bias", (vocabulary,), **place),
        },
    }


def zero_state(params: Tree, batch: int) -> State:
    """Return the state of B streams at the start of an epoch: zero."""
    return tuple(lstm.zero_state(layer, batch) for layer in params["lstm"])


def forward(
    params: Tree, x: Array, state: State, *, dropout: Dropout | None = None
) -> tuple[Array, State, Residuals]:
    """Return the logits of a window, the state after it, and the residuals.

    Parameters
    ----------
    params : dict
        As `init` returns it.
    x : integer array
        ``(*R, T, B)``, or ``(T, B)`` for words that all replicas see, in [0, V).
    state : tuple of lstm.State
        As `zero_state` or the window before returned it.
    dropout : Dropout, optional
        None, for evaluation too, drops nothing.

    Returns
    -------
    logits : array
        ``(*R, T, B, V)``; NaN where a word is outside [0, V).
    state : tuple of lstm.State
    residuals : Residuals

    Raises
    ------
    TypeError
        If the words are not integers.
    ValueError
        As `dropout.forward`.
    """
    xp = backend_of(params["embedding"]["weight"]).namespace
    steps = tuple(x.shape[-2:])
    h, seen = embedding.forward(params["embedding"], _flat(x, xp), xp=xp)
    h = xp.reshape(h, (*h.shape[:-2], *steps, h.shape[-1]))
    masks, layers, after = [], [], []
    for i, (layer, before) in enumerate(zip(params["lstm"], state, strict=True)):
        h, mask = _dropped(h, dropout, f"lstm/{i}", xp)
        h, now, residuals = lstm.forward(layer, h, before, xp=xp)
        masks.append(mask)
        layers.append(residuals)
        after.append(now)
    h, mask = _dropped(h, dropout, "output", xp)
    q = xp.reshape(h, (*h.shape[:-3], steps[0] * steps[1], h.shape[-1]))
    logits, output = linear.forward(params["output"], q, xp=xp)
    logits = xp.reshape(logits, (*logits.shape[:-2], *steps, logits.shape[-1]))
    return logits, tuple(after), Residuals(seen, tuple(layers), (*masks, mask), output)


def backward(params: Tree, residuals: Residuals, dlogits: Array) -> Tree:
    """Return the gradient with respect to the parameters, truncated at the window's borders.

    Parameters
    ----------
    params : dict
        As for `forward`.
    residuals : Residuals
        As `forward` returned them.
    dlogits : array
        ``(*R, T, B, V)``.

    Returns
    -------
    dict
        Of the structure and the shapes of `params`.
    """
    xp = backend_of(dlogits).namespace
    *lead, steps, batch, words = dlogits.shape
    dz = xp.reshape(dlogits, (*lead, steps * batch, words))
    doutput, dy = linear.backward(params["output"], residuals.output, dz, xp=xp)
    dy = xp.reshape(dy, (*lead, steps, batch, dy.shape[-1]))
    _, dy = dropout_layer.backward({}, residuals.masks[-1], dy, xp=xp)
    grads = []
    for layer, kept, mask in zip(
        params["lstm"][::-1], residuals.layers[::-1], residuals.masks[-2::-1], strict=True
    ):
        dlayer, dy, _ = lstm.backward(layer, kept, dy, xp=xp)
        _, dy = dropout_layer.backward({}, mask, dy, xp=xp)
        grads.append(dlayer)
    dy = xp.reshape(dy, (*lead, steps * batch, dy.shape[-1]))
    dembedding, _ = embedding.backward(params["embedding"], residuals.embedding, dy, xp=xp)
    return {"embedding": dembedding, "lstm": grads[::-1], "output": doutput}


def loss_and_grads(
    params: Tree, x: Array, targets: Array, state: State, *, dropout: Dropout | None = None
) -> tuple[Array, Tree, State]:
    """Return the loss of a window, its gradient, and the state after the window.

    Parameters
    ----------
    params : dict
        As `init` returns it.
    x, targets : integer array
        ``(*R, T, B)`` or ``(T, B)``, in [0, V): words, and the word after each.
    state : tuple of lstm.State
        Before the window. It is held constant: back-propagation is truncated here.
    dropout : Dropout, optional
        None drops nothing.

    Returns
    -------
    loss : array
        ``(*R,)``, in nats: the sum over the T steps of the mean over the batch.
    grads : dict
        Of the structure and the shapes of `params`.
    state : tuple of lstm.State

    Raises
    ------
    TypeError, ValueError
        As `forward`; or if there is not one target a word.

    Examples
    --------
    >>> import math
    >>> import numpy as np
    >>> params = init(uniform(0.0), 0, 5, units=3)
    >>> x = np.asarray([[0, 1], [2, 3], [4, 1]])
    >>> loss, grads, state = loss_and_grads(params, x, x, zero_state(params, 2))
    >>> math.isclose(loss, 3 * math.log(5), rel_tol=1e-6)
    True
    >>> grads["output"]["bias"].round(2)
    array([ 0.1, -0.4,  0.1,  0.1,  0.1], dtype=float32)
    """
    xp = backend_of(params["embedding"]["weight"]).namespace
    logits, state, residuals = forward(params, x, state, dropout=dropout)
    nll, loss_residuals = _nll(logits, targets, xp)
    batch = x.shape[-1]
    dz = _lstm_loss.backward(loss_residuals, 1.0 / batch, xp=xp)
    grads = backward(params, residuals, xp.reshape(dz, logits.shape))
    return xp.sum(nll, axis=-1) / batch, grads, state


def total_nll(params: Tree, x: Array, targets: Array, state: State) -> tuple[Array, State]:
    """Return the sum of the negative log-likelihoods of a window, and the state after it.

    Parameters
    ----------
    params : dict
        As `init` returns it.
    x, targets : integer array
        ``(*R, T, B)`` or ``(T, B)``.
    state : tuple of lstm.State

    Returns
    -------
    nll : array
        ``(*R,)``, in nats, of all T B predictions, without dropout; their perplexity is
        ``exp(nll / (T B))``.
    state : tuple of lstm.State

    Raises
    ------
    TypeError, ValueError
        As `loss_and_grads`.
    """
    xp = backend_of(params["embedding"]["weight"]).namespace
    logits, state, _ = forward(params, x, state)
    return xp.sum(_nll(logits, targets, xp)[0], axis=-1), state


def _nll(logits: Array, targets: Array, xp: Namespace) -> tuple[Array, _lstm_loss.Residuals]:
    *lead, steps, batch, words = logits.shape
    if tuple(targets.shape[-2:]) != (steps, batch):
        message = (
            f"`targets` must have one target a word, got shape {tuple(targets.shape)} for "
            f"logits of shape {tuple(logits.shape)}."
        )
        raise ValueError(message)
    flat = xp.broadcast_to(_flat(targets, xp), (*lead, steps * batch))
    return _lstm_loss.forward(xp.reshape(logits, (*lead, steps * batch, words)), flat, xp=xp)


def _dropped(h: Array, dropout: Dropout | None, path: str, xp: Namespace) -> tuple[Array, Any]:
    if dropout is None:
        return h, None
    return dropout_layer.forward({}, h, dropout=dropout, path=path, xp=xp)


def _flat(words: Array, xp: Namespace) -> Array:
    """Return words ``(*R, T, B)`` as ``(*R, T B)``."""
    *lead, steps, batch = words.shape
    return xp.reshape(words, (*lead, steps * batch))
