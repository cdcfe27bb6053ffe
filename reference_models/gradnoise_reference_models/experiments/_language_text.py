"""Which text a language model is trained on: one by name, or a folder of one's own files."""

from pathlib import Path

from gradnoise_reference_models.data import DataError, TextData, load_corpus, load_text
from gradnoise_reference_models.data.text import NAMES

__all__ = ["load_words"]


def load_words(corpus: str, size: int | None = None) -> TextData:
    """Return a text by name, or that of a folder of files in the form of the Penn Treebank's.

    Parameters
    ----------
    corpus : str
        A name in `data.text.NAMES`, which comes first; or a path.
    size : int, optional
        Most entries of the vocabulary; the text's own default if None.

    Raises
    ------
    DataError
        If there is no such text or folder, or a file in it is absent or bad.
    """
    if corpus in NAMES:
        return load_text(corpus, size=size)
    path = Path(corpus).expanduser()
    if not path.is_dir():
        message = (
            f"`corpus` must be one of {', '.join(NAMES)}, or a folder of Penn Treebank files, got "
            f"{corpus!r}, which is neither."
        )
        raise DataError(message)
    return load_corpus(path) if size is None else load_corpus(path, size=size)
