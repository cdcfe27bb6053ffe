"""The memory network as its paper and its authors' program state it: gathers, loops, no bags."""

from typing import Any, NamedTuple

import numpy as np

__all__ = ["CASES", "Case", "Examples", "examples", "loss", "loss_in_loops", "weight"]

#: Options of a network, by the name of a case: both tyings, all kinds and places of times...
CASES: dict[str, dict[str, Any]] = {
    "usual": {"hops": 2},
    "bag-of-words": {"hops": 3, "kind": "bag-of-words"},
    "paper": {"hops": 2, "kind": "position-paper", "times": "matrix", "rectifier": True},
    "no-times": {"hops": 1, "times": "none"},
    "masked": {"hops": 2, "kind": "bag-of-words", "times": "matrix", "masked": True},
    "null": {"hops": 2, "null": True},
    "null-bag-of-words": {"hops": 2, "null": True, "kind": "bag-of-words"},
    "layer-wise": {"hops": 3, "tying": "layer-wise"},
    "layer-wise-paper": {
        "hops": 2,
        "tying": "layer-wise",
        "kind": "position-paper",
        "times": "matrix",
        "masked": True,
        "rectifier": True,
        "null": True,
    },
    "layer-wise-no-times": {"hops": 2, "tying": "layer-wise", "times": "none", "null": True},
}

WORDS, WIDTH, MEMORY, SIZE = 7, 4, 5, 3


class Case(NamedTuple):
    """The options of a network, with those that are the default."""

    hops: int
    tying: str = "adjacent"
    kind: str = "position"
    times: str = "rows"
    masked: bool = False
    rectifier: bool = False
    null: bool = False


class Examples(NamedTuple):
    """Word ids, with full, short and empty stories, repeated words, and times with gaps."""

    words: Any
    times: Any
    questions: Any
    answers: Any


def examples(replicas: int | None = None) -> Examples:
    """Return four examples; other ones for each replica."""
    rng = np.random.default_rng(5)
    lead = () if replicas is None else (replicas,)
    words = rng.integers(1, WORDS, (*lead, 4, MEMORY, WIDTH))
    words[np.arange(WIDTH) >= rng.integers(1, WIDTH + 1, (*lead, 4, MEMORY, 1))] = 0
    words[..., 0, 0, :3] = 2  # one word thrice
    times = np.zeros((*lead, 4, MEMORY), np.int64)
    times[..., 0, :] = [5, 5, 3, 2, 1]  # times above M were cut to M
    times[..., 1, :] = [4, 2, 1, 0, 0]
    times[..., 2, :] = [1, 0, 0, 0, 0]
    words[times == 0] = 0  # the last example has no story at all
    questions = rng.integers(1, WORDS, (*lead, 4, WIDTH))
    questions[..., 1, 2:] = 0
    return Examples(words, times, questions, rng.integers(1, WORDS, (*lead, 4)))


def weight(kind: str, j: int, a: int, J: int, d: int) -> float:
    """Return l_ja as the specification writes it, j and a from 1."""
    if kind == "bag-of-words":
        return 1.0
    if kind == "position":
        return 1 + 4 * (a - (d + 1) / 2) * (j - (J + 1) / 2) / (d * J)
    return (1 - j / J) - (a / d) * (1 - 2 * j / J)


def _time_position(case: Case) -> int:
    return int(case.times == "rows")


