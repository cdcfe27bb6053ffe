"""bAbI (Weston et al., 2015, arXiv:1502.05698): 20 question-answering tasks, version 1.2.

English, 1,000 training questions a task. The files are found as MNIST's are, and each one's SHA-256
is verified at every load, whether it lies in a folder or in an archive.
"""

import functools

from gradnoise_core import _check
from gradnoise_reference_models.data._babi_encoding import Stories, StoryData
from gradnoise_reference_models.data._babi_files import FILES, BabiFiles
from gradnoise_reference_models.data._babi_find import ARCHIVES, GET, NAME, contents, find
from gradnoise_reference_models.data._babi_format import Parsed, Question, parse
from gradnoise_reference_models.data._babi_split import JOINT, assembled
from gradnoise_reference_models.data._dataset import DataError
from gradnoise_reference_models.data._places import ENVIRONMENT, Directory

__all__ = [
    "ARCHIVES",
    "FILES",
    "URLS",
    "VARIANTS",
    "BabiFiles",
    "Parsed",
    "Question",
    "Stories",
    "StoryData",
    "find",
    "load",
    "parse",
    "variant_of",
]

#: Where the archive is served, in the order in which the addresses are tried.
URLS = (
    "https://s3.amazonaws.com/text-datasets/babi_tasks_1-20_v1-2.tar.gz",
    "http://www.thespermwhale.com/jaseweston/babi/tasks_1-20_v1-2.tar.gz",
)

#: What `load` knows: each task by its number, and all of them together.
VARIANTS = (*(str(file.task) for file in FILES), JOINT)


def load(
    task: int | str = 1,
    directory: Directory = None,
    *,
    seed: int = 0,
    reason: str = "asked for by name",
    files: tuple[BabiFiles, ...] = FILES,
) -> StoryData:
    """Return a task of bAbI, or all of them, encoded as in Sukhbaatar et al. (2015).

    Each question is an example: its memory is every statement of its story that stands before it,
    of which the latest M = min(50, most in a training story) are kept. Words are in lower case; ids
    are in the order of first appearance in the training files and then the test files, after the
    null word, 0. An answer is one class, even if it is a list such as "apple,milk".

    Parameters
    ----------
    task : int or str
        1 to 20; or "joint", every task with one dictionary.
    directory : path, optional
        The only place to look in, if given: a folder, or the archive itself.
    seed : int
        Of the joint variant's validation set, in [0, 2**64). A task's own is its last 100 training
        questions.
    reason : str
        Goes into the result.
    files : tuple of BabiFiles
        What the files must be.

    Raises
    ------
    DataError
        If bAbI is not found: the message lists the places looked at and how to get it; or if a file
        is not what it should be: the message names it.
    ValueError
        If there is no such task.
    """
    variant = variant_of(task, VARIANTS)
    path, misses = find(directory, files=files)
    if path is None:
        message = (
            f"bAbI must be in one of the places looked at, got: {'; '.join(misses)}. Run {GET}, "
            f"or set {ENVIRONMENT} to the folder that holds its archive or its unpacked files."
        )
        raise DataError(message)
    wanted = [file for file in files if variant in (JOINT, str(file.task))]
    content = contents(path, wanted)
    several = len(wanted) > 1
    what = f"tasks 1 to {len(files)}" if several else f"task {variant} ({wanted[0].title})"
    return assembled(
        {file.task: _parsed(file, content) for file in wanted},
        variant,
        seed=_check.integer_below("seed", seed, 64),
        name=NAME,
        title=f"bAbI 1.2 {what}",
        source=str(path),
        reason=reason,
    )


def variant_of(task: int | str, known: tuple[str, ...]) -> str:
    """Return the name of a variant, after refusing one that is not `known`."""
    variant = str(task)
    if isinstance(task, bool) or variant not in known:
        message = f"`task` must be one of {', '.join(known)}, got {task!r}."
        raise ValueError(message)
    return variant


def _parsed(file: BabiFiles, content: dict[str, bytes]) -> tuple[Parsed, Parsed]:
    train, test = (_parse(content[name], name) for name in file.checksums)
    return train, test


@functools.lru_cache(maxsize=40)
def _parse(content: bytes, name: str) -> Parsed:
    return parse(content, name)
