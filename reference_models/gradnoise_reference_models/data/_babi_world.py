"""A little world of people, places and things, and what has been told of it.

People move, take things that lie where they are, drop them and give them to one another. Where
everyone and everything is at first stays untold: only what the statements say can be asked.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gradnoise_reference_models.data._babi_story import (
    DROPS,
    GIVES,
    MOVES,
    PEOPLE,
    PLACES,
    TAKES,
    THINGS,
    Story,
)
from gradnoise_reference_models.data._draws import Draws

__all__ = ["Gift", "Stay", "World"]


class Stay(NamedTuple):
    """A place where something is known to have come to, and the lines that tell it."""

    place: str
    lines: tuple[int, ...]


class Gift(NamedTuple):
    """Who gave what to whom, and the line that tells it."""

    giver: str
    thing: str
    receiver: str
    line: int


class World:
    """The world of one story.

    Attributes
    ----------
    told : dict
        The last told place of each person of whom one is told.
    trail : dict
        The known places of each thing, one after another.
    carried : dict
        What each person carries, in the order in which it was got.
    handled : dict
        Of each person who ever had something: the lines that tell of it.
    gifts : list of Gift
        In the order in which they were told.
    """

    def __init__(
        self, draws: Draws, weights: Mapping[str, int], people: Sequence[str] = PEOPLE
    ) -> None:
        """Set everyone and everything somewhere; `weights` says how often which act is done."""
        self.draws = draws
        self.story = Story()
        self.people = people
        self.told: dict[str, Stay] = {}
        self.trail: dict[str, list[Stay]] = {thing: [] for thing in THINGS}
        self.carried: dict[str, list[str]] = {person: [] for person in people}
        self.handled: dict[str, list[int]] = {}
        self.gifts: list[Gift] = []
        self._weights = weights
        self._place = {person: draws.choice(PLACES) for person in people}
        self._got: dict[str, int] = {}  # the line that tells who has it
        self._lying = {thing: draws.choice(PLACES) for thing in THINGS}

    def act(self) -> None:
        """Let somebody do something that can be done, and tell it."""
        person = self.draws.choice(self.people)
        here = self._place[person]
        things = [thing for thing, place in self._lying.items() if place == here]
        others = [p for p in self.people if p != person and self._place[p] == here]
        can = {"move": True, "take": things, "drop": self.carried[person]}
        can["give"] = others and self.carried[person]
        acts = [act for act, weight in self._weights.items() if can[act] for _ in range(weight)]
        match self.draws.choice(acts):
            case "move":
                self.move(person, self.draws.choice([p for p in PLACES if p != here]))
            case "take":
                self._take(person, self.draws.choice(things))
            case "drop":
                self._drop(person, self.draws.choice(self.carried[person]))
            case "give":
                self._give(
                    person, self.draws.choice(self.carried[person]), self.draws.choice(others)
                )

    def move(self, person: str, place: str) -> None:
        """Let `person` go to `place`, and tell it."""
        line = self.story.say(f"{person} {self.draws.choice(MOVES)} the {place}")
        self._place[person] = place
        self.told[person] = Stay(place, (line,))
        for thing in self.carried[person]:
            self._come(thing, person, (self._got[thing],))

    def _take(self, person: str, thing: str) -> None:
        there = self.draws.choice(("", " there"))
        line = self.story.say(f"{person} {self.draws.choice(TAKES)} the {thing}{there}")
        del self._lying[thing]
        self._get(person, thing, line)

    def _drop(self, person: str, thing: str) -> None:
        there = " there" if self.draws.chance(20) else ""
        line = self.story.say(f"{person} {self.draws.choice(DROPS)} the {thing}{there}")
        self._lying[thing] = self._place[person]
        self.carried[person].remove(thing)
        self.handled[person].append(line)
        self._come(thing, person, (line,))

    def _give(self, person: str, thing: str, other: str) -> None:
        line = self.story.say(f"{person} {self.draws.choice(GIVES)} the {thing} to {other}")
        self.carried[person].remove(thing)
        self.handled[person].append(line)
        self.gifts.append(Gift(person, thing, other, line))
        self._get(other, thing, line)

    def _get(self, person: str, thing: str, line: int) -> None:
        self.carried[person].append(thing)
        self._got[thing] = line
        self.handled.setdefault(person, []).append(line)
        self._come(thing, person, (line,))

    def _come(self, thing: str, person: str, lines: Sequence[int]) -> None:
        """Note where `thing` is as soon as it is told where `person` is who handles it."""
        if person not in self.told:
            return
        stay = Stay(self.told[person].place, (*lines, *self.told[person].lines))
        trail = self.trail[thing]
        if trail and trail[-1].place == stay.place:
            trail[-1] = stay
        else:
            trail.append(stay)
