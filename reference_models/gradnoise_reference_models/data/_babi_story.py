"""A story as it is told, and the words that stories are told in."""

from collections.abc import Sequence

__all__ = ["DROPS", "GIVES", "MOVES", "PEOPLE", "PLACES", "TAKES", "THINGS", "Story"]

PEOPLE = ("Mary", "John", "Daniel", "Sandra")
PLACES = ("bathroom", "hallway", "garden", "office", "bedroom", "kitchen")
THINGS = ("football", "milk", "apple")
MOVES = ("moved to", "went to", "went back to", "travelled to", "journeyed to")
TAKES = ("got", "took", "grabbed", "picked up")
DROPS = ("dropped", "left", "discarded", "put down")
GIVES = ("gave", "handed", "passed")


class Story:
    """The lines of one story in bAbI's format, numbered from 1."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.questions = 0

    def say(self, statement: str) -> int:
        """Add a statement; return the number of its line."""
        number = len(self.lines) + 1
        self.lines.append(f"{number} {statement}.")
        return number

    def ask(self, question: str, answer: str, supports: Sequence[int]) -> None:
        """Add a question, its answer and the lines that it follows from."""
        numbers = " ".join(map(str, dict.fromkeys(supports)))
        self.lines.append(f"{len(self.lines) + 1} {question}?\t{answer}\t{numbers}")
        self.questions += 1
