"""An update of many runs of the 20-layer network: side by side as one array program, or in turn.

The networks, their data's shape and their noise are those of table 1 of the paper; what is timed is
the step that training makes, its minibatch brought to the device included. `Work.leaves` is the
number of runs here, and `Work.size` the number of parameters of one. glibc is told to keep freed
memory, as the runner tells its workers.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from benchmarks.place import Place
from benchmarks.timing import Call
from benchmarks.work import ETA, GAMMA, Contestant, Work

__all__ = ["CONTESTANTS", "PARAMETERS", "RUNS"]

#: How many runs train together; a setting of table 1 has 40.
RUNS = (1, 10, 40)

SIZES = (784, *(50,) * 20, 10)
PARAMETERS = sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(SIZES))
BATCH, EXAMPLES, CLIP, RATE = 50, 2000, 10.0, 0.1


def _together(place: Place, work: Work) -> Call:
    return _stepping(place, [range(work.leaves)])


def _in_turn(place: Place, work: Work) -> Call:
    return _stepping(place, [[seed] for seed in range(work.leaves)])


def _stepping(place: Place, ensembles: Sequence[Sequence[int]]) -> Call:
    """Return a call that makes a step of each ensemble.

    Ensembles of one size share a compiled step, and so the noise of the first one's seeds: to compile
    for each would take the time of thousands of steps.
    """
    trainer = _trainer(place, ensembles[0])
    step = place.backend.jit(trainer.step) if place.library == "jax" else trainer.step
    data = _data()
    train = [place.backend.from_host(x, device=place.device) for x in (data.train_x, data.train_y)]
    states = [_start(place, seeds) for seeds in ensembles]
    rows = _rows(len(ensembles[0]))
    made = [0]

    def call() -> Any:
        chosen = next(rows)
        for i, (params, optimizer) in enumerate(states):
            indices = place.backend.from_host(chosen, device=place.device)
            params, optimizer, loss = step(params, optimizer, *train, indices, made[0])
            states[i] = params, optimizer
        made[0] += 1
        return loss, states

    return call


def _start(place: Place, seeds: Sequence[int]) -> tuple[Any, Any]:
    from gradnoise_reference_models.initializers import he_normal

    state = _trainer(place, seeds).start(he_normal(), SIZES)
    return state.params, state.optimizer


def _trainer(place: Place, seeds: Sequence[int]) -> Any:
    import gradnoise_core as gn
    from gradnoise_reference_models.training import Trainer

    several = list(seeds)
    optimizer = gn.noisy(gn.sgd(RATE), eta=ETA, gamma=GAMMA, clip=CLIP, seed=several)
    return Trainer(_data(), several, optimizer, BATCH, place.backend, device=place.device)


def _data() -> Any:
    import numpy as np

    from gradnoise_reference_models.data import ClassificationData

    rng = np.random.Generator(np.random.SFC64(0))
    x = rng.random((EXAMPLES, SIZES[0]), np.float32)
    y = rng.integers(0, SIZES[-1], EXAMPLES, np.int32)
    return ClassificationData("random", "", "", "", x, y, x, y, SIZES[-1])


def _rows(runs: int) -> Iterator[Any]:
    """Yield indices of minibatches, a few of them again and again."""
    import numpy as np

    rng = np.random.Generator(np.random.SFC64(1))
    some = rng.integers(0, EXAMPLES, (8, runs, BATCH), np.int32)
    while True:
        yield from some


_BOTH = (Contestant("one program", True, _together), Contestant("solo runs", False, _in_turn))

CONTESTANTS = {"numpy": _BOTH, "torch": _BOTH, "jax": _BOTH, "cupy": _BOTH}
