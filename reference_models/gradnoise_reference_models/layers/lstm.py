"""Long short-term memory without peepholes, over a whole sequence or step by step.

``a_t = x_t W + h_{t-1} U + b``, split into i, f, o, g in this order, and

``c_t = sigm(a_f) * c_{t-1} + sigm(a_i) * tanh(a_g)``,  ``h_t = sigm(a_o) * tanh(c_t)``

of Zaremba, Sutskever & Vinyals, Recurrent neural network regularization (2014), section 3.1, which
have weights of shape ``(4n, n)``; here they are ``(fan_in, fan_out)``, as in every other layer.
"""

from typing import Any, NamedTuple

from gradnoise_core.backend import backend_of
from gradnoise_core.typing import Array, Device, Namespace, Seed
from gradnoise_reference_models.initializers import Initializer, zeros

__all__ = [
    "Residuals",
    "State",
    "backward",
    "forward",
    "init",
    "step",
    "step_backward",
    "zero_state",
]


class State(NamedTuple):
    """What goes from a step to the next: the output h and the cell c, each ``(*R, B, n)``."""

    h: Array
    c: Array


class Residuals(NamedTuple):
    """What the gradient needs, of all T steps: ``(*R, T, B, ...)``."""

    x: Array
    h_before: Array
    c_before: Array
    gates: Array
    tanh_c: Array


def init(
    initializer: Initializer,
    seed: Seed,
    fan_in: int,
    units: int,
    *,
    path: str,
    bias: Initializer | None = None,
    xp: Namespace | None = None,
    dtype: Any = None,
    device: Device | None = None,
) -> dict[str, Array]:
    """Return ``{"input_weight": W, "recurrent_weight": U, "bias": b}``.

    Parameters
    ----------
    initializer : Initializer
        Of the weights.
    seed : int or sequence of int
        In [0, 2**64); R of them for a leading replica axis.
    fan_in : int
        Features of x.
    units : int
        n.
    path : str
        The layer's path in the tree of parameters, as in ``lstm/0``.
    bias : Initializer, optional
        Of the bias; 0 by default.
    xp, dtype, device
        As in `Initializer`.

    Returns
    -------
    dict of arrays
        W ``(*R, fan_in, 4 n)``, U ``(*R, n, 4 n)`` and b ``(*R, 4 n)``.
    """
    place = {"xp": xp, "dtype": dtype, "device": device}
    return {
        "input_weight": initializer(seed, f"{path}/input_weight", (fan_in, 4 * units), **place),
        "recurrent_weight": initializer(
            seed, f"{path}/recurrent_weight", (units, 4 * units), **place
        ),
        "bias": (bias or zeros())(seed, f"{path}/bias", (4 * units,), **place),
    }


def zero_state(params: dict[str, Array], batch: int) -> State:
    """Return the state ``h = c = 0`` of a batch, in the library and dtype of the parameters."""
    weight = params["recurrent_weight"]
    backend = backend_of(weight)
    *lead, units, _ = weight.shape
    shape, device = (*lead, batch, units), backend.device(weight)
    # Two arrays: a compiled step may be given them to write on.
    h, c = (backend.namespace.zeros(shape, dtype=weight.dtype, device=device) for _ in range(2))
    return State(h, c)


def forward(
    params: dict[str, Array], x: Array, state: State, *, xp: Namespace | None = None
) -> tuple[Array, State, Residuals]:
    """Return the outputs ``h_1 ... h_T``, the state after the last step, and the residuals.

    Parameters
    ----------
    params : dict of arrays
        As `init` returns it.
    x : array
        ``(*R, T, B, fan_in)``, or ``(T, B, fan_in)`` for one sequence that all replicas see.
    state : State
        Before the first step.
    xp : module, optional
        The array namespace of `x`.

    Returns
    -------
    y : array
        ``(*R, T, B, n)``.
    state : State
        As if the sequence had been given in pieces, each with the state of the one before.
    residuals : Residuals
    """
    backend = backend_of(x)
    xp = backend.namespace if xp is None else xp
    scale, shift = _halves(params["recurrent_weight"], xp)
    # One product for all steps; only that with U must wait for the step before.
    a = _merged(x, xp) @ params["input_weight"] + params["bias"][..., None, :]
    a = xp.reshape(a, (*a.shape[:-2], *x.shape[-3:-1], a.shape[-1]))
    u, (h, c), n = params["recurrent_weight"], state, state.h.shape[-1]
    hs, cs, gates, tanhs = [h], [c], [], []
    for t in range(x.shape[-3]):
        # sigm(a) = (1 + tanh(a / 2)) / 2 overflows nowhere, and all gates take one tanh.
        gate = xp.tanh((a[..., t, :, :] + h @ u) * scale) * scale + shift
        c = gate[..., n : 2 * n] * c + gate[..., :n] * gate[..., 3 * n :]
        tanh_c = xp.tanh(c)
        h = gate[..., 2 * n : 3 * n] * tanh_c
        hs.append(h)
        cs.append(c)
        gates.append(gate)
        tanhs.append(tanh_c)
    h_before, c_before = (xp.stack(s[:-1], axis=-3) for s in (hs, cs))
    residuals = Residuals(x, h_before, c_before, *(xp.stack(s, axis=-3) for s in (gates, tanhs)))
    return xp.stack(hs[1:], axis=-3), State(h, c), residuals


