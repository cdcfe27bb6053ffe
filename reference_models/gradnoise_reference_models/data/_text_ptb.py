"""The Penn Treebank's text as it is prepared for language models (Mikolov et al., 2010)."""

import os
from pathlib import Path

from gradnoise_reference_models.data._dataset import DataError
from gradnoise_reference_models.data._text_data import TextData, encoded
from gradnoise_reference_models.data._text_tokens import END
from gradnoise_reference_models.data._utf8 import lines, utf8

__all__ = ["FILES", "load_corpus"]

#: For training, validation and testing.
FILES = ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt")

#: Where the files may be below the folder that is given: in itself, or as Mikolov's archive has it.
FOLDERS = (".", "data", "simple-examples/data")


def load_corpus(path: str | os.PathLike[str], *, size: int = 10_000) -> TextData:
    """Return the text of files in the form of the Penn Treebank's.

    Each file is UTF-8, a sentence a line; tokens are parted by white space and taken as they are,
    and every line end becomes ``<eos>``. The Penn Treebank itself has 929,589 training, 73,760
    validation and 82,430 test tokens and a vocabulary of 10,000 in this form.

    Parameters
    ----------
    path : path
        The folder of ``ptb.train.txt``, ``ptb.valid.txt`` and ``ptb.test.txt``, which may also lie in
        its subfolder ``data`` or ``simple-examples/data``.
    size : int
        Most entries of the vocabulary, ``<unk>`` and ``<eos>`` included.

    Raises
    ------
    DataError
        If a file is absent, empty or not UTF-8: the message names it.
    """
    folder = _folder(Path(path).expanduser())
    return encoded(
        [_tokens(folder / name) for name in FILES],
        size,
        name="corpus",
        title=f"the corpus in {folder.name}",
        source=str(folder),
        reason="asked for by path",
    )


def _folder(path: Path) -> Path:
    for name in FOLDERS:
        if all((path / name / file).is_file() for file in FILES):
            return path / name
    absent = [file for file in FILES if not (path / file).is_file()]
    what = f"lacks {', '.join(absent)}" if path.is_dir() else "is no directory"
    message = (
        f"`path` must be a folder that holds {', '.join(FILES)}, got {path}, which "
        f"{what if path.exists() else 'does not exist'}."
    )
    raise DataError(message)


def _tokens(path: Path) -> list[str]:
    sentences = lines(utf8(path.read_bytes(), path))
    if not sentences:
        message = f"`{path}` must hold a sentence a line, got an empty file."
        raise DataError(message)
    return [token for sentence in sentences for token in (*sentence.split(), END)]
