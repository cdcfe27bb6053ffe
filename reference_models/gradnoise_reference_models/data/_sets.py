"""The data sets of the paper's experiments, registered."""

import functools

from gradnoise_reference_models.data import babi, babi_stories, digits, mnist, text
from gradnoise_reference_models.data._dataset import ClassificationData
from gradnoise_reference_models.data._places import Directory
from gradnoise_reference_models.data._registry import DataSet, register
from gradnoise_reference_models.data._samples import image_samples, story_samples, text_samples
from gradnoise_reference_models.data.download import download_babi, download_mnist, download_text

__all__: list[str] = []


def _without_files(name: str, directory: Directory) -> None:
    if directory is not None:
        message = f"`directory` must be None for {name}, which has no files, got {directory!r}."
        raise ValueError(message)


def _digits(variant: str | None, directory: Directory) -> ClassificationData:
    _without_files("digits", directory)
    return digits.load()


def _stories(variant: str | None, directory: Directory) -> babi.StoryData:
    _without_files("stories", directory)
    return babi_stories.load(variant or 1)


def _text(name: str, variant: str | None, directory: Directory) -> text.TextData:
    return text.load(name, directory)


register(
    DataSet(
        "mnist",
        "70,000 handwritten digits of 28x28 pixels (LeCun et al., 1998).",
        "CC BY-SA 3.0, as is generally stated",
        lambda variant, directory: mnist.load(directory),
        image_samples,
        download=download_mnist,
    )
)
register(
    DataSet(
        "digits",
        "1,797 handwritten digits of 8x8 pixels that ship with scikit-learn.",
        "CC BY 4.0",
        _digits,
        image_samples,
    )
)
register(
    DataSet(
        "babi",
        "20 question-answering tasks, 1,000 training questions each (Weston et al., 2015).",
        "CC BY 3.0 (Facebook)",
        lambda variant, directory: babi.load(variant or 1, directory),
        story_samples,
        variants=babi.VARIANTS,
        download=download_babi,
    )
)
register(
    DataSet(
        "stories",
        "Stories in the form of bAbI that we generate, for when bAbI is not at hand.",
        "part of this package",
        _stories,
        story_samples,
        variants=babi_stories.VARIANTS,
    )
)
for _corpus in text.CORPORA:
    register(
        DataSet(
            _corpus.name,
            f"{_corpus.title}, for language models.",
            "public domain",
            functools.partial(_text, _corpus.name),
            text_samples,
            download=functools.partial(download_text, _corpus),
        )
    )
register(
    DataSet(
        text.GENERATED,
        "Sentences of a small grammar that we generate, for when no text is at hand.",
        "part of this package",
        functools.partial(_text, text.GENERATED),
        text_samples,
    )
)