def backward(
    params: dict[str, Array],
    residuals: Residuals,
    dy: Array,
    dstate: State | None = None,
    *,
    xp: Namespace | None = None,
) -> tuple[dict[str, Array], Array, State]:
    """Return the gradients of the parameters, of x, and of the state before the first step.

    With dh, dc what came back from step t + 1, and ``dh_t = dy_t + dh``,
    ``dc_t = dc + dh_t o (1 - tanh(c_t)**2)``:

    ``da_i = dc_t g i (1 - i)``, ``da_f = dc_t c_{t-1} f (1 - f)``,
    ``da_o = dh_t tanh(c_t) o (1 - o)``, ``da_g = dc_t i (1 - g**2)``,

    then ``dh = da U^T`` and ``dc = dc_t f`` go on to step t - 1; ``dW = sum_t x_t^T da_t``,
    ``dU = sum_t h_{t-1}^T da_t``, ``db = sum_{t,B} da_t`` and ``dx_t = da_t W^T``.

    Parameters
    ----------
    params : dict of arrays
        As for `forward`.
    residuals : Residuals
        As `forward` returned them.
    dy : array
        ``(*R, T, B, n)``.
    dstate : State, optional
        With respect to the state after the last step, beyond that through `dy`; None for 0, as
        in truncated back-propagation.
    xp : module, optional
        The array namespace of `dy`.

    Returns
    -------
    dparams : dict of arrays
        Of the shapes of `params`.
    dx : array
        ``(*R, T, B, fan_in)``: for each replica its own, also when they saw one sequence.
    dstate : State
        Not used in truncated back-propagation: no gradient crosses the window's border.
    """
    xp = backend_of(dy).namespace if xp is None else xp
    x, h_before, _, gates, _ = residuals
    da, before = _gate_gradients(params["recurrent_weight"], residuals, dy, dstate, xp)
    dx = xp.reshape(da @ params["input_weight"].mT, (*gates.shape[:-1], x.shape[-1]))
    dparams = {
        "input_weight": _merged(x, xp).mT @ da,
        "recurrent_weight": _merged(h_before, xp).mT @ da,
        "bias": xp.sum(da, axis=-2),
    }
    return dparams, dx, before


def step(
    params: dict[str, Array], x: Array, state: State, *, xp: Namespace | None = None
) -> tuple[State, Residuals]:
    """Return the state after one step, whose h is the output, and the residuals.

    Parameters
    ----------
    params : dict of arrays
        As `init` returns it.
    x : array
        ``(*R, B, fan_in)`` or ``(B, fan_in)``.
    state : State
    xp : module, optional
        The array namespace of `x`.

    Returns
    -------
    state : State
    residuals : Residuals
        With T = 1.
    """
    _, state, residuals = forward(params, x[..., None, :, :], state, xp=xp)
    return state, residuals


def step_backward(
    params: dict[str, Array],
    residuals: Residuals,
    dstate: State,
    *,
    xp: Namespace | None = None,
) -> tuple[dict[str, Array], Array, State]:
    """Return the gradients of the parameters, of x and of the state before a step.

    Parameters
    ----------
    params : dict of arrays
        As for `step`.
    residuals : Residuals
        As `step` returned them.
    dstate : State
        With respect to the state after the step; through the output too, for that is its h.
    xp : module, optional
        The array namespace of `dstate`.

    Returns
    -------
    dparams : dict of arrays
    dx : array
        ``(*R, B, fan_in)``.
    dstate : State
    """
    xp = backend_of(dstate.h).namespace if xp is None else xp
    dy, later = dstate.h[..., None, :, :], State(xp.zeros_like(dstate.h), dstate.c)
    dparams, dx, before = backward(params, residuals, dy, later, xp=xp)
    return dparams, dx[..., 0, :, :], before


def _gate_gradients(
    u: Array, residuals: Residuals, dy: Array, dstate: State | None, xp: Namespace
) -> tuple[Array, State]:
    """Return da of all steps, ``(*R, T B, 4n)``, and the gradient of the state before them."""
    _, _, c_before, gates, tanh_c = residuals
    n = tanh_c.shape[-1]
    i, f, o, g = (gates[..., k * n : (k + 1) * n] for k in range(4))
    # All that depends on no later step, at once for all steps.
    by_i, by_f = g * i * (1.0 - i), c_before * f * (1.0 - f)
    by_o, by_g = tanh_c * o * (1.0 - o), i * (1.0 - g * g)
    slopes = xp.concat([by_i, by_f, by_o, by_g], axis=-1)
    through_c = o * (1.0 - tanh_c * tanh_c)
    dh, dc = (None, None) if dstate is None else dstate
    da: list[Array] = []
    for t in range(dy.shape[-3] - 1, -1, -1):
        dh = dy[..., t, :, :] if dh is None else dy[..., t, :, :] + dh
        inner = dh * through_c[..., t, :, :]
        dc = inner if dc is None else dc + inner
        da.append(xp.concat([dc, dc, dh, dc], axis=-1) * slopes[..., t, :, :])
        dh, dc = da[-1] @ u.mT, dc * f[..., t, :, :]
    return _merged(xp.stack(da[::-1], axis=-3), xp), State(dh, dc)


def _halves(weight: Array, xp: Namespace) -> tuple[Array, Array]:
    """Return s and z with ``tanh(a s) s + z`` the gates: 1/2 and 1/2 of i, f, o; 1 and 0 of g."""
    n, device = weight.shape[-2], backend_of(weight).device(weight)
    half = xp.full((3 * n,), 0.5, dtype=weight.dtype, device=device)
    one = xp.ones((n,), dtype=weight.dtype, device=device)
    return xp.concat([half, one]), xp.concat([half, xp.zeros_like(one)])


def _merged(x: Array, xp: Namespace) -> Array:
    """Return ``(*R, T, B, n)`` as ``(*R, T B, n)``."""
    *lead, steps, batch, n = x.shape
    return xp.reshape(x, (*lead, steps * batch, n))
