"""The text format of bAbI (Weston et al., 2015, arXiv:1502.05698), read line by line.

A line is a number, a blank and a text; number 1 begins a story, and numbers rise by one. A
statement ends with a full stop. A question is ``question?``, a tab, the answer, a tab and the
numbers of the statements that support it.
"""

import re
from typing import NamedTuple, NoReturn

from gradnoise_reference_models.data._dataset import DataError
from gradnoise_reference_models.data._utf8 import lines, utf8

__all__ = ["Parsed", "Question", "Words", "parse"]

Words = tuple[str, ...]

_LINE = re.compile(r"([0-9]{1,9}) (.*)", re.DOTALL)


class Question(NamedTuple):
    """A question with what stands before it in its story.

    Attributes
    ----------
    statements : tuple of tuple of str
        The statements above it, oldest first; questions are not among them.
    words : tuple of str
        The question's words.
    answer : str
        One word; a list such as "apple,milk" is one word.
    """

    statements: tuple[Words, ...]
    words: Words
    answer: str


class Parsed(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    questions : tuple of Question
        In the order of the file.
    words : tuple of str
        Every word and answer once, in the order of first appearance.
    longest : int
        Words in the longest statement or question.
    most : int
        Statements in the longest story.
    """

    questions: tuple[Question, ...]
    words: Words
    longest: int
    most: int


def parse(content: str | bytes, name: object = "the text") -> Parsed:
    r"""Return the questions of a file in bAbI's format, in lower case, without ``.`` and ``?``.

    Parameters
    ----------
    content : str or bytes
        The whole file; bytes are UTF-8.
    name : object
        What errors call the file.

    Raises
    ------
    DataError
        If a line breaks the format, or no line is a question: the message names file and line.

    Examples
    --------
    >>> question = parse("1 Mary went home.\n2 Where is Mary?\thome\t1\n").questions[0]
    >>> question.statements, question.words, question.answer
    ((('mary', 'went', 'home'),), ('where', 'is', 'mary'), 'home')
    """
    reader = _Reader()
    text = content if isinstance(content, str) else utf8(content, name)
    for number, line in enumerate(lines(text), 1):
        try:
            reader.read(line)
        except DataError as error:
            message = f"`{name}` line {number} {error}, got {_shown(line)}."
            raise DataError(message) from error
    if not reader.questions:
        message = f"`{name}` must hold a question, got none in {reader.lines} lines."
        raise DataError(message)
    return Parsed(tuple(reader.questions), tuple(reader.words), reader.longest, reader.most)


class _Reader:
    """The state of a reading: the story so far, and what was found."""

    def __init__(self) -> None:
        self.lines = 0
        self.last = 0
        self.statements: list[Words] = []
        self.facts: set[int] = set()  # line numbers of the story's statements
        self.questions: list[Question] = []
        self.words: dict[str, None] = {}
        self.longest = 0
        self.most = 0

    def read(self, line: str) -> None:
        match = _LINE.fullmatch(line)
        if match is None:
            _refuse("must be a number, a blank and a text")
        number, text = int(match[1]), match[2]
        if number == 1:
            self.statements, self.facts = [], set()
        elif number != self.last + 1:
            _refuse(f"must have number 1 or {self.last + 1}")
        self.last = number
        self.lines += 1
        if "\t" in text:
            self._question(text)
        else:
            self._statement(text, number)

    def _statement(self, text: str, number: int) -> None:
        words = _words(text, ".")
        self.statements.append(words)
        self.facts.add(number)
        self.most = max(self.most, len(self.statements))
        self._know(words)

    def _question(self, text: str) -> None:
        fields = text.split("\t")
        if len(fields) != 3:
            _refuse("must have the fields question, answer and supports, parted by two tabs")
        words, answer = _words(fields[0], "?"), fields[1].lower()
        if answer.split() != [answer]:
            _refuse("must have an answer of one word")
        supports = fields[2].split()
        if not all(s.isdecimal() and s.isascii() and len(s) < 10 for s in supports):
            _refuse("must name its supports by number")
        if not {int(s) for s in supports} <= self.facts:
            _refuse("must be supported by statements that stand before it in its story")
        self.questions.append(Question(tuple(self.statements), words, answer))
        self._know(words)
        self.words.setdefault(answer)

    def _know(self, words: Words) -> None:
        self.longest = max(self.longest, len(words))
        for word in words:
            self.words.setdefault(word)


def _words(text: str, end: str) -> Words:
    text = text.strip()
    if not text.endswith(end) or not text[:-1].split():
        kind = "statement" if end == "." else "question"
        _refuse(f"must hold a {kind} that ends with {end}")
    return tuple(text[:-1].lower().split())


def _refuse(rule: str) -> NoReturn:
    raise DataError(rule)


def _shown(line: str) -> str:
    return repr(line if len(line) <= 60 else f"{line[:57]}...")
