"""Stories of people, places and things: tasks 1, 2, 3, 5, 6, 7 and 8."""

from collections.abc import Callable, Mapping

from gradnoise_reference_models.data._babi_story import PEOPLE, PLACES, THINGS
from gradnoise_reference_models.data._babi_world import World
from gradnoise_reference_models.data._draws import Draws

__all__ = [
    "GIVERS",
    "asks_before",
    "asks_carried",
    "asks_count",
    "asks_gifts",
    "asks_person",
    "asks_thing",
    "asks_whether",
    "told_by",
]

#: The questions of a story.
QUESTIONS = 5

GIVERS = ("Mary", "Fred", "Jeff", "Bill")

NUMBERS = ("none", "one", "two", "three")


def told_by(
    ask: Callable[[World], None], weights: Mapping[str, int], people: tuple[str, ...] = PEOPLE
) -> Callable[[Draws], list[str]]:
    """Return the maker of a story: pairs of acts, each pair followed by `ask`, up to 5 questions.

    `ask` may ask nothing, if what it happens to choose has not been told; then the world goes on.
    """

    def story(draws: Draws) -> list[str]:
        world = World(draws, weights, people)
        while world.story.questions < QUESTIONS:
            world.act()
            world.act()
            ask(world)
        return world.story.lines

    return story


def asks_person(world: World) -> None:
    """Task 1: where is a person of whom it has been told?"""
    person = world.draws.choice(sorted(world.told))
    world.story.ask(f"Where is {person}", *world.told[person])


def asks_thing(world: World) -> None:
    """Task 2: where is a thing?"""
    thing = world.draws.choice(THINGS)
    if world.trail[thing]:
        world.story.ask(f"Where is the {thing}", *world.trail[thing][-1])


def asks_before(world: World) -> None:
    """Task 3: where was a thing before it was, the last time, in a place?"""
    thing = world.draws.choice(THINGS)
    trail = world.trail[thing]
    place = world.draws.choice(PLACES)
    if any(stay.place == place for stay in trail[1:]):
        last = max(i for i, stay in enumerate(trail) if stay.place == place)
        supports = (*trail[last].lines, *trail[last - 1].lines)
        answer = trail[last - 1].place
        world.story.ask(f"Where was the {thing} before the {place}", answer, supports)


def asks_gifts(world: World) -> None:
    """Task 5: who gave what to whom? Of several gifts that fit the question the last one counts."""
    if not world.gifts:
        return
    giver, thing, receiver, _ = world.draws.choice(world.gifts)
    question, asked = world.draws.choice(
        (
            (f"What did {giver} give to {receiver}", "thing"),
            (f"What did {giver} give to {receiver}", "thing"),
            (f"Who gave the {thing}", "giver"),
            (f"Who gave the {thing} to {receiver}", "giver"),
            (f"Who received the {thing}", "receiver"),
            (f"Who did {giver} give the {thing} to", "receiver"),
        )
    )
    said = question.replace("?", "").split()
    fixed = {
        "giver": giver if giver in said else None,
        "thing": thing if thing in said else None,
        "receiver": receiver if receiver in said else None,
    }
    fits = [
        gift
        for gift in world.gifts
        if all(value in (None, getattr(gift, name)) for name, value in fixed.items())
    ]
    world.story.ask(question, getattr(fits[-1], asked), (fits[-1].line,))


def asks_whether(world: World) -> None:
    """Task 6: is a person in a place? Yes in half of the cases."""
    person = world.draws.choice(sorted(world.told)) if world.told else None
    if person is None:
        return
    place, lines = world.told[person]
    answer = world.draws.choice(("yes", "no"))
    named = place if answer == "yes" else world.draws.choice([p for p in PLACES if p != place])
    world.story.ask(f"Is {person} in the {named}", answer, lines)


def asks_count(world: World) -> None:
    """Task 7: how many things does a person carry? None in half of the cases, if it can be."""
    some = world.draws.chance(50)
    people = [p for p in sorted(world.handled) if bool(world.carried[p]) == some]
    if people:
        person = world.draws.choice(people)
        answer = NUMBERS[len(world.carried[person])]
        question = f"How many objects is {person} carrying"
        world.story.ask(question, answer, world.handled[person])


def asks_carried(world: World) -> None:
    """Task 8: which things does a person carry, in the order in which they were got?"""
    if world.handled:
        person = world.draws.choice(sorted(world.handled))
        answer = ",".join(world.carried[person]) or "nothing"
        world.story.ask(f"What is {person} carrying", answer, world.handled[person])
