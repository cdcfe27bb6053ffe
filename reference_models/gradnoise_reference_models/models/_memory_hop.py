"""One hop: a question looks at the memory and reads it.

``s = M u`` with M the encoded memory on the input side, ``p = attention(s)``, ``o = C^T p`` with C
the same on the output side. Encoded, a memory is a product ``M = S F`` of bags S, which are data,
and the stack F of an embedding; so ``s = S (F u)`` and ``o = F^T (S^T p)``, and no sentence is ever
encoded: products with vectors in the place of products with d columns.
"""

from typing import Any, NamedTuple

from gradnoise_core.typing import Array, Namespace
from gradnoise_reference_models.layers import attention
from gradnoise_reference_models.layers.attention import Linear

__all__ = ["HopResiduals", "backward", "forward"]


class HopResiduals(NamedTuple):
    """What the gradient needs: u, attention's residuals, and what was read, as a bag."""

    state: Array
    attention: Any
    read: Array


def forward(
    stacks: tuple[Array, Array],
    state: Array,
    bags: Array,
    *,
    linear: Linear,
    filled: Array | None,
    xp: Namespace,
) -> tuple[Array, HopResiduals]:
    """Return the read-out o.

    Parameters
    ----------
    stacks : (array, array)
        Of the input and the output embedding, each ``(*R, C, d)``.
    state : array
        u, of shape ``(*R, N, d)``.
    bags : array
        S, of shape ``(*R, N, M, C)``, or without R.
    linear, filled, xp
        As in `attention.forward`.

    Returns
    -------
    o : array
        ``(*R, N, d)``.
    residuals : HopResiduals
    """
    of_input, of_output = stacks
    scores = _along_words(bags, state @ of_input.mT)
    weights, kept = attention.forward({}, scores, linear=linear, filled=filled, xp=xp)
    read = _along_slots(weights, bags)
    return read @ of_output, HopResiduals(state, kept, read)


def backward(
    stacks: tuple[Array, Array],
    residuals: HopResiduals,
    bags: Array,
    dy: Array,
    *,
    xp: Namespace,
) -> tuple[tuple[Array, Array], Array]:
    """Return the gradients of the two stacks, and that of u by way of the scores.

    Parameters
    ----------
    stacks, bags, xp
        As for `forward`.
    residuals : HopResiduals
        As `forward` returned them.
    dy : array
        ``(*R, N, d)``, of o.

    Returns
    -------
    dstacks : (array, array)
    dstate : array
    """
    of_input, of_output = stacks
    doutput = residuals.read.mT @ dy
    dweights = _along_words(bags, dy @ of_output.mT)
    _, dscores = attention.backward({}, residuals.attention, dweights, xp=xp)
    looked = _along_slots(dscores, bags)
    return (looked.mT @ residuals.state, doutput), looked @ of_input


def _along_words(bags: Array, x: Array) -> Array:
    """Return ``S x`` of each example."""
    return (bags @ x[..., None])[..., 0]


def _along_slots(x: Array, bags: Array) -> Array:
    """Return ``x^T S`` of each example."""
    return (x[..., None, :] @ bags)[..., 0, :]
