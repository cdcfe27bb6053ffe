"""The memory network's settings and parameters, and which embedding serves where."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gradnoise_core import _check
from gradnoise_core.typing import Array, Device, Namespace, Seed, Tree
from gradnoise_reference_models.initializers import Initializer, gaussian
from gradnoise_reference_models.layers import sentence_encoding
from gradnoise_reference_models.layers.sentence_encoding import Encoding

__all__ = ["TYINGS", "MemoryNetwork", "Roles", "assemble", "init", "roles", "without_null"]

#: How hops share embeddings.
TYINGS = ("adjacent", "layer-wise")


@dataclass(frozen=True)
class MemoryNetwork:
    """The settings of a network; hashable, so that a compiler can take them as constants.

    Parameters
    ----------
    words : int
        V, the number of words, null (word 0) included.
    width : int
        Jw, word positions of a sentence.
    memory : int
        M, slots of the memory and the largest time.
    size : int
        d, of every vector.
    hops : int
        K >= 1.
    tying : str
        "adjacent": the output embedding of a hop is the input embedding of the next, the first one
        encodes the question and the last one makes the logits. "layer-wise": all hops share A and
        C; the question has B, the logits W, and ``u <- H u + o``.
    kind : str
        Of encoding: "position", "position-paper" or "bag-of-words"; see `Encoding`.
    times : str
        "rows" of the embeddings below those of words, and then classes of the answer too, which
        are never right; a "matrix" beside each embedding of the memory; or "none".
    rectifier : bool
        Whether ``u <- max(u, 0)`` after every hop.
    masked : bool
        Whether attention leaves empty slots out. The paper's does not: a softmax gives each of
        them a weight, for which it returns the zero vector.
    null : bool
        Whether null words gather a gradient, which clipping then sees.

    Raises
    ------
    ValueError, TypeError
        If a setting is unknown, or a number is no integer >= 1 (`words`: >= 2).

    References
    ----------
    Sukhbaatar et al., End-to-end memory networks (2015), sections 2 to 4; for what the authors'
    program adds, github.com/facebook/MemNN, MemN2N-babi-matlab.
    """

    words: int
    width: int
    memory: int
    size: int = 20
    hops: int = 3
    tying: str = "adjacent"
    kind: str = "position"
    times: str = "rows"
    rectifier: bool = False
    masked: bool = False
    null: bool = False
    encoding: Encoding = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what makes no network."""
        for name in ("size", "hops"):
            if _check.integer_below(name, getattr(self, name), 31) < 1:
                message = f"`{name}` must be an integer >= 1, got {getattr(self, name)}."
                raise ValueError(message)
        if self.tying not in TYINGS:
            message = f"`tying` must be one of {', '.join(TYINGS)}, got {self.tying!r}."
            raise ValueError(message)
        encoding = Encoding(self.words, self.width, self.memory, self.kind, self.times, self.null)
        object.__setattr__(self, "encoding", encoding)  # frozen, and made only once

    @property
    def classes(self) -> int:
        """Classes of the answer: rows of an embedding."""
        return self.encoding.rows


def init(
    network: MemoryNetwork,
    seed: Seed,
    *,
    initializer: Initializer | None = None,
    xp: Namespace | None = None,
    dtype: Any = None,
    device: Device | None = None,
) -> Tree:
    """Return the initial parameters: every entry N(0, 0.1**2), the embeddings of null zero.

    Parameters
    ----------
    network : MemoryNetwork
    seed : int or sequence of int
        In [0, 2**64). R seeds give every parameter a leading replica axis; replica r equals a solo
        run with seed r, to the bit.
    initializer : Initializer, optional
        Of all parameters; ``gaussian(0.1)`` by default.
    xp, dtype, device
        As in `Initializer`.

    Returns
    -------
    dict
        Adjacent: ``{"E": [{"embedding": E_1}, ..., {"embedding": E_(K+1)}]}``, each
        ``(*R, classes, d)``. Layer-wise: ``{"A", "B", "C", "W"}``, each such a dict, and
        ``{"H": {"weight": (*R, d, d)}}``. Where times are a matrix, a dict of a memory's embedding
        has ``"times": (*R, M, d)`` too.

    Examples
    --------
    >>> params = init(MemoryNetwork(words=20, width=6, memory=10), seed=0)
    >>> [layer["embedding"].shape for layer in params["E"]]
    [(30, 20), (30, 20), (30, 20), (30, 20)]
    """
    initializer = gaussian(0.1) if initializer is None else initializer
    place = {"xp": xp, "dtype": dtype, "device": device}

    def embedding(path: str, times: bool = True) -> dict[str, Array]:
        return sentence_encoding.init(
            initializer,
            seed,
            network.size,
            encoding=network.encoding,
            path=path,
            times=times,
            **place,
        )

    if network.tying == "adjacent":
        return {"E": [embedding(f"E/{k}") for k in range(network.hops + 1)]}
    params: Tree = {name: embedding(name, times=name in "AC") for name in _NAMES}
    shape = (network.size, network.size)
    params["H"] = {"weight": initializer(seed, "H/weight", shape, **place)}
    return params


def without_null(network: MemoryNetwork, params: Tree) -> Tree:
    """Return the parameters with every embedding of null set to zero: apply it after each update.

    Parameters
    ----------
    network : MemoryNetwork
    params : dict
        As `init` returns it.

    Returns
    -------
    dict
        New; the old ones are unchanged.
    """
    layers = [
        {**layer, "embedding": sentence_encoding.without_null(layer["embedding"])}
        for layer in _layers(network, params)
    ]
    return assemble(network, layers, params.get("H"))


def assemble(network: MemoryNetwork, layers: Sequence[dict[str, Array]], recurrence: Any) -> Tree:
    """Return the tree of parameters, or of gradients, of embeddings in the order of `roles`."""
    if network.tying == "adjacent":
        return {"E": list(layers)}
    return {**dict(zip(_NAMES, layers, strict=True)), "H": recurrence}


class Roles(NamedTuple):
    """Which embeddings, in their order, serve as what; the last one makes the logits.

    Attributes
    ----------
    layers : list of dict
    encoders : int
        How many of the first encode sentences.
    hops : tuple of (int, int)
        The input and the output side of each hop.
    question : int
    """

    layers: list[dict[str, Array]]
    encoders: int
    hops: tuple[tuple[int, int], ...]
    question: int


def roles(network: MemoryNetwork, params: Tree) -> Roles:
    """Return the embeddings and their roles."""
    layers, K = _layers(network, params), network.hops
    if network.tying == "adjacent":
        return Roles(layers, K + 1, tuple((k, k + 1) for k in range(K)), 0)
    return Roles(layers, 3, ((0, 1),) * K, 2)


#: Layer-wise: of the memory's two sides, of the question, and of the answer.
_NAMES = ("A", "C", "B", "W")


def _layers(network: MemoryNetwork, params: Tree) -> list[dict[str, Array]]:
    if network.tying == "adjacent":
        return list(params["E"])
    return [params[name] for name in _NAMES]
