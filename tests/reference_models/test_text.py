"""Texts for language models: tokens, split, vocabulary, streams, and the real texts' counts."""

import gzip
import hashlib
import itertools
import math
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradnoise_reference_models.data import DataError, TextData, load_corpus, load_text, text
from gradnoise_reference_models.data._text_data import vocabulary
from gradnoise_reference_models.data._text_tokens import split
from gradnoise_reference_models.data.text import Corpus, streams, tokens, windows

TOKENS = {
    "": "",
    "Hello": "hello <eos>",
    "A b. C d": "a b <eos> c d <eos>",
    "Stop! ... Now?!": "stop <eos> now <eos>",
    "...\n\n?!": "",
    "one\ntwo\n\nthree\n": "one two <eos> three <eos>",
    "one\r\ntwo\r\n\r\nthree": "one two <eos> three <eos>",
    "one\n \t\n\n  two": "one <eos> two <eos>",
    "don't 'tis dogs' well-known -so- a--b e-": "don't tis dogs well-known so a b e <eos>",
    "it's-a o'-x": "it's-a o x <eos>",
    "1,805 men at 7.30, on the 18th. 3.": "N men at N on the N th <eos> N <eos>",
    "x2y _under_score* (a) $5": "x N y under score a N <eos>",
    "TÊTE-À-Tête": "tête-à-tête <eos>",
    "Mr. Smith": "mr <eos> smith <eos>",
}


@pytest.mark.parametrize("raw", TOKENS)
def test_tokens(raw: str) -> None:
    assert " ".join(tokens(raw)) == TOKENS[raw]


@given(st.text(st.sampled_from("aB1'-.,!?\n \té_*"), max_size=40))
def test_no_sentence_is_empty_and_the_last_one_is_closed(raw: str) -> None:
    found = tokens(raw)
    assert all(word.strip("'-") == word for word in found)
    assert found[:1] != ["<eos>"]
    assert not found or found[-1] == "<eos>"
    assert ("<eos>", "<eos>") not in set(itertools.pairwise(found))
    assert tokens(raw.replace("\n", "\r\n")) == found


