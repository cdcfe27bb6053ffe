"""Stories in the form of bAbI that we generate, for when bAbI itself is not at hand.

A little world is simulated and told in bAbI's words and format, so that the same reader reads it.
Every choice is drawn from the stream: the text of a seed is the same on every machine. The stories
are not bAbI's, and errors on them are not to be set beside published ones.
"""

import functools
from collections.abc import Callable

from gradnoise_core import _check
from gradnoise_core.random import leaf_key
from gradnoise_reference_models.data._babi_encoding import StoryData
from gradnoise_reference_models.data._babi_files import FILES, PARTS
from gradnoise_reference_models.data._babi_format import Parsed, parse
from gradnoise_reference_models.data._babi_split import JOINT, assembled
from gradnoise_reference_models.data._babi_tasks_pairs import AND, BOTH, PRONOUN, told_of
from gradnoise_reference_models.data._babi_tasks_rules import afraid, colors, directions, motives
from gradnoise_reference_models.data._babi_tasks_world import (
    GIVERS,
    asks_before,
    asks_carried,
    asks_count,
    asks_gifts,
    asks_person,
    asks_thing,
    asks_whether,
    told_by,
)
from gradnoise_reference_models.data._draws import Draws
from gradnoise_reference_models.data.babi import variant_of

__all__ = ["QUESTIONS", "STORIES", "VARIANTS", "load", "text"]

#: Questions in the text of a task, for training (the last tenth of them validates) and for testing.
QUESTIONS = 1000

#: How often somebody who can do several things does which.
_HOLDING = {"move": 4, "take": 8, "drop": 3}
_GIVING = {"move": 4, "take": 8, "drop": 2, "give": 8}

#: By task: how a story is made.
STORIES: dict[int, Callable[[Draws], list[str]]] = {
    1: told_by(asks_person, {"move": 1}),
    2: told_by(asks_thing, _HOLDING),
    3: told_by(asks_before, _HOLDING),
    4: directions,
    5: told_by(asks_gifts, _GIVING, GIVERS),
    6: told_by(asks_whether, _HOLDING),
    7: told_by(asks_count, _GIVING),
    8: told_by(asks_carried, _HOLDING),
    11: told_of(PRONOUN),
    12: told_of(AND),
    13: told_of(BOTH),
    15: afraid,
    16: colors,
    20: motives,
}

#: What `load` knows: each task by its number, and all of them together.
VARIANTS = (*map(str, STORIES), JOINT)


def load(task: int | str = 1, *, seed: int = 0, reason: str = "asked for by name") -> StoryData:
    """Return generated stories of a task, or of all of them, encoded as bAbI is.

    Parameters
    ----------
    task : int or str
        One of `VARIANTS`.
    seed : int
        Of the stories, in [0, 2**64), and of the joint variant's validation set.
    reason : str
        Goes into the result.

    Raises
    ------
    ValueError
        If there is no generator of that task.

    Examples
    --------
    >>> load(15).title
    'generated stories like bAbI task 15 (basic-deduction), 900 training, 100 validation and \
1,000 test questions'
    """
    variant = variant_of(task, VARIANTS)
    tasks = list(STORIES) if variant == JOINT else [int(variant)]
    titles = {file.task: file.title for file in FILES}
    what = f"tasks {', '.join(map(str, tasks))}" if variant == JOINT else f"task {variant}"
    return assembled(
        {number: _parsed(number, seed) for number in tasks},
        variant,
        seed=seed,
        name="stories",
        title=f"generated stories like bAbI {what}"
        + ("" if variant == JOINT else f" ({titles[tasks[0]]})"),
        source=f"our generator, seed {seed}",
        reason=reason,
    )


def text(task: int, part: str, *, seed: int = 0, questions: int = QUESTIONS) -> str:
    """Return stories in bAbI's format, cut after that many questions.

    Story i is drawn under ``leaf_key(seed, f"{task}/{part}", i, domain="stories")``.

    Parameters
    ----------
    task : int
        One of `STORIES`.
    part : str
        "train" or "test".
    seed : int
        In [0, 2**64).
    questions : int
        At least 1.

    Examples
    --------
    >>> print(text(1, "train", questions=1).expandtabs(1), end="")
    1 John travelled to the kitchen.
    2 Sandra journeyed to the garden.
    3 Where is John? kitchen 1
    """
    seed = _check.integer_below("seed", seed, 64)
    if part not in PARTS:
        message = f"`part` must be one of {', '.join(PARTS)}, got {part!r}."
        raise ValueError(message)
    if _check.integer_below("questions", questions, 32) == 0:
        message = "`questions` must be >= 1, got 0."
        raise ValueError(message)
    story = STORIES[int(variant_of(task, VARIANTS[:-1]))]
    lines: list[str] = []
    asked = index = 0
    while asked < questions:
        key = leaf_key(seed, f"{task}/{part}", index, domain="stories")
        for line in story(Draws(key)):
            lines.append(line)
            asked += "\t" in line
            if asked == questions:
                break
        index += 1
    return "\n".join(lines) + "\n"


@functools.lru_cache(maxsize=2 * len(STORIES))
def _parsed(task: int, seed: int) -> tuple[Parsed, Parsed]:
    train, test = (parse(text(task, p, seed=seed), f"task {task}, {p}") for p in PARTS)
    return train, test
