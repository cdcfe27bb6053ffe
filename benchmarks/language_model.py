"""An update of the LSTM language model: ours, its gradient by hand, and torch's, by autograd.

The network is the small one of Zaremba et al. (2014), 2 layers of 200 units, with their batch of 20
streams and window of 20 steps, and random words. `Work.size` is the number of words it knows. What
is timed is the step that training makes without noise, whose cost has a section of its own: from
the words of a window on the host to new parameters and the loss.
"""

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.place import Place
from benchmarks.timing import Call
from benchmarks.work import Contestant, Work

__all__ = ["CONTESTANTS", "WORDS"]

#: How many words the network knows: those of the Penn Treebank.
WORDS = (10_000,)

UNITS, LAYERS, BATCH, WINDOW, CLIP, RATE, BOUND = 200, 2, 20, 20, 5.0, 1.0, 0.1

#: Windows of random words, again and again.
SOME = 8


def _windows(vocabulary: int) -> Iterator[tuple[Any, Any]]:
    """Yield words and the words that follow them, ``(T, B)``."""
    import numpy as np

    rng = np.random.Generator(np.random.SFC64(0))
    text = rng.integers(0, vocabulary, (SOME, WINDOW + 1, BATCH), np.int32)
    while True:
        yield from ((np.ascontiguousarray(w[:-1]), np.ascontiguousarray(w[1:])) for w in text)


def _stepping(place: Place, work: Work, wrap: Callable[[Any], Any]) -> Call:
    import gradnoise_core as gn
    from gradnoise_reference_models.models import lstm_language_model as model

    optimizer = gn.chain(gn.clip_by_global_norm(CLIP), gn.sgd(RATE))

    def step(params: Any, state: Any, carried: Any, x: Any, targets: Any) -> Any:
        loss, grads, carried = model.loss_and_grads(params, x, targets, carried)
        params, state = gn.apply_gradients(optimizer, grads, state, params)
        return params, state, carried, loss

    params = model.init(
        model.uniform(BOUND), 0, work.size, UNITS, LAYERS, xp=place.xp, device=place.device
    )
    held = [params, optimizer.init(params), model.zero_state(params, BATCH)]
    del params  # else the first ones, donated, would stay referred to
    compiled, some = wrap(step), _windows(work.size)

    def call() -> Any:
        x, targets = (place.backend.from_host(a, device=place.device) for a in next(some))
        *held[:], loss = compiled(*held, x, targets)
        return held, loss

    return call


def _ours(place: Place, work: Work) -> Call:
    return _stepping(place, work, lambda step: step)


def _ours_jit(place: Place, work: Work) -> Call:
    import jax

    return _stepping(place, work, lambda step: jax.jit(step, donate_argnums=(0, 1, 2)))


def _autograd(place: Place, work: Work) -> Call:
    import torch

    from benchmarks.peers.torch_language_model import TorchLanguageModel

    made = TorchLanguageModel(work.size, UNITS, LAYERS, rate=RATE, clip=CLIP, bound=BOUND)
    some = _windows(work.size)

    def call() -> Any:
        x, targets = (torch.from_numpy(a).long() for a in next(some))
        return made.step(x, targets)

    return call


_OURS = Contestant("ours", True, _ours)
_JIT = Contestant("ours, jit", True, _ours_jit)
#: On the CPU, in the process of ours, on as many threads.
_PEERS = (
    (Contestant("torch autograd", False, _autograd),) if importlib.util.find_spec("torch") else ()
)

CONTESTANTS = {
    "numpy": (_OURS, *_PEERS),
    "torch": (_OURS, *_PEERS),
    "jax": (_JIT, *_PEERS),
    "cupy": (_OURS,),
}
