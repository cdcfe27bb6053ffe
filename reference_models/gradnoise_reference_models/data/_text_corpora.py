"""Texts in the public domain: what they are, where they are looked for, whether they are intact."""

from pathlib import Path
from typing import NamedTuple

from gradnoise_reference_models.data._dataset import DataError
from gradnoise_reference_models.data._gzip import decompressed, verified
from gradnoise_reference_models.data._places import Directory, places
from gradnoise_reference_models.data._utf8 import utf8

__all__ = ["CORPORA", "NAME", "Corpus", "checked_text", "existing", "find"]

#: The folder of the texts below a folder of data sets.
NAME = "text"


class Corpus(NamedTuple):
    """A text in the public domain, as its file must be.

    Attributes
    ----------
    name : str
        What `load` calls it.
    title : str
        The text in plain words.
    file : str
        The file's name; its compressed form ends in ``.gz``.
    size : int
        The number of raw bytes.
    sha256 : str
        Hexadecimal SHA-256 of the raw bytes.
    urls : tuple of str
        Where it is served, in the order in which the addresses are tried.
    vocabulary : int
        The usual size of its vocabulary.
    """

    name: str
    title: str
    file: str
    size: int
    sha256: str
    urls: tuple[str, ...]
    vocabulary: int


_GITHUB = "https://raw.githubusercontent.com"
_COMMITS = ("2d0fdf30f4afbcf01c1b8c7b408e738a0161d613", "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e")

#: The texts, the larger one first.
CORPORA = (
    Corpus(
        "war_and_peace",
        "War and Peace (Tolstoy, translated by Louise and Aylmer Maude)",
        "war_and_peace.txt",
        3196228,
        "b0fc81c399971eaf738c8be89809e6a0d95c151749112b04f06b6af648d8a39f",
        (
            f"{_GITHUB}/MrHereward/machine_learning_sandbox/{_COMMITS[0]}/warpeace_input.txt",
            "https://cs.stanford.edu/people/karpathy/char-rnn/warpeace_input.txt",
        ),
        10_000,
    ),
    Corpus(
        "tiny_shakespeare",
        "tiny Shakespeare (excerpts of the plays)",
        "tinyshakespeare.txt",
        1115394,
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        (f"{_GITHUB}/karpathy/char-rnn/{_COMMITS[1]}/data/tinyshakespeare/input.txt",),
        5_000,
    ),
)


def find(corpus: Corpus, directory: Directory = None) -> tuple[Path | None, tuple[str, ...]]:
    """Return the file of a text, and why each place before it does not hold it.

    The places are `directory` alone if it is given; otherwise the one that the environment variable
    ``GRADNOISE_DATA`` names, then the cache. Each may hold the file itself or in a subfolder
    ``text``, plain or ending in ``.gz``.
    """
    misses = []
    for place, folders in places(directory, NAME):
        if not folders:
            misses.append(f"{place} is not set")
            continue
        found = (existing(folder, corpus) for folder in folders)
        path = next((path for path in found if path is not None), None)
        if path is not None:
            return path, tuple(misses)
        lack = f"lacks {corpus.file} (plain or .gz)" if folders[0].is_dir() else "is no directory"
        misses.append(f"{place} {lack if folders[0].exists() else 'does not exist'}")
    return None, tuple(misses)


def checked_text(content: bytes, path: object, corpus: Corpus, *, remedy: str = "") -> str:
    """Return the text in the bytes of a file, plain or gzip-compressed; `path` names it in errors.

    Raises
    ------
    DataError
        If it is truncated, corrupt, or another one.
    """
    try:
        raw = verified(decompressed(content, corpus.size), corpus.sha256)
    except DataError as error:
        message = f"`{path}` {error}. {remedy}".rstrip()
        raise DataError(message) from error
    return utf8(raw, path)


def existing(folder: Path, corpus: Corpus) -> Path | None:
    """Return where the text is in `folder`, plain or else compressed, or None."""
    paths = (folder / corpus.file, folder / f"{corpus.file}.gz")
    return next((path for path in paths if path.is_file()), None)