def loss_in_loops(case: Case, params: Any, data: Examples, linear: bool) -> float:
    """Return the sum of the losses, one number after another."""
    total = 0.0
    K, d = case.hops, SIZE
    adjacent = case.tying == "adjacent"

    def encode(layer: Any, words: Any, time: int) -> list[float]:
        E, out = layer["embedding"], [0.0] * d
        said = sum(1 for v in words if v)
        J = WIDTH + _time_position(case) if case.kind != "position-paper" else said
        for a in range(d):
            for j, v in enumerate(words):
                if v:
                    out[a] += weight(case.kind, j + 1, a + 1, J, d) * E[v, a]
            if time and case.times == "rows":
                scale = weight(case.kind, J, a + 1, J, d) if case.kind == "position" else 1.0
                out[a] += scale * E[WORDS + time - 1, a]
            elif time and "times" in layer:
                out[a] += layer["times"][time - 1, a]
        return out

    for words, times, question, answer in zip(*data, strict=True):
        u = encode(params["E"][0] if adjacent else params["B"], question, 0)
        for k in range(K):
            A = params["E"][k] if adjacent else params["A"]
            C = params["E"][k + 1] if adjacent else params["C"]
            slots = [i for i in range(MEMORY) if times[i] or not case.masked]
            m = [encode(A, words[i], times[i]) for i in slots]
            c = [encode(C, words[i], times[i]) for i in slots]
            p = [sum(x * y for x, y in zip(u, row, strict=True)) for row in m]
            if not linear:
                e = [np.exp(x) for x in p]
                p = [x / sum(e) for x in e]
            o = [sum(p[i] * c[i][a] for i in range(len(slots))) for a in range(d)]
            if not adjacent:
                H = params["H"]["weight"]
                u = [sum(H[a, b] * u[b] for b in range(d)) for a in range(d)]
            u = [x + y for x, y in zip(u, o, strict=True)]
            if case.rectifier:
                u = [max(x, 0.0) for x in u]
        W = (params["E"][-1] if adjacent else params["W"])["embedding"]
        z = [sum(row[a] * u[a] for a in range(d)) for row in W]
        total += np.log(sum(np.exp(x) for x in z)) - z[answer]
    return float(total)


def loss(xp: Any, case: Case, params: Any, data: Examples, linear: bool) -> Any:
    """Return the same with gathers, for torch's and JAX's own gradients; `xp` is one of them.

    Null words are gathered too: their embedding is zero, and has a gradient.
    """
    d, rows_of_time = SIZE, case.times == "rows"
    adjacent = case.tying == "adjacent"
    words, times, questions, answers = data

    def weights(ids: Any) -> Any:
        """Return l of each word: (..., width, d)."""
        out = np.zeros((*ids.shape, d))
        for at in np.ndindex(ids.shape):
            J = WIDTH + rows_of_time
            if case.kind == "position-paper":
                J = int((ids[at[:-1]] != 0).sum())
                if at[-1] >= J:
                    continue
            out[at] = [weight(case.kind, at[-1] + 1, a + 1, J, d) for a in range(d)]
        return xp.asarray(out)

    J = WIDTH + 1
    time_weight = [
        weight(case.kind, J, a + 1, J, d) if case.kind == "position" else 1.0 for a in range(d)
    ]

    def encode(layer: Any, ids: Any, times: Any = None) -> Any:
        E = layer["embedding"]
        out = (E[xp.asarray(ids)] * weights(ids)).sum(-2)
        if times is not None and rows_of_time:
            row = np.where(times > 0, WORDS + times - 1, 0)
            out = out + E[xp.asarray(row)] * xp.asarray(np.asarray(time_weight))
        elif times is not None and "times" in layer:
            said = layer["times"][xp.asarray(np.maximum(times - 1, 0))]
            out = out + said * xp.asarray((times > 0)[..., None].astype(np.float64))
        return out

    u = encode(params["E"][0] if adjacent else params["B"], questions)
    filled = xp.asarray(times > 0)
    for k in range(case.hops):
        m = encode(params["E"][k] if adjacent else params["A"], words, times)
        c = encode(params["E"][k + 1] if adjacent else params["C"], words, times)
        p = xp.einsum("nmd,nd->nm", m, u)
        if case.masked:
            p = xp.where(filled, p, 0.0)
        if not linear:
            e = xp.exp(p)
            if case.masked:
                e = xp.where(filled, e, 0.0)
            total = e.sum(-1)[:, None]
            p = e / xp.where(total == 0, xp.ones_like(total), total)
        o = xp.einsum("nm,nmd->nd", p, c)
        u = o + (u if adjacent else xp.einsum("ab,nb->na", params["H"]["weight"], u))
        if case.rectifier:
            u = xp.where(u > 0, u, 0.0)
    W = (params["E"][-1] if adjacent else params["W"])["embedding"]
    z = xp.einsum("nd,vd->nv", u, W)
    picked = z[xp.asarray(np.arange(len(answers))), xp.asarray(answers)]
    return (xp.log(xp.exp(z).sum(-1)) - picked).sum()
