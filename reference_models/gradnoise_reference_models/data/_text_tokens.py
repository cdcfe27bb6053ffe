"""Plain English text as the tokens of a word-level language model, in the Penn Treebank's manner."""

import re

__all__ = ["END", "NUMBER", "UNKNOWN", "split", "tokens"]

#: Ends a sentence; stands for a number; stands for a word outside the vocabulary.
END, NUMBER, UNKNOWN = "<eos>", "N", "<unk>"

#: The text is cut into so many pieces; those whose index modulo `CYCLE` is one of these are held out.
PIECES, CYCLE, VALIDATION, TEST = 100, 20, 9, 19

_TOKEN = re.compile(
    r"(?P<word>[^\W\d_]+(?:['-][^\W\d_]+)*)|(?P<number>\d+(?:[.,]\d+)*)|(?P<end>[.!?])"
)
_BLANK_LINES = re.compile(r"\n\s*\n")


def tokens(text: str) -> list[str]:
    r"""Return the words of a text in lower case, numbers as ``N``, sentence ends as ``<eos>``.

    A word is a run of letters, with ``'`` or ``-`` allowed between two of them; ``--`` parts words.
    A number is a run of digits, with ``.`` or ``,`` allowed between two. One of ``.!?`` ends a
    sentence, and so does a paragraph, which blank lines end; no sentence is empty. Every other
    character is dropped.

    Examples
    --------
    >>> tokens("Well-known, in 1,805?! Don't\nstop--go\n\nNow")
    ['well-known', 'in', 'N', '<eos>', "don't", 'stop', 'go', '<eos>', 'now', '<eos>']
    """
    out: list[str] = []
    plain = text.replace("\r\n", "\n").lower().replace("--", " ")
    for paragraph in _BLANK_LINES.split(plain):
        begun = False
        for match in _TOKEN.finditer(paragraph):
            if match.lastgroup != "end":
                out.append(match[0] if match.lastgroup == "word" else NUMBER)
                begun = True
            elif begun:
                out.append(END)
                begun = False
        if begun:
            out.append(END)
    return out


def split(text: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Return the training, validation and test tokens: 90, 5 and 5 % of the text.

    The n tokens are cut at ``floor(i n / 100)``; piece 9 of every 20 is for validation, piece 19 for
    testing, and the others, joined in order, for training. So each part is from all of the text.
    """
    train: list[str] = []
    validation: list[str] = []
    test: list[str] = []
    n = len(text)
    for i in range(PIECES):
        part = {VALIDATION: validation, TEST: test}.get(i % CYCLE, train)
        part += text[i * n // PIECES : (i + 1) * n // PIECES]
    return train, validation, test
