"""The stacks of all embeddings at once: side by side they take as many calls as one."""

from collections.abc import Sequence

from gradnoise_core.typing import Array, Namespace
from gradnoise_reference_models.layers import sentence_encoding
from gradnoise_reference_models.models._memory_parameters import MemoryNetwork, Roles

__all__ = ["stack_all", "unstack_all"]


def stack_all(network: MemoryNetwork, part: Roles, xp: Namespace) -> list[Array]:
    """Return the stack of each embedding that encodes sentences, ``(*R, bag, d)``."""
    encoders = part.layers[: part.encoders]
    beside = {"embedding": xp.stack([e["embedding"] for e in encoders], axis=-3)}
    if network.times == "matrix":
        # An embedding of questions alone has no times.
        none = xp.zeros_like(encoders[0]["times"])
        beside["times"] = xp.stack([e.get("times", none) for e in encoders], axis=-3)
    stacked = sentence_encoding.stack(beside, encoding=network.encoding, xp=xp)
    return [stacked[..., i, :, :] for i in range(part.encoders)]


def unstack_all(
    network: MemoryNetwork, part: Roles, dstacks: Sequence[Array], xp: Namespace
) -> list[dict[str, Array]]:
    """Return the gradient of each embedding that encodes sentences from those of their stacks."""
    beside = xp.stack(dstacks, axis=-3)
    grads = sentence_encoding.unstack(beside, encoding=network.encoding, xp=xp)
    return [
        {name: grads[name][..., i, :, :] for name in layer}
        for i, layer in enumerate(part.layers[: part.encoders])
    ]
