"""AdamW."""

from typing import Any

from gradnoise_core import _check
from gradnoise_core._base import GradientTransformation
from gradnoise_core._scalars import rate_at
from gradnoise_core.optimizers._dialects import resolve
from gradnoise_core.optimizers._links import add_decayed_weights, scale_by_learning_rate
from gradnoise_core.optimizers.adam import scale_by_adam
from gradnoise_core.transformation import chain
from gradnoise_core.typing import Rate

__all__ = ["adamw"]


def adamw(
    learning_rate: Rate,
    *,
    dialect: str = "paper",
    b1: float | None = None,
    b2: float | None = None,
    eps: float | None = None,
    eps_hat: bool | None = None,
    bias_correction: bool | None = None,
    amsgrad: bool | None = None,
    amsgrad_corrected: bool | None = None,
    weight_decay: Rate | None = None,
    decay_by: str | None = None,
) -> GradientTransformation:
    """Adam with decoupled weight decay.

    ``p <- p - h_t adam(g) - s_t c p``, with s_t by `decay_by`: "rate", ``s_t = h_t`` (torch, optax,
    Keras, MLX); "schedule", ``s_t = h_t / h_0``, the paper's schedule multiplier; "nothing",
    ``s_t = 1`` (Chainer).

    Parameters
    ----------
    learning_rate : float, sequence of R floats, or schedule
        h >= 0; one a replica if several.
    dialect : str
        "paper", "torch", "optax", "keras", "chainer" or "mlx": what the keywords below are
        where they are not given.
    b1, b2, eps, eps_hat, bias_correction, amsgrad, amsgrad_corrected
        As in `adam`.
    weight_decay : float or schedule, optional
        c >= 0: 0.01, 1e-4 (optax) or 0.004 (Keras).
    decay_by : {"rate", "schedule", "nothing"}, optional
        What the decay is multiplied by.

    Returns
    -------
    GradientTransformation

    Raises
    ------
    ValueError
        If a number is out of range, or the dialect unknown.

    References
    ----------
    Loshchilov & Hutter, Decoupled weight decay regularization (2019), algorithm 2.
    """
    k = resolve(
        "adamw",
        dialect,
        {
            "b1": b1,
            "b2": b2,
            "eps": eps,
            "eps_hat": eps_hat,
            "bias_correction": bias_correction,
            "amsgrad": amsgrad,
            "amsgrad_corrected": amsgrad_corrected,
            "weight_decay": weight_decay,
            "decay_by": decay_by,
        },
    )
    decay, by = k.pop("weight_decay"), k.pop("decay_by")
    if not callable(decay):
        _check.finite_at_least("weight_decay", decay, 0.0)
    if by not in ("rate", "schedule", "nothing"):
        message = f'`decay_by` must be "rate", "schedule" or "nothing", got {by!r}.'
        raise ValueError(message)

    first = None
    if by == "schedule" and callable(learning_rate):
        first = rate_at(learning_rate, 0, "learning_rate")
    if isinstance(first, int | float) and first == 0:
        message = (
            "`learning_rate` must not start at 0 where `decay_by` is 'schedule', which divides by "
            "its first value. Start above 0, or decay by the rate."
        )
        raise ValueError(message)

    def shrink(t: Any) -> Any:
        multiplier: Any = 1.0
        if by == "rate":
            multiplier = rate_at(learning_rate, t, "learning_rate")
        elif first is not None:
            multiplier = rate_at(learning_rate, t, "learning_rate") / first
        return -multiplier * rate_at(decay, t, "weight_decay")

    return chain(
        scale_by_adam(**k), scale_by_learning_rate(learning_rate), add_decayed_weights(shrink)
    )
