"""bAbI where it is found, and otherwise stories like it."""

from dataclasses import replace

from gradnoise_reference_models.data import babi, babi_stories
from gradnoise_reference_models.data._babi_encoding import StoryData
from gradnoise_reference_models.data._dataset import DataError
from gradnoise_reference_models.data._places import Directory

__all__ = ["STORY_SOURCES", "load_stories"]

#: What `load_stories` can be told to read.
STORY_SOURCES = ("auto", "babi", "stories")


def load_stories(
    task: int | str = 1, source: str = "auto", *, directory: Directory = None, seed: int = 0
) -> StoryData:
    """Return stories with questions, of one task or of all of them.

    Parameters
    ----------
    task : int or str
        1 to 20, or "joint".
    source : str
        "babi"; "stories", which we generate; or "auto": bAbI if it is found, otherwise stories. The
        result's `name` and `reason` say which and why. Files that are found and bad are refused,
        never passed over.
    directory : path, optional
        The only place to look for bAbI in: a folder, or its archive. By default: the directory
        named by the environment variable ``GRADNOISE_DATA``, then the cache.
    seed : int
        Of the joint variant's validation set, and of generated stories, in [0, 2**64).

    Raises
    ------
    DataError
        If bAbI is asked for and not found, or one of its files is not what it should be; or if
        there are no generated stories of that task either.
    ValueError
        If there is no such task or source, or `directory` is given for generated stories.

    Examples
    --------
    >>> load_stories(2, "stories").vocabulary[:5]
    ('', 'mary', 'travelled', 'to', 'the')
    """
    if source not in STORY_SOURCES:
        message = f"`source` must be one of {', '.join(STORY_SOURCES)}, got {source!r}."
        raise ValueError(message)
    if source == "stories":
        if directory is not None:
            message = f"`directory` must be None for generated stories, got {str(directory)!r}."
            raise ValueError(message)
        return babi_stories.load(task, seed=seed)
    path, misses = babi.find(directory)
    # A directory that was asked for and holds no bAbI is a mistake to report, not to work around.
    if source == "babi" or path is not None or directory is not None:
        found = babi.load(task, directory, seed=seed)
        if source == "babi":
            return found
        return replace(found, reason="; ".join((f"bAbI was found in {found.source}", *misses)))
    variant = babi.variant_of(task, babi.VARIANTS)
    why = f"bAbI was not found: {'; '.join(misses)}"
    if variant not in babi_stories.VARIANTS:
        message = (
            f"`task` must be one of {', '.join(babi_stories.VARIANTS)}, of which stories can be "
            f"generated, got {task!r}, and {why}. Run `gradnoise data download babi`."
        )
        raise DataError(message)
    return babi_stories.load(variant, seed=seed, reason=why)
