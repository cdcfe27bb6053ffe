"""From parsed files to a data set: dictionary, arrays, validation set."""

from collections.abc import Mapping

from gradnoise_core.random import leaf_key
from gradnoise_core.typing import Array
from gradnoise_reference_models.data._babi_encoding import (
    Stories,
    StoryData,
    dictionary,
    encode,
    joined,
)
from gradnoise_reference_models.data._babi_files import PARTS
from gradnoise_reference_models.data._babi_format import Parsed
from gradnoise_reference_models.data.batches import permutation

__all__ = ["JOINT", "assembled", "joint_order"]

#: The variant that holds the questions of every task.
JOINT = "joint"


def joint_order(seed: int, n: int) -> Array:
    """Return the order in which the joint split takes n training questions.

    It is ``permutation(leaf_key(seed, "babi/joint", 0, domain="data-order"), n)``.
    """
    return permutation(leaf_key(seed, "babi/joint", 0, domain="data-order"), n)


def assembled(
    files: Mapping[int, tuple[Parsed, Parsed]],
    variant: str,
    *,
    seed: int,
    name: str,
    title: str,
    source: str,
    reason: str,
) -> StoryData:
    """Return the data set of the tasks in `files`, a training and a test file each.

    A tenth of the training questions is for validation: of a single task the last ones, of the
    joint variant the last ones of `joint_order`.
    """
    words = dictionary(*zip(*files.values(), strict=True))
    train, test = (
        joined(
            [
                encode(pair[part].questions, words, task, f"task {task}, {PARTS[part]}")
                for task, pair in files.items()
            ]
        )
        for part in range(len(PARTS))
    )
    kept, held = _split(train, seed if variant == JOINT else None)
    return StoryData(
        name=name,
        variant=variant,
        title=f"{title}, {len(kept):,} training, {len(held):,} validation and {len(test):,} test "
        "questions",
        source=source,
        reason=reason,
        vocabulary=words.vocabulary,
        answers=words.answers,
        train=kept,
        validation=held,
        test=test,
    )


def _split(train: Stories, seed: int | None) -> tuple[Stories, Stories]:
    if seed is not None:
        train = train.take(joint_order(seed, len(train)))
    held = len(train) // 10
    return train.take(slice(len(train) - held)), train.take(slice(len(train) - held, None))
