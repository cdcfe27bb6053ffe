"""Texts for word-level language models, after Zaremba et al. (2014, arXiv:1409.2329), section 4.

The paper's text, the Penn Treebank, is licensed and cannot be downloaded: `load_corpus` reads your
copy. Two texts in the public domain stand in for it, and a generated one where no text is at hand.
"""

from collections.abc import Sequence
from dataclasses import replace

from gradnoise_core import _check
from gradnoise_reference_models.data._dataset import DataError
from gradnoise_reference_models.data._places import ENVIRONMENT, Directory
from gradnoise_reference_models.data._text_corpora import CORPORA, Corpus, checked_text, find
from gradnoise_reference_models.data._text_data import TextData, encoded
from gradnoise_reference_models.data._text_grammar import generated
from gradnoise_reference_models.data._text_ptb import load_corpus
from gradnoise_reference_models.data._text_streams import streams, windows
from gradnoise_reference_models.data._text_tokens import split, tokens

__all__ = [
    "CORPORA",
    "GENERATED",
    "NAMES",
    "Corpus",
    "TextData",
    "checked_text",
    "find",
    "load",
    "load_corpus",
    "streams",
    "tokens",
    "windows",
]

#: The name of the text that we generate.
GENERATED = "generated"


#: What `load` knows.
NAMES = ("auto", *(corpus.name for corpus in CORPORA), GENERATED)


def load(
    name: str = "auto",
    directory: Directory = None,
    *,
    size: int | None = None,
    seed: int = 0,
    corpora: Sequence[Corpus] = CORPORA,
) -> TextData:
    """Return a text as token ids, split 90 : 5 : 5 into training, validation and test.

    Parameters
    ----------
    name : str
        "war_and_peace"; "tiny_shakespeare"; "generated"; or "auto": the first of them that is
        found. The result's `name` and `reason` say which and why. Files that are found and bad are
        refused, never passed over.
    directory : path, optional
        The only folder to look in. By default: the directory named by the environment variable
        ``GRADNOISE_DATA``, then the cache.
    size : int, optional
        Most entries of the vocabulary, ``<unk>`` and ``<eos>`` included; by default 10,000 for War
        and Peace, 5,000 for tiny Shakespeare and every word of a generated text.
    seed : int
        Of the generated text, in [0, 2**64).
    corpora : sequence of Corpus
        The texts and their checksums.

    Raises
    ------
    DataError
        If the text is not found, or its file is not what it should be.
    ValueError
        If there is no text of that name, or `directory` is given for the generated one.

    Examples
    --------
    >>> load("generated", size=1000).title
    'sentences of a small grammar over made-up words (perplexity 59.7 under the grammar), 101,346 \
training, 5,631 validation and 5,631 test tokens, vocabulary of 1,000'
    """
    if name == GENERATED:
        return _generated(directory, size, seed, "asked for by name")
    known = {corpus.name: corpus for corpus in corpora}
    if name in known:
        return _read(known[name], directory, size)
    if name != "auto":
        message = f"`name` must be one of {', '.join(NAMES)}, got {name!r}."
        raise ValueError(message)
    misses: dict[str, None] = {}
    for corpus in corpora:
        path, missed = find(corpus, directory)
        misses.update(dict.fromkeys(missed))
        if path is not None:
            found = _read(corpus, directory, size)
            return replace(found, reason="; ".join((f"the text was found in {path}", *misses)))
    why = f"no text was found: {'; '.join(misses)}"
    if directory is not None:
        message = f"`directory` must hold a text, but {why}. Leave it out for a generated one."
        raise DataError(message)
    return _generated(None, size, seed, why)


def _read(corpus: Corpus, directory: Directory, size: int | None) -> TextData:
    get = f"`gradnoise data download {corpus.name}`"
    path, misses = find(corpus, directory)
    if path is None:
        message = (
            f"{corpus.title} must be in one of the places looked at, got: {'; '.join(misses)}. "
            f"Run {get}, or set {ENVIRONMENT} to the folder that holds {corpus.file}."
        )
        raise DataError(message)
    remedy = f"Replace or remove it; {get} puts a good copy into the cache."
    text = checked_text(path.read_bytes(), path, corpus, remedy=remedy)
    return encoded(
        split(tokens(text)),
        corpus.vocabulary if size is None else size,
        name=corpus.name,
        title=corpus.title,
        source=str(path),
        reason="asked for by name",
    )


def _generated(directory: Directory, size: int | None, seed: int, reason: str) -> TextData:
    if directory is not None:
        message = f"`directory` must be None for a generated text, got {str(directory)!r}."
        raise ValueError(message)
    made = generated(_check.integer_below("seed", seed, 64))
    return encoded(
        split(tokens(made.text)),
        (1 << 32) - 1 if size is None else size,
        name=GENERATED,
        title=f"sentences of a small grammar over made-up words (perplexity {made.floor:.1f} under "
        "the grammar)",
        source=f"our generator, seed {seed}",
        reason=reason,
        floor=made.floor,
    )
