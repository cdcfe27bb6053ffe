"""The generated text: its bits, its grammar, and that its perplexity is known."""

import functools
import hashlib
import itertools
import math
from collections import Counter

import numpy as np
import pytest

from gradnoise_reference_models.data import TextData, load_text
from gradnoise_reference_models.data import _text_grammar as grammar
from gradnoise_reference_models.data._text_grammar import Generated, generated
from gradnoise_reference_models.data._text_lexicon import SIZES, TOPICS, lexicon
from gradnoise_reference_models.data._text_tokens import tokens

WORDS = lexicon(0)
KIND = {
    form: (kind, ending)
    for kind, stems in WORDS.stems.items()
    for stem in stems
    for form, ending in ((stem, ""), (stem + "s", "s"))
    if not ending or kind in ("noun", "transitive", "intransitive", "saying")
}


@pytest.fixture(scope="module")
def made() -> Generated:
    return generated(0)


@pytest.fixture(scope="module")
def found() -> TextData:
    return load_text("generated")


def test_the_text_is_pinned(made: Generated) -> None:
    """It must be the same on every machine, and stay so."""
    assert hashlib.sha256(made.text.encode()).hexdigest() == PINNED
    assert made.floor == pytest.approx(59.729960337200126, rel=1e-12)


PINNED = "4b657ee02547cb6600f2cd5f9ff13a77fd4dca2334a545113cd3456e83666a03"


def test_every_form_belongs_to_one_kind_of_word() -> None:
    forms = [
        form
        for kind, stems in WORDS.stems.items()
        for stem in stems
        for form in ((stem, stem + "s") if kind in VARIED else (stem,))
    ]
    function = set(itertools.chain(*grammar.DETERMINERS.values(), grammar.PREPOSITIONS)) | {
        "that",
        *grammar.JOINTS,
    }
    assert len(set(forms)) == len(forms) == len(KIND)
    assert not set(forms) & function


VARIED = ("noun", "transitive", "intransitive", "saying")


# --- a parser that knows the grammar only from its description ---------------

Ends = dict[
    int, list[float]
]  # where a phrase may end, with the structure's log-probability of each


class Parser:
    """Every derivation of a sentence, by recursive descent."""

    def __init__(self, sentence: list[str]) -> None:
        self.words = sentence

    def derivations(self) -> list[float]:
        out = [p + math.log(0.8) for p in self.clause(0).get(len(self.words), [])]
        for joint, firsts in self.clause(0).items():
            if joint < len(self.words) and self.words[joint] in ("and", "but"):
                seconds = self.clause(joint + 1).get(len(self.words), [])
                out += [a + b + math.log(0.2 / 2) for a in firsts for b in seconds]
        return out

    def is_a(self, at: int, kind: str, ending: str = "") -> bool:
        return at < len(self.words) and KIND.get(self.words[at]) == (kind, ending)

    @functools.cache  # noqa: B019
    def clause(self, at: int) -> Ends:
        out: Ends = {}
        for plural in (False, True):
            for end, firsts in self.phrase(at, plural).items():
                add(out, firsts, self.verb_phrase(end, plural))
        return out

    @functools.cache  # noqa: B019
    def phrase(self, at: int, plural: bool) -> Ends:
        out: Ends = {}
        if self.is_a(at, "name") and not plural:
            out.setdefault(at + 1, []).append(math.log(0.25))
        determiners = ("the", "these", "many", "some") if plural else ("the", "a", "this", "every")
        if at < len(self.words) and self.words[at] in determiners:
            p = math.log(0.75 * (0.4 if plural else 0.6) / 4)
            for noun, q in ((at + 1, 0.65), (at + 2, 0.35)):
                if noun == at + 2 and not self.is_a(at + 1, "adjective"):
                    continue
                if self.is_a(noun, "noun", "s" if plural else ""):
                    self.after_noun(noun + 1, plural, p + math.log(q), out)
        return out

    def after_noun(self, at: int, plural: bool, p: float, out: Ends) -> None:
        add(out, [p + math.log(0.66)], {at: [0.0]})
        if at >= len(self.words):
            return
        if self.words[at] in ("near", "behind", "beside", "with"):
            for number in (False, True):
                add(out, [p + math.log(0.18 / 4)], self.phrase(at + 1, number))
        if self.words[at] == "that":
            add(out, [p + math.log(0.10)], self.verb_phrase(at + 1, plural))
            for number in (False, True):
                for end, inner in self.phrase(at + 1, number).items():
                    if self.is_a(end, "transitive", "" if number else "s"):
                        add(out, [p + math.log(0.06)], {end + 1: inner})

    @functools.cache  # noqa: B019
    def verb_phrase(self, at: int, plural: bool) -> Ends:
        out: Ends = {}
        ending = "" if plural else "s"
        if self.is_a(at, "intransitive", ending):
            add(out, [math.log(0.35 * 0.7)], {at + 1: [0.0]})
            if self.is_a(at + 1, "adverb"):
                add(out, [math.log(0.35 * 0.3)], {at + 2: [0.0]})
        if self.is_a(at, "transitive", ending):
            for number in (False, True):
                add(out, [math.log(0.53)], self.phrase(at + 1, number))
        if self.is_a(at, "saying", ending) and self.words[at + 1 : at + 2] == ["that"]:
            add(out, [math.log(0.12)], self.clause(at + 2))
        return out


