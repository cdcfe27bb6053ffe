"""The made-up words of the generated text, and how often each is said of which topic."""

import itertools
from bisect import bisect_right
from dataclasses import dataclass

from gradnoise_core.random import leaf_key
from gradnoise_reference_models.data._draws import Draws

__all__ = ["TOPICS", "Lexicon", "lexicon"]

TOPICS = 12

#: Stems by kind: verbs with an object, without one, and of saying.
SIZES = {
    "noun": 600,
    "transitive": 200,
    "intransitive": 100,
    "saying": 20,
    "adjective": 200,
    "adverb": 60,
    "name": 100,
}

#: Zipf's law in integers: rank r has weight floor(SCALE / (r + OFFSET)), from r = 0.
SCALE, OFFSET = 1 << 20, 3

#: The weight of a topic's own ranking, beside that of all topics.
OWN = 2

_ONSETS = ("b", "br", "d", "f", "g", "gr", "h", "k", "l", "m", "n", "p", "pl", "r", "t", "tr", "v")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ou")
_CODAS = ("", "", "", "n", "r", "l", "m", "t", "k")


@dataclass(frozen=True)
class Lexicon:
    """Stems by kind, and by kind and topic the running totals of their weights."""

    stems: dict[str, list[str]]
    totals: dict[str, list[list[int]]]

    def draw(self, draws: Draws, kind: str, topic: int) -> int:
        """Return the index of a stem."""
        totals = self.totals[kind][topic]
        return bisect_right(totals, draws.below(totals[-1]))

    def probability(self, kind: str, topic: int, index: int) -> float:
        """Return how likely `draw` is to return `index`."""
        totals = self.totals[kind][topic]
        return (totals[index] - (totals[index - 1] if index else 0)) / totals[-1]


def lexicon(seed: int) -> Lexicon:
    """Return the words of a seed. No stem ends in s, so stem + s is another word."""
    draws = Draws(leaf_key(seed, "lexicon", 0, domain="text"))
    used: set[str] = {"the", "a", "that", "and", "but", "near", "behind", "beside", "every", "this"}
    stems = {kind: [_word(draws, used) for _ in range(n)] for kind, n in SIZES.items()}
    totals = {
        kind: [_totals(draws.shuffled(range(n))) for _ in range(TOPICS)]
        for kind, n in SIZES.items()
    }
    return Lexicon(stems, totals)


def _word(draws: Draws, used: set[str]) -> str:
    while True:
        syllables = range(2 + draws.below(2))
        word = "".join(draws.choice(_ONSETS) + draws.choice(_VOWELS) for _ in syllables)
        word += draws.choice(_CODAS)
        if word not in used:
            used.add(word)
            return word


def _totals(ranks: list[int]) -> list[int]:
    """Return running totals of each stem's weight: its common rank is its index."""
    weights = (
        SCALE // (i + OFFSET) + OWN * (SCALE // (rank + OFFSET)) for i, rank in enumerate(ranks)
    )
    return list(itertools.accumulate(weights))