@given(st.integers(0, 1000))
def test_the_split_takes_every_twentieth_piece(n: int) -> None:
    text = [str(i) for i in range(n)]
    parts = split(text)
    pieces = [text[i * n // 100 : (i + 1) * n // 100] for i in range(100)]
    expected: tuple[list[str], ...] = ([], [], [])
    for i, piece in enumerate(pieces):
        expected[{9: 1, 19: 2}.get(i % 20, 0)].extend(piece)
    assert parts == expected
    assert sorted(itertools.chain(*parts), key=int) == text


def test_the_vocabulary_is_by_frequency_then_spelling() -> None:
    train = ["b", "a", "<eos>", "c", "a", "<unk>", "b", "d", "<eos>", "é"]
    assert vocabulary(train, 100) == ("<unk>", "<eos>", "a", "b", "c", "d", "é")
    assert vocabulary(train, 4) == ("<unk>", "<eos>", "a", "b")
    with pytest.raises(ValueError, match="`size` must be >= 3"):
        vocabulary(train, 2)


# --- streams ----------------------------------------------------------------


@given(st.integers(1, 300), st.integers(1, 20), st.integers(1, 10))
def test_streams_and_windows_are_those_of_the_formula(n: int, b: int, t: int) -> None:
    if b > n:
        with pytest.raises(ValueError, match=r"`batch_size` must be in \[1, S\]"):
            streams(np.arange(n), b)
        return
    data = streams(np.arange(n), b)
    length = n // b
    starts = [math.floor(j * n / b + 0.5) for j in range(b)]
    assert data.tolist() == [[start + i for start in starts] for i in range(length)]
    if t >= length:
        with pytest.raises(ValueError, match=r"`steps` must be in \[1, L - 1\]"):
            windows(data, t)
        return
    x, y = windows(data, t)
    assert x.shape == y.shape == ((length - 1) // t, t, b)
    for w in range(len(x)):
        assert x[w].tolist() == data[w * t : (w + 1) * t].tolist()
        assert y[w].tolist() == data[w * t + 1 : (w + 1) * t + 1].tolist()


def test_the_penn_treebank_would_give_2323_windows() -> None:
    x, _ = windows(streams(np.zeros(929589, np.int32), 20), 20)
    assert x.shape == (2323, 20, 20)


def test_bad_sizes_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"`batch_size` must be in \[1, S\], got 0"):
        streams(np.arange(9), 0)
    with pytest.raises(TypeError, match="`steps` must be an integer"):
        windows(streams(np.arange(9), 2), 1.5)  # type: ignore[arg-type]


# --- finding ----------------------------------------------------------------

RAW = "One two three. Two three four! Two three four three. " * 60
TINY = tuple(
    Corpus(
        name, f"the {name}", f"{name}.txt", len(raw), hashlib.sha256(raw).hexdigest(), ("x",), size
    )
    for name, raw, size in (("first", RAW.encode(), 5), ("second", RAW[31:].encode(), 100))
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GRADNOISE_DATA", raising=False)
    monkeypatch.setattr(
        "gradnoise_reference_models.data._places.cache_folder", lambda name: tmp_path / "c" / name
    )
    monkeypatch.setattr(
        text.load, "__kwdefaults__", {**(text.load.__kwdefaults__ or {}), "corpora": TINY}
    )
    return tmp_path / "c" / "text"


def put(folder: Path, name: str, raw: str, *, compressed: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (f"{name}.txt.gz" if compressed else f"{name}.txt")
    path.write_bytes(gzip.compress(raw.encode(), mtime=0) if compressed else raw.encode())
    return path


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("inside", [".", "text"])
def test_a_directory_holds_the_file_itself_or_in_a_subfolder(
    tmp_path: Path, cache: Path, compressed: bool, inside: str
) -> None:
    path = put(tmp_path / "given" / inside, "first", RAW, compressed=compressed)
    found = load_text("first", tmp_path / "given")
    assert found.source == str(path)
    assert found.vocabulary == ("<unk>", "<eos>", "three", "two", "four")
    assert found.text(found.train[:8]) == "<unk> two three <eos> two three four <eos>"
    assert found.train.dtype == np.int32
    assert [len(found.train), len(found.validation), len(found.test)] == [700, 40, 40]
    assert len(load_text("first", tmp_path / "given", size=6).vocabulary) == 6


def test_auto_takes_the_first_text_that_is_found_and_says_so(cache: Path) -> None:
    made = load_text()
    assert made.name == "generated"
    assert made.reason == (
        f"no text was found: GRADNOISE_DATA is not set; the cache {cache} does not exist"
    )
    second = put(cache, "second", RAW[31:])
    found = load_text()
    assert found.name == "second"
    assert found.reason == (
        f"the text was found in {second}; GRADNOISE_DATA is not set; the cache {cache} lacks "
        "first.txt (plain or .gz)"
    )
    first = put(cache, "first", RAW)
    assert load_text().source == str(first)
    assert load_text("second").reason == "asked for by name"


def test_the_environment_comes_before_the_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cache, "first", RAW)
    path = put(tmp_path / "named" / "text", "first", RAW)
    monkeypatch.setenv("GRADNOISE_DATA", str(tmp_path / "named"))
    assert load_text("first").source == str(path)
    monkeypatch.setenv("GRADNOISE_DATA", str(path))
    found = load_text("auto")
    assert found.source == str(cache / "first.txt")
    assert f"GRADNOISE_DATA={path} is no directory" in found.reason


@pytest.mark.parametrize("name", ["auto", "first"])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_damaged_file_is_refused_by_name_and_not_replaced(
    cache: Path, name: str, compressed: bool
) -> None:
    put(cache, "second", RAW[31:])
    path = put(cache, "first", RAW.replace("four", "flour"), compressed=compressed)
    with pytest.raises(DataError) as refusal:
        load_text(name)
    rule = "must unpack to 3180 bytes, got more" if compressed else "must have raw bytes of SHA-256"
    assert str(refusal.value).startswith(f"`{path}` {rule}")
    assert "`gradnoise data download first`" in str(refusal.value)


def test_what_is_asked_for_and_absent_is_refused(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(DataError, match=r"the first must be in.*`gradnoise data download first`"):
        load_text("first")
    with pytest.raises(DataError, match=r"`directory` must hold a text, but no text was found"):
        load_text("auto", tmp_path)
    with pytest.raises(ValueError, match="`directory` must be None for a generated text"):
        load_text("generated", tmp_path)
    with pytest.raises(ValueError, match=r"`name` must be one of auto, war_and_peace, .*, got 'x'"):
        load_text("x")


# --- the form of the Penn Treebank ------------------------------------------

PTB = {
    "train": " no it was n't black <unk> \n the N stocks \n",
    "valid": " the it \n",
    "test": "no\n\n",
}


def ptb(folder: Path, **changes: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part, content in PTB.items():
        (folder / f"ptb.{part}.txt").write_bytes(changes.get(part, content.encode()))
    return folder


@pytest.mark.parametrize("inside", [".", "data", "simple-examples/data"])
def test_files_of_the_penn_treebank_are_read_as_they_are(tmp_path: Path, inside: str) -> None:
    ptb(tmp_path / inside)
    found = load_corpus(tmp_path)
    assert found.text(found.train) == "no it was n't black <unk> <eos> the N stocks <eos>"
    assert found.text(found.validation) == "the it <eos>"
    assert found.text(found.test) == "no <eos> <eos>"
    assert found.vocabulary == (
        "<unk>",
        "<eos>",
        *sorted(["no", "it", "was", "n't", "black", "the", "N", "stocks"]),
    )
    assert (found.name, found.source) == ("corpus", str(tmp_path / inside))
    assert load_corpus(tmp_path, size=3).text([0, 1, 2]) == "<unk> <eos> N"


def test_bad_files_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"`path` must be a folder.*nowhere, which does not exist"):
        load_corpus(tmp_path / "nowhere")
    (ptb(tmp_path / "part") / "ptb.valid.txt").unlink()
    with pytest.raises(DataError, match=r"part, which lacks ptb\.valid\.txt\."):
        load_corpus(tmp_path / "part")
    with pytest.raises(DataError, match="which is no directory"):
        load_corpus(tmp_path / "part" / "ptb.test.txt")
    with pytest.raises(
        DataError, match=r"ptb\.valid\.txt` line 2 must be UTF-8, got the byte 0xff"
    ):
        load_corpus(ptb(tmp_path / "latin", valid=b"a\nb\xff\n"))
    with pytest.raises(DataError, match=r"ptb\.test\.txt` must hold a sentence a line"):
        load_corpus(ptb(tmp_path / "empty", test=b""))


def test_characters_that_look_like_line_ends_are_not(tmp_path: Path) -> None:
    found = load_corpus(ptb(tmp_path, valid="a\u2028b\x0bc\r\nd".encode()))
    assert np.count_nonzero(found.validation == 1) == 2


# --- the real texts ---------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> str:
    named = os.environ.get("GRADNOISE_DATA")
    if not named:
        pytest.skip("GRADNOISE_DATA is not set")
    for corpus in text.CORPORA:
        path, misses = text.find(corpus, named)
        if path is None:
            pytest.skip(f"no {corpus.title}: {'; '.join(misses)}")
    return named


#: Name, vocabulary: tokens; unknown words in %; perplexity of a unigram model with one added to each
#: count, and of an interpolated Kneser-Ney bigram model, on validation and test text.
COUNTS = {
    ("war_and_peace", 10000): (
        (537334, 29852, 29852), (1.68, 3.20, 2.82), (524.8, 534.5), (174.6, 191.5)
    ),
    ("war_and_peace", 5000): (
        (537334, 29852, 29852), (5.01, 6.34, 5.70), (383.0, 400.9), (130.7, 145.6)
    ),
    ("tiny_shakespeare", 5000): (
        (194082, 10783, 10783), (4.46, 7.19, 6.19), (408.5, 437.3), (213.8, 224.4)
    ),
    ("tiny_shakespeare", 2000): (
        (194082, 10783, 10783), (10.80, 12.67, 12.02), (240.5, 252.4), (126.6, 133.3)
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", COUNTS)
def test_real_counts(real: str, case: tuple[str, int]) -> None:
    name, size = case
    found = load_text(name, real, size=size)
    parts = (found.train, found.validation, found.test)
    tokens_, unknown, unigram, bigram = COUNTS[case]
    assert tuple(len(part) for part in parts) == tokens_
    assert tuple(round(100 * float(np.mean(part == 0)), 2) for part in parts) == unknown
    assert len(found.vocabulary) == size
    for part, one, two in zip(parts[1:], unigram, bigram, strict=True):
        assert round(unigram_perplexity(found, part), 1) == one
        # Authors differ in how the discounted counts of the border tokens are taken.
        assert kneser_ney_perplexity(found, part) == pytest.approx(two, rel=1e-3)


@pytest.mark.parametrize(("name", "types"), [("war_and_peace", 17660), ("tiny_shakespeare", 12253)])
def test_real_types_and_usual_vocabulary(real: str, name: str, types: int) -> None:
    everything = load_text(name, real, size=10**6)
    assert len(everything.vocabulary) == types + 1  # <unk>, which the training text has not
    usual = load_text(name, real)
    assert len(usual.vocabulary) == {"war_and_peace": 10000, "tiny_shakespeare": 5000}[name]


def test_real_first_tokens(real: str) -> None:
    found = load_text("war_and_peace", real, size=10**6)
    assert found.text(found.train[:28]) == (
        "well prince so genoa and lucca are now just family estates of the buonapartes <eos> but i "
        "warn you if you don't tell me that this means war"
    )
    assert found.title.startswith("War and Peace (Tolstoy, ")


def unigram_perplexity(found: TextData, part: np.ndarray) -> float:
    counts = np.bincount(found.train, minlength=len(found.vocabulary)) + 1
    return float(np.exp(-np.mean(np.log(counts[part] / counts.sum()))))


def kneser_ney_perplexity(found: TextData, part: np.ndarray, discount: float = 0.75) -> float:
    """Interpolated, with continuation counts smoothed by 0.5 (Kneser and Ney, 1995)."""
    train, size = found.train.tolist(), len(found.vocabulary)
    pairs = Counter(itertools.pairwise(train))
    before = Counter(train[:-1])
    into, out = Counter(w for _, w in pairs), Counter(v for v, _ in pairs)
    total = 0.0
    words = part.tolist()
    for v, w in itertools.pairwise(words):
        lower = (into[w] + 0.5) / (len(pairs) + 0.5 * size)
        if before[v]:
            kept = max(pairs[v, w] - discount, 0) / before[v]
            lower = kept + discount * out[v] / before[v] * lower
        total += math.log(lower)
    return math.exp(-total / (len(words) - 1))
