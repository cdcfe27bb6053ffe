"""The text format of bAbI: what is read, and that what is malformed is refused by file and line."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradnoise_reference_models.data import DataError
from gradnoise_reference_models.data.babi import Parsed, parse

STORY = (
    "1 Mary moved to the bathroom.\n"
    "2 John went to the hallway.\n"
    "3 Where is Mary? \tbathroom\t1\n"
    "4 Mary got the Milk there.\n"
    "5 What is Mary carrying?\tmilk,Apple\t4 1\n"
    "1 Sandra is tired.\n"
    "2 Where will sandra go?\tbedroom\t1\n"
    "3 Sandra slept.\n"
)


def test_a_question_has_every_statement_of_its_story_before_it_and_no_question() -> None:
    first, second, third = parse(STORY).questions
    bathroom = ("mary", "moved", "to", "the", "bathroom")
    hallway = ("john", "went", "to", "the", "hallway")
    assert first == ((bathroom, hallway), ("where", "is", "mary"), "bathroom")
    assert second.statements == (bathroom, hallway, ("mary", "got", "the", "milk", "there"))
    assert second.answer == "milk,apple"
    assert third == ((("sandra", "is", "tired"),), ("where", "will", "sandra", "go"), "bedroom")


def test_words_are_in_the_order_of_first_appearance_answers_and_the_last_line_included() -> None:
    parsed = parse(STORY)
    assert " ".join(parsed.words) == (
        "mary moved to the bathroom john went hallway where is got milk there what carrying "
        "milk,apple sandra tired will go bedroom slept"
    )
    assert (parsed.longest, parsed.most) == (5, 3)


def test_bytes_and_windows_line_ends_read_the_same() -> None:
    assert parse(STORY.encode()) == parse(STORY)
    assert parse(STORY.replace("\n", "\r\n").encode()) == parse(STORY)
    assert parse(STORY.rstrip("\n")) == parse(STORY)


MALFORMED = {
    "no number": ("Mary moved.", "must be a number, a blank and a text"),
    "empty line": ("", "must be a number, a blank and a text"),
    "negative": ("-6 Mary moved.", "must be a number, a blank and a text"),
    "no blank": ("6Mary moved.", "must be a number, a blank and a text"),
    "a number too long to be one": ("9" * 5000 + " Mary moved.", "must be a number, a blank"),
    "Arabic digits": ("٦ Mary moved.", "must be a number, a blank and a text"),
    "a number left out": ("7 Mary moved.", "must have number 1 or 6"),
    "a number twice": ("5 Mary moved.", "must have number 1 or 6"),
    "no full stop": ("6 Mary moved", "must hold a statement that ends with ."),
    "a question without tabs": ("6 Where is Mary?", "must hold a statement that ends with ."),
    "no word": ("6 .", "must hold a statement that ends with ."),
    "one tab": ("6 Where is Mary?\tbathroom", "parted by two tabs"),
    "three tabs": ("6 Where is Mary?\tbathroom\t1\t2", "parted by two tabs"),
    "no question mark": ("6 Where is Mary\tbathroom\t1", "must hold a question that ends with ?"),
    "no answer": ("6 Where is Mary?\t\t1", "must have an answer of one word"),
    "two answers": ("6 Where is Mary?\ta b\t1", "must have an answer of one word"),
    "an answer with a blank": ("6 Where is Mary?\ta \t1", "must have an answer of one word"),
    "a support that is no number": ("6 Where is Mary?\ta\tx", "must name its supports by number"),
    "a support that is a question": ("6 Where is Mary?\ta\t3", "must be supported by statements"),
    "a support in the future": ("6 Where is Mary?\ta\t7", "must be supported by statements"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_line_is_refused_by_file_number_and_content(kind: str) -> None:
    line, rule = MALFORMED[kind]
    text = "".join(STORY.splitlines(keepends=True)[:5]) + line + "\n" + "1 Good again.\n"
    with pytest.raises(DataError) as refusal:
        parse(text, "qa1_train.txt")
    message = str(refusal.value)
    assert message.startswith("`qa1_train.txt` line 6 ")
    assert rule in message
    assert repr(line[:20])[:-1] in message
    assert len(message) < 300


def test_a_support_of_another_story_is_refused() -> None:
    with pytest.raises(DataError, match="line 3 must be supported by statements"):
        parse("1 A is b.\n1 C is d.\n2 Is c d?\tyes\t2\n")


@pytest.mark.parametrize("text", ["", "1 Mary moved.\n2 John went.\n"])
def test_a_text_without_a_question_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="`here` must hold a question"):
        parse(text, "here")


def test_bytes_that_are_no_utf8_are_refused_by_line() -> None:
    with pytest.raises(DataError, match="`here` line 2 must be UTF-8, got the byte 0xff"):
        parse(b"1 Mary moved.\n2 John \xff went.\n", "here")


lines = st.lists(
    st.one_of(
        st.sampled_from(STORY.splitlines()),
        st.text(st.sampled_from("12 \t.?ab,\x00\x85\u2028é"), max_size=12),
        st.from_regex(r"\A[1-4] [a-c]{1,3}( [a-c])?[.]\Z"),
        st.from_regex(r"\A[1-4] [a-c]{1,3}[?]\t[a-c]\t[1-3]?\Z"),
    ),
    max_size=8,
)


def outcome(content: str | bytes) -> Parsed | str:
    try:
        return parse(content, "name")
    except DataError as error:
        return str(error)


@given(lines)
def test_any_text_is_read_or_refused_with_file_and_line(text: list[str]) -> None:
    found = outcome("\n".join(text))
    if isinstance(found, str):
        assert re.match(r"`name` (line [1-9]\d* must |must hold a question)", found)
    else:
        assert len(found.questions) == sum("\t" in line for line in text)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    found = outcome(STORY.encode() + content)
    if isinstance(found, str):
        assert re.match(r"`name` line (9|[1-9]\d) must ", found)
    else:
        assert found.questions[:3] == parse(STORY).questions
