"""Stories in which a statement tells of two: tasks 11, 12 and 13."""

from collections.abc import Callable

from gradnoise_reference_models.data._babi_story import MOVES, PEOPLE, PLACES, Story
from gradnoise_reference_models.data._draws import Draws

__all__ = ["AND", "BOTH", "PRONOUN", "told_of"]

QUESTIONS = 5

LINKS = ("Then", "Afterwards", "After that", "Following that")

#: How the two statements before a question are told: a person and then the pronoun; two pairs of
#: people; a pair and then the pronoun.
PRONOUN, AND, BOTH = "pronoun", "and", "both"

_PRONOUNS = {"Mary": "she", "Sandra": "she", "John": "he", "Daniel": "he"}


def told_of(form: str) -> Callable[[Draws], list[str]]:
    """Return the maker of a story: two moves and a question where somebody is, five times."""

    def story(draws: Draws) -> list[str]:
        out = Story()
        told: dict[str, tuple[str, tuple[int, ...]]] = {}
        while out.questions < QUESTIONS:
            movers: list[str] = []
            for second in (False, True):
                linked = second and form != AND
                if not linked:
                    movers = draws.shuffled(PEOPLE)[: 1 if form == PRONOUN else 2]
                _move(out, draws, told, movers, linked=linked)
            person = draws.choice(sorted(told))
            out.ask(f"Where is {person}", *told[person])
        return out.lines

    return story


def _move(
    out: Story,
    draws: Draws,
    told: dict[str, tuple[str, tuple[int, ...]]],
    movers: list[str],
    *,
    linked: bool,
) -> None:
    """Move all of `movers` to a place where none of them is; linked: "Then they went ..."."""
    places = [p for p in PLACES if all(told.get(m, ("",))[0] != p for m in movers)]
    place = draws.choice(places)
    they = _PRONOUNS[movers[0]] if len(movers) == 1 else "they"
    who = f"{draws.choice(LINKS)} {they}" if linked else " and ".join(movers)
    line = out.say(f"{who} {draws.choice(MOVES)} the {place}")
    for mover in movers:
        told[mover] = (place, (*(told[mover][1][-1:] if linked else ()), line))
