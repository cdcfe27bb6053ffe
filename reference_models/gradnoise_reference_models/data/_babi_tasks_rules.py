"""Stories that are solved by a rule: tasks 4, 15, 16 and 20."""

from gradnoise_reference_models.data._babi_story import MOVES, PLACES, TAKES, Story
from gradnoise_reference_models.data._draws import Draws

__all__ = ["afraid", "colors", "directions", "motives"]

OPPOSITE = {"north": "south", "south": "north", "east": "west", "west": "east"}

AFRAID = ("Gertrude", "Winona", "Emily", "Jessica")
KINDS = {"mouse": "mice", "cat": "cats", "wolf": "wolves", "sheep": "sheep"}
FEARS = 4

COLORED = ("Lily", "Bernhard", "Brian", "Julius", "Greg")
ANIMALS = ("frog", "lion", "swan", "rhino")
COLORS = ("green", "white", "yellow", "gray")

MOVED = ("Sumit", "Yann", "Jason", "Antoine")
#: What somebody is, where it leads to, and what is got there.
MOTIVES = {
    "tired": ("bedroom", "pajamas"),
    "bored": ("garden", "football"),
    "thirsty": ("kitchen", "milk"),
    "hungry": ("kitchen", "apple"),
}


def directions(draws: Draws) -> list[str]:
    """Task 4: three places in a row, told two by two; what is in that direction of one of them?

    The question is about one of the statements, as it stands or turned round.
    """
    out = Story()
    ahead = draws.choice(tuple(OPPOSITE))
    row = draws.shuffled(PLACES)[:3]
    pairs = draws.shuffled([(row[0], row[1]), (row[1], row[2])])
    lines = []
    for first, second in pairs:  # `first` is ahead of `second`
        if draws.chance(50):
            lines.append(out.say(f"The {first} is {ahead} of the {second}"))
        else:
            lines.append(out.say(f"The {second} is {OPPOSITE[ahead]} of the {first}"))
    asked = draws.below(2)
    known, answer, way = (*pairs[asked], OPPOSITE[ahead])
    if draws.chance(50):
        known, answer, way = answer, known, ahead
    if draws.chance(50):
        out.ask(f"What is {way} of the {known}", answer, (lines[asked],))
    else:
        out.ask(f"What is the {known} {OPPOSITE[way]} of", answer, (lines[asked],))
    return out.lines


def afraid(draws: Draws) -> list[str]:
    """Task 15: every kind of animal fears another; what does one of a kind fear?"""
    out = Story()
    fears = {kind: draws.choice([k for k in KINDS if k != kind]) for kind in KINDS}
    kind_of = {name: draws.choice(tuple(KINDS)) for name in AFRAID}
    line: dict[str, int] = {}
    for one in draws.shuffled([*KINDS, *AFRAID]):
        if one in kind_of:
            line[one] = out.say(f"{one} is a {kind_of[one]}")
        else:
            line[one] = out.say(f"{KINDS[one].capitalize()} are afraid of {KINDS[fears[one]]}")
    for _ in range(FEARS):
        name = draws.choice(AFRAID)
        kind = kind_of[name]
        out.ask(f"What is {name.lower()} afraid of", fears[kind], (line[name], line[kind]))
    return out.lines


def colors(draws: Draws) -> list[str]:
    """Task 16: animals of a kind have a colour in common; which colour has the last one?"""
    out = Story()
    color = {animal: draws.choice(COLORS) for animal in ANIMALS}
    names = draws.shuffled(COLORED)
    kind = {name: draws.choice(ANIMALS) for name in names[:4]}
    asked = names[4]
    kind[asked] = kind[draws.choice(names[:4])]
    line: dict[str, int] = {}
    painted: dict[str, int] = {}
    for name in draws.shuffled([*names, *names[:4]]):
        if name not in line:  # the kind first, then the colour
            line[name] = out.say(f"{name} is a {kind[name]}")
        else:
            painted[name] = out.say(f"{name} is {color[kind[name]]}")
    like = [name for name in painted if kind[name] == kind[asked]][-1]
    supports = (line[asked], line[like], painted[like])
    out.ask(f"What color is {asked}", color[kind[asked]], supports)
    return out.lines


def motives(draws: Draws) -> list[str]:
    """Task 20: where will somebody go who is tired, and why did they go there and get that?"""
    out = Story()
    motive = {name: draws.choice(tuple(MOTIVES)) for name in MOVED}
    cause: dict[str, int] = {}
    gone: set[str] = set()
    events = draws.shuffled([name for name in MOVED for _ in range(3)])
    for name in events[: 10 + draws.below(3)]:
        place, thing = MOTIVES[motive[name]]
        asked = name.lower()
        if name not in cause:
            cause[name] = out.say(f"{name} is {motive[name]}")
            out.ask(f"Where will {asked} go", place, (cause[name],))
        elif name not in gone:
            gone.add(name)
            out.say(f"{name} {draws.choice(MOVES)} the {place}")
            out.ask(f"Why did {asked} go to the {place}", motive[name], (cause[name],))
        else:
            out.say(f"{name} {draws.choice(TAKES)} the {thing} there")
            out.ask(f"Why did {asked} get the {thing}", motive[name], (cause[name],))
    return out.lines
