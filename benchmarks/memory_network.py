"""An update of a memory network: ours, its gradient by hand, and torch's, by autograd.

The networks are those of bAbI tasks 1, 6 and 2, which have 10, 26 and 50 slots; the stories are of
random words, in as many distinct statements as those tasks have. `Work.size` is the number of
slots. What is timed is the step that training makes without noise, whose cost has a section of its
own: from the rows of a batch and the times drawn for it to new parameters and the loss, by way of
the gather, the gradient, and the clipping of each matrix.
"""

import importlib.util
from collections.abc import Iterator
from typing import Any

from benchmarks.place import Place
from benchmarks.timing import Call
from benchmarks.work import Contestant, Work

__all__ = ["CONTESTANTS", "SLOTS", "inputs"]

#: Words, null included, and the width of a sentence, by the number of slots (tasks 1, 6 and 2).
_VOCABULARY = {10: (20, 6), 26: (36, 6), 50: (34, 6)}

SLOTS = tuple(_VOCABULARY)

EXAMPLES, STATEMENTS, BATCH, SIZE, HOPS = 900, 300, 32, 20, 3
#: Smaller than the paper's: on random answers its rate lets the weights grow.
CLIP, RATE = 40.0, 1e-4


def inputs(slots: int) -> tuple[Any, ...]:
    """Return words, times, questions and answers: int64 arrays of random stories."""
    import numpy as np

    words, width = _VOCABULARY[slots]
    rng = np.random.Generator(np.random.SFC64(0))
    # A statement of bAbI has four to six words, and a story fills half of the slots on average.
    statements = rng.integers(1, words, (STATEMENTS, width))
    statements[np.arange(width) >= rng.integers(4, width + 1, (STATEMENTS, 1))] = 0
    said = statements[rng.integers(0, STATEMENTS, (EXAMPLES, slots))]
    length = rng.integers(2, slots + 1, (EXAMPLES, 1))
    slot = np.arange(slots)
    said[slot >= length] = 0
    times = np.where(slot < length, length - slot, 0)
    asked = rng.integers(1, words, (EXAMPLES, width))
    asked[:, 3:] = 0
    return said, times, asked, rng.integers(1, words, EXAMPLES)


def _draws(slots: int) -> Iterator[tuple[Any, Any]]:
    """Yield the rows of a batch and times with gaps, a few of them again and again."""
    import numpy as np

    from gradnoise_reference_models.models.memory_network import random_rows, random_times

    rows = random_rows(0, 0, (8, BATCH), EXAMPLES)
    gaps = random_times(0, 0, inputs(slots)[1][rows], slots)
    while True:
        yield from (
            (np.ascontiguousarray(r), np.ascontiguousarray(g))
            for r, g in zip(rows, gaps, strict=True)
        )


def _ours(place: Place, work: Work) -> Call:
    import gradnoise_core as gn
    from gradnoise_reference_models.models import memory_network as model

    words, width = _VOCABULARY[work.size]
    network = model.MemoryNetwork(words, width, work.size, SIZE, HOPS)
    data = model.stories(network, *inputs(work.size), xp=place.xp, device=place.device)
    optimizer = gn.chain(gn.clip_by_norm(CLIP), gn.sgd(RATE))

    def step(params: Any, state: Any, data: Any, rows: Any, times: Any) -> Any:
        examples = model.gather(network, data, rows, times)
        found, grads = model.score_and_grads(network, params, examples)
        params, state = gn.apply_gradients(optimizer, grads, state, params)
        return model.without_null(network, params), state, found

    if place.library == "jax":
        step = place.backend.jit(step)
    params = model.init(network, 0, xp=place.xp, device=place.device)
    held = [params, optimizer.init(params)]
    draws = _draws(work.size)

    def call() -> Any:
        rows, times = (place.backend.from_host(a, device=place.device) for a in next(draws))
        held[0], held[1], found = step(held[0], held[1], data, rows, times)
        return held, found

    return call


def _autograd(encoder: str, place: Place, work: Work) -> Call:
    import torch

    from benchmarks.peers.torch_memory_network import TorchMemoryNetwork

    data = [torch.tensor(a) for a in inputs(work.size)]
    model = TorchMemoryNetwork(
        encoder,
        *data,
        vocabulary=_VOCABULARY[work.size][0],
        size=SIZE,
        hops=HOPS,
        rate=RATE,
        clip=CLIP,
    )
    draws = _draws(work.size)

    def call() -> Any:
        rows, times = (torch.from_numpy(a).long() for a in next(draws))
        return model.step(rows, times)

    return call


def _gathered(place: Place, work: Work) -> Call:
    return _autograd("gather", place, work)


def _bagged(place: Place, work: Work) -> Call:
    return _autograd("embedding_bag", place, work)


_OURS = Contestant("ours", True, _ours)
_JIT = Contestant("ours, jit", True, _ours)
#: On the CPU, in the process of ours, on as many threads.
_PEERS = (
    (
        Contestant("torch autograd, gather", False, _gathered),
        Contestant("torch autograd, embedding_bag", False, _bagged),
    )
    if importlib.util.find_spec("torch")
    else ()
)

CONTESTANTS = {
    "numpy": (_OURS, *_PEERS),
    "torch": (_OURS, *_PEERS),
    "jax": (_JIT, *_PEERS),
    "cupy": (_OURS,),
}
