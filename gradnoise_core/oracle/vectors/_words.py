"""Vectors of the cipher, the keys and the words: compared to the bit."""

import itertools
from typing import Any

import numpy as np

from gradnoise_core.oracle.vectors._places import DOMAINS, PATHS, PLACES, SEEDS, STEPS, Place
from gradnoise_core.oracle.vectors._vector import BITS, Arrays, Maker, Output, Vector
from gradnoise_core.random import Key, fold_in, key, leaf_key, words

__all__ = ["MAKERS"]

_MASK = 2**32 - 1

#: Key and counter: zeros, ones, the digits of pi (Random123's known answers), and single bits.
_CIPHER = (
    ((0, 0), (0, 0)),
    ((_MASK, _MASK), (_MASK, _MASK)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3)),
    *(((1 << i, 0), (0, 0)) for i in (0, 15, 31)),
    *(((0, 1 << i), (0, 0)) for i in (0, 15, 31)),
    *(((0, 0), (1 << i, 0)) for i in (0, 15, 31)),
    *(((0, 0), (0, 1 << i)) for i in (0, 15, 31)),
)

_FOLDED = (0, 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63, 2**64 - 1)


def _exact(array: Any) -> Output:
    return Output(np.asarray(array, dtype=np.uint32), {"uint32": BITS})


def _cipher(arrays: Arrays) -> Vector:
    keys, counters = (np.asarray(column, np.uint32) for column in zip(*_CIPHER, strict=True))
    found = [fold_in(Key(*k), c[0] << 32 | c[1]) for k, c in _CIPHER]
    return Vector(
        "Threefry-2x32 with 20 rounds: row i is the pair of words that it makes under keys[i] of "
        "counters[i].",
        {"rounds": 20},
        {"words": _exact(found)},
        {"keys": keys, "counters": counters},
    )


def _fold_in(arrays: Arrays) -> Vector:
    found = [[fold_in(key(s), n) for n in _FOLDED] for s in SEEDS]
    return Vector(
        "keys[i, j] is the key fold_in(key(seeds[i]), numbers[j]), high word first.",
        {"seeds": [str(s) for s in SEEDS], "numbers": [str(n) for n in _FOLDED]},
        {"keys": _exact(found)},
    )


def _leaf_keys(arrays: Arrays) -> Vector:
    axes = (SEEDS, DOMAINS, PATHS, STEPS)
    found = [leaf_key(s, p, t, domain=d) for s, d, p, t in itertools.product(*axes)]
    return Vector(
        "keys[i, j, k, l] is the key of the leaf paths[k] in domains[j] at steps[l] under "
        "seeds[i], high word first.",
        {
            "seeds": [str(s) for s in SEEDS],
            "domains": list(DOMAINS),
            "paths": list(PATHS),
            "steps": [str(t) for t in STEPS],
        },
        {"keys": _exact(np.reshape(np.asarray(found, np.uint32), (*map(len, axes), 2)))},
    )


def _of_places(places: tuple[Place, ...]) -> Maker:
    def make(arrays: Arrays) -> Vector:
        drawn = [
            arrays.numpy(
                words(
                    leaf_key(p.seed, p.path, p.step, domain=p.domain),
                    p.shape,
                    xp=arrays.xp,
                    device=arrays.device,
                    within=p.within,
                    at=p.at,
                )
            )
            for p in places
        ]
        return Vector(
            "words[i] are the words of cases[i], read as unsigned; replicas come first.",
            {"cases": [p.as_json() for p in places]},
            {"words": _exact(np.stack(drawn).astype(np.int32, copy=False).view(np.uint32))},
        )

    return make


MAKERS: dict[str, Maker] = {
    "words/cipher": _cipher,
    "words/fold-in": _fold_in,
    "words/leaf-keys": _leaf_keys,
    **{f"words/{name}": _of_places(places) for name, places in PLACES.items()},
}