def add(out: Ends, firsts: list[float], seconds: Ends) -> None:
    for end, ps in seconds.items():
        out.setdefault(end, []).extend(a + b for a in firsts for b in ps)


@pytest.fixture(scope="module")
def paragraphs(made: Generated) -> list[list[list[str]]]:
    """Sentences as lists of words, in paragraphs."""
    return [
        [line.removesuffix(".").lower().split() for line in paragraph.splitlines()]
        for paragraph in made.text.strip().split("\n\n")
    ]


@pytest.fixture(scope="module")
def structures(paragraphs: list[list[list[str]]]) -> list[tuple[list[str], float]]:
    """Every 6th sentence and the log-probability of its structure, if it has one derivation."""
    out = []
    for sentence in list(itertools.chain(*paragraphs))[::6]:
        derivations = Parser(sentence).derivations()
        assert len(derivations) == 1, sentence
        out.append((sentence, derivations[0]))
    return out


def test_a_sentence_has_exactly_one_derivation(
    structures: list[tuple[list[str], float]],
) -> None:
    assert len(structures) == 2000


def test_a_wrong_sentence_has_none(structures: list[tuple[list[str], float]]) -> None:
    """The negative control: agreement broken at one verb."""
    broken = 0
    for sentence, _ in structures[:200]:
        changed = list(sentence)
        at = next(i for i, word in enumerate(sentence) if KIND.get(word, ("",))[0] in VARIED[1:])
        word = changed[at]
        changed[at] = word[:-1] if KIND[word][1] else word + "s"
        broken += not Parser(changed).derivations()
    assert broken >= 195  # "the" and a relative clause can save one or other


def test_the_floor_is_the_perplexity_of_the_text_under_the_grammar(
    made: Generated, paragraphs: list[list[list[str]]]
) -> None:
    """By the forward algorithm on a text of few sentences, over every sequence of three topics."""
    short = generated(0, 3)
    sentences = [line.removesuffix(".").lower().split() for line in short.text.split("\n") if line]
    assert len(sentences) == 3
    logs = []
    for topics in itertools.product(range(TOPICS), repeat=3):
        log_p = math.log(1 / TOPICS)
        for i, (sentence, topic) in enumerate(zip(sentences, topics, strict=True)):
            if i:
                stays = topics[i - 1] == topic
                log_p += math.log(0.88 * stays + 0.12 / TOPICS)
            [structure] = Parser(sentence).derivations()
            log_p += structure + sum(stem_log(word, topic) for word in sentence if word in KIND)
        logs.append(log_p)
    total = np.logaddexp.reduce(logs)
    n = sum(len(sentence) + 1 for sentence in sentences)
    assert short.floor == pytest.approx(math.exp(-total / n), rel=1e-9)


def stem_log(word: str, topic: int) -> float:
    kind, ending = KIND[word]
    index = WORDS.stems[kind].index(word.removesuffix("s") if ending else word)
    return math.log(WORDS.probability(kind, topic, index))


@pytest.mark.parametrize("kind", SIZES)
def test_the_weights_of_a_kind_are_zipfs_and_a_topics_own(kind: str) -> None:
    n = SIZES[kind]
    table = np.array([[WORDS.probability(kind, k, i) for i in range(n)] for k in range(TOPICS)])
    np.testing.assert_allclose(table.sum(axis=1), 1, rtol=1e-12)
    zipf = 1 / (np.arange(n) + 3)
    own = table * 3 * zipf.sum() - zipf  # what remains is the topic's ranking, twice
    np.testing.assert_allclose(
        np.sort(own, axis=1)[:, ::-1], np.tile(2 * zipf, (TOPICS, 1)), rtol=1e-2
    )
    assert len({tuple(np.argsort(row)) for row in own}) == TOPICS


def test_there_is_more_to_learn_than_frequencies_and_pairs(found: TextData) -> None:
    """A bigram model lies well between the unigram model and the floor."""
    counts = np.bincount(found.train, minlength=len(found.vocabulary)) + 1
    unigram = float(np.exp(-np.mean(np.log(counts[found.test] / counts.sum()))))
    pairs = Counter(itertools.pairwise(found.train.tolist()))
    share = counts / counts.sum()
    logs = [
        math.log((pairs[v, w] + 20 * share[w]) / (counts[v] + 20))
        for v, w in itertools.pairwise(found.test.tolist())
    ]
    bigram = math.exp(-sum(logs) / len(logs))
    assert found.floor is not None
    assert found.floor * 2 < bigram < unigram * 0.7


def test_the_tokens_are_the_words_of_the_text(made: Generated, found: TextData) -> None:
    read = tokens(made.text)
    assert len(read) == len(found.train) + len(found.validation) + len(found.test)
    assert read.count("<eos>") == grammar.SENTENCES
    assert "N" not in read
    assert found.name == "generated"
    assert found.source == "our generator, seed 0"
    assert found.title == (
        "sentences of a small grammar over made-up words (perplexity 59.7 under the grammar), "
        "101,346 training, 5,631 validation and 5,631 test tokens, vocabulary of 2,216"
    )


def test_seeds_give_different_texts() -> None:
    assert generated(1, 5).text != generated(0, 5).text
    with pytest.raises(ValueError, match="`seed` must be in"):
        load_text("generated", seed=-1)
