r"""A generated text for language models, of known entropy.

Sentences of a small grammar over made-up words whose frequencies follow Zipf's law::

    sentence  -> clause [("and" | "but") clause] "."
    clause    -> phrase verb-phrase
    verb      -> intransitive [adverb] | transitive phrase | saying "that" clause
    phrase    -> name | determiner [adjective] noun [preposition phrase | "that" relative]
    relative  -> verb-phrase | phrase transitive

A verb agrees in number with its subject, across whatever stands between, and so do determiner and
noun. A topic, kept from sentence to sentence and now and then drawn anew, favours words of its own.
So there is something to learn at every range: frequencies, word order, agreement, topic. A sentence
has one derivation only, so its probability under each topic is known, and that of the text follows
from the forward algorithm over the topics.
"""

import functools
import math
from dataclasses import dataclass, field

import numpy as np

from gradnoise_core.random import leaf_key
from gradnoise_reference_models.data._draws import Draws
from gradnoise_reference_models.data._text_lexicon import TOPICS, Lexicon, lexicon

__all__ = ["SENTENCES", "Generated", "generated"]

SENTENCES = 12_000

#: Chances in per cent.
NEW_TOPIC, JOINED, NAME, PLURAL, ADJECTIVE, ADVERB = 12, 20, 25, 40, 35, 30

#: What follows a noun, and what a verb phrase is, each with its chance in per cent.
AFTER_NOUN = {"nothing": 66, "place": 18, "subject": 10, "object": 6}
VERBS = {"intransitive": 35, "transitive": 53, "saying": 12}

DETERMINERS = {False: ("the", "a", "this", "every"), True: ("the", "these", "many", "some")}
PREPOSITIONS = ("near", "behind", "beside", "with")
JOINTS = ("and", "but")


@dataclass(frozen=True)
class Generated:
    """A text, and its perplexity under the grammar that it is drawn from, per word or sentence end.

    Attributes
    ----------
    text : str
        A paragraph for each run of sentences on one topic, a line each.
    floor : float
        ``exp(-log p(text) / n)`` for n tokens, sentence ends included.
    """

    text: str
    floor: float


@dataclass
class _Sentence:
    """A sentence as it grows, and the logarithm of its probability."""

    draws: Draws
    words: Lexicon
    topic: int
    said: list[str] = field(default_factory=list)
    structure: float = 0.0  # log-probability of every choice but those of stems
    stems: list[tuple[str, int]] = field(default_factory=list)

    def chance(self, per_cent: int) -> bool:
        yes = self.draws.chance(per_cent)
        self.structure += math.log((per_cent if yes else 100 - per_cent) / 100)
        return yes

    def kind(self, chances: dict[str, int]) -> str:
        at = self.draws.below(100)
        for kind, chance in chances.items():
            if at < chance:
                self.structure += math.log(chance / 100)
                return kind
            at -= chance
        message = f"chances must add up to 100, got {chances}"
        raise AssertionError(message)

    def say(self, *choices: str) -> None:
        self.said.append(self.draws.choice(choices))
        self.structure -= math.log(len(choices))

    def stem(self, kind: str, ending: str = "") -> None:
        index = self.words.draw(self.draws, kind, self.topic)
        self.stems.append((kind, index))
        self.said.append(self.words.stems[kind][index] + ending)

    def clause(self) -> None:
        self.verb_phrase(plural=self.phrase())

    def phrase(self) -> bool:
        """Say a noun phrase; return whether it is plural."""
        if self.chance(NAME):
            self.stem("name")
            self.said[-1] = self.said[-1].capitalize()
            return False
        plural = self.chance(PLURAL)
        self.say(*DETERMINERS[plural])
        if self.chance(ADJECTIVE):
            self.stem("adjective")
        self.stem("noun", "s" if plural else "")
        match self.kind(AFTER_NOUN):
            case "place":
                self.say(*PREPOSITIONS)
                self.phrase()
            case "subject":
                self.say("that")
                self.verb_phrase(plural=plural)
            case "object":
                self.say("that")
                self.stem("transitive", "" if self.phrase() else "s")
        return plural

    def verb_phrase(self, *, plural: bool) -> None:
        kind = self.kind(VERBS)
        self.stem(kind, "" if plural else "s")
        match kind:
            case "intransitive":
                if self.chance(ADVERB):
                    self.stem("adverb")
            case "transitive":
                self.phrase()
            case "saying":
                self.say("that")
                self.clause()


@functools.lru_cache(maxsize=2)
def generated(seed: int, sentences: int = SENTENCES) -> Generated:
    """Return the text of a seed.

    Sentence i is drawn under ``leaf_key(seed, "sentence", i, domain="text")``.
    """
    words = lexicon(seed)
    paragraphs: list[list[str]] = []
    belief = np.full(TOPICS, 1 / TOPICS)  # p(topic of the next sentence | sentences so far)
    log_p, n, topic = 0.0, 0, 0
    for i in range(sentences):
        draws = Draws(leaf_key(seed, "sentence", i, domain="text"))
        if i == 0 or draws.chance(NEW_TOPIC):
            topic = draws.below(TOPICS)
            paragraphs.append([])
        sentence = _Sentence(draws, words, topic)
        sentence.clause()
        if sentence.chance(JOINED):
            sentence.say(*JOINTS)
            sentence.clause()
        paragraphs[-1].append(_written(sentence.said))
        n += len(sentence.said) + 1
        log_p += sentence.structure + _forward(sentence, belief)
    text = "\n\n".join("\n".join(lines) for lines in paragraphs) + "\n"
    return Generated(text, math.exp(-log_p / n))


def _written(words: list[str]) -> str:
    return f"{words[0].capitalize()} {' '.join(words[1:])}."


def _forward(sentence: _Sentence, belief: np.ndarray) -> float:
    """Return ``log p(stems | sentences before)``, and bring `belief` to the next sentence."""
    table = sentence.words.probability
    each = [sum(math.log(table(kind, k, i)) for kind, i in sentence.stems) for k in range(TOPICS)]
    highest = max(each)
    joint = belief * np.exp(np.array(each) - highest)
    total = float(joint.sum())
    belief[:] = joint / total * (1 - NEW_TOPIC / 100) + NEW_TOPIC / 100 / TOPICS
    return math.log(total) + highest
