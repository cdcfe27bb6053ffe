"""bAbI: where it is found, how it is encoded, and the real files where they are."""

import hashlib
import io
import os
import tarfile
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from gradnoise_core.random import leaf_key, words
from gradnoise_reference_models.data import (
    DataError,
    StoryData,
    babi,
    load_stories,
)
from gradnoise_reference_models.data._babi_encoding import dictionary, encode
from gradnoise_reference_models.data.babi import BabiFiles, parse


def story(thing: str, count: int) -> str:
    """`count` stories of a statement and a question."""
    return "".join(
        f"1 {thing}{i} is {'big' if i % 2 else 'small'}.\n"
        f"2 What is {thing}{i}?\t{'big' if i % 2 else 'small'}\t1\n"
        for i in range(count)
    )


TEXTS = {
    "qa1_size_train.txt": story("box", 20),
    "qa1_size_test.txt": story("box", 3) + "1 Nobody came in.\n2 Who came?\tnobody\t1\n",
    "qa2_more_train.txt": "1 A is b.\n2 B is c.\n" + story("a", 10),
    "qa2_more_test.txt": story("c", 2),
}
SHA = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in TEXTS.items()}
FILES = tuple(
    BabiFiles(task, title, SHA[f"qa{task}_{title}_train.txt"], SHA[f"qa{task}_{title}_test.txt"])
    for task, title in ((1, "size"), (2, "more"))
)


def unpack(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in TEXTS.items():
        (folder / name).write_bytes(text.encode())
    return folder


def pack(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, text in TEXTS.items():
            info = tarfile.TarInfo(f"tasks_1-20_v1-2/en/{name}")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiny files stand for bAbI, the cache is empty, and GRADNOISE_DATA is not set."""
    monkeypatch.delenv("GRADNOISE_DATA", raising=False)
    monkeypatch.setattr(
        "gradnoise_reference_models.data._places.cache_folder", lambda name: tmp_path / "c" / name
    )
    for function in (babi.load, babi.find):
        defaults = {**(function.__kwdefaults__ or {}), "files": FILES}
        monkeypatch.setattr(function, "__kwdefaults__", defaults)
    return tmp_path / "c" / "babi"


@pytest.mark.parametrize("inside", [".", "babi"])
@pytest.mark.parametrize("below", [".", "en", "tasks_1-20_v1-2/en"])
def test_a_directory_holds_the_files_itself_or_in_a_subfolder(
    tmp_path: Path, cache: Path, inside: str, below: str
) -> None:
    folder = unpack(tmp_path / "given" / inside / below)
    assert babi.load(1, tmp_path / "given").source == str(folder)


@pytest.mark.parametrize("inside", [".", "babi"])
@pytest.mark.parametrize("name", babi.ARCHIVES)
def test_a_directory_holds_the_archive_under_any_of_its_names(
    tmp_path: Path, cache: Path, inside: str, name: str
) -> None:
    path = pack(tmp_path / "given" / inside / name)
    found = babi.load(1, tmp_path / "given")
    assert found.source == str(path)
    np.testing.assert_array_equal(found.train.X, babi.load(1, path).train.X)  # or is it itself
    assert sorted(p.name for p in path.parent.iterdir()) == [name]  # nothing was unpacked


def test_archive_and_folder_give_the_same(tmp_path: Path, cache: Path) -> None:
    one = babi.load("joint", pack(tmp_path / "a.tar.gz"))
    two = babi.load("joint", unpack(tmp_path / "b"))
    for part in ("train", "validation", "test"):
        for a, b in zip(astuple(getattr(one, part)), astuple(getattr(two, part)), strict=True):
            np.testing.assert_array_equal(a, b)
    assert one.vocabulary == two.vocabulary


def test_the_environment_comes_before_the_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpack(cache)
    assert babi.load(1).source == str(cache)
    monkeypatch.setenv("GRADNOISE_DATA", str(tmp_path / "named"))
    folder = unpack(tmp_path / "named" / "babi")
    assert babi.load(1).source == str(folder)
    monkeypatch.setenv("GRADNOISE_DATA", str(pack(tmp_path / "x.tar.gz")))
    assert babi.load(1).source == str(tmp_path / "x.tar.gz")
    assert babi.load(1, cache).source == str(cache)


def test_auto_takes_babi_where_it_is_found_and_stories_otherwise_and_says_so(
    cache: Path,
) -> None:
    made = load_stories(1)
    assert made.name == "stories"
    assert made.reason == (
        f"bAbI was not found: GRADNOISE_DATA is not set; the cache {cache} does not exist"
    )
    unpack(cache)
    found = load_stories(1)
    assert found.name == "babi"
    assert found.reason == f"bAbI was found in {cache}; GRADNOISE_DATA is not set"
    assert load_stories(1, "stories").reason == "asked for by name"


def test_a_folder_that_lacks_files_is_never_passed_over_in_silence(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "named"
    monkeypatch.setenv("GRADNOISE_DATA", str(named))
    assert f"GRADNOISE_DATA={named} does not exist" in load_stories(1).reason
    (named / "babi").mkdir(parents=True)
    assert f"GRADNOISE_DATA={named} holds no bAbI" in load_stories(1).reason
    (unpack(named / "babi") / "qa2_more_test.txt").unlink()
    assert f"GRADNOISE_DATA={named} lacks qa2_more_test.txt" in load_stories(1).reason
    with pytest.raises(
        DataError, match=r"lacks qa2_more_test\.txt.*`gradnoise data download babi`"
    ):
        babi.load(1)
    for source in ("auto", "babi"):
        with pytest.raises(DataError, match=r"`directory` .*lacks qa2_more_test\.txt"):
            load_stories(1, source, directory=named)


def test_a_task_without_a_generator_and_without_babi_is_refused(cache: Path) -> None:
    with pytest.raises(DataError, match=r"`task` must be one of 1, 2, .*got 19.* does not exist"):
        load_stories(19)


@pytest.mark.parametrize("source", ["auto", "babi"])
@pytest.mark.parametrize("name", ["qa1_size_train.txt", "qa1_size_test.txt"])
def test_a_damaged_file_is_refused_by_name_and_not_replaced_by_other_data(
    cache: Path, source: str, name: str
) -> None:
    path = unpack(cache) / name
    path.write_bytes(path.read_bytes().replace(b"big", b"bog"))
    with pytest.raises(DataError) as refusal:
        load_stories(1, source)
    assert str(refusal.value).startswith(f"`{path}` must have raw bytes of SHA-256 ")
    assert "`gradnoise data download babi`" in str(refusal.value)
    path.write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(DataError, match="must have at most 1048576 bytes, got more"):
        load_stories(1, source)


def test_a_damaged_archive_is_refused_by_name(cache: Path) -> None:
    path = pack(cache / babi.ARCHIVES[0])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"tasks_1-20_v1-2\.tar\.gz` must be an intact \.tar\.gz"):
        load_stories(1)


@pytest.mark.parametrize("task", [0, 21, "qa1", "", True, 1.0])
def test_unknown_tasks_are_refused(task: object) -> None:
    with pytest.raises(ValueError, match="`task` must be one of 1, 2, "):
        load_stories(task)  # type: ignore[arg-type]


def test_unknown_sources_and_a_directory_for_stories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`source` must be one of auto, babi, stories, got 'x'"):
        load_stories(1, "x")
    with pytest.raises(ValueError, match="`directory` must be None for generated stories"):
        load_stories(1, "stories", directory=tmp_path)


# --- encoding ---------------------------------------------------------------

TRAIN = (
    "1 Mary went home.\n"
    "2 John left the big house.\n"
    "3 Where is Mary?\thome\t1\n"
    "4 Mary slept.\n"
    "5 Who slept?\tmary\t4\n"
)
TEST = (
    "1 John slept.\n2 Mary left.\n3 John went home.\n4 Mary slept.\n5 Who went home?\tjohn\t3\n"
    "1 Ann slept.\n2 Who slept?\tann\t1\n"
)


def test_an_encoded_story_is_the_one_worked_out_by_hand() -> None:
    train, test = parse(TRAIN), parse(TEST)
    both = dictionary([train], [test])
    assert both.vocabulary == (
        "", "mary", "went", "home", "john", "left", "the", "big", "house", "where", "is", "slept",
        "who", "ann",
    )  # fmt: skip
    assert both.answers == ("home", "mary", "john", "ann")
    assert (both.memory, both.width) == (3, 5)
    coded = encode(train.questions, both, 7, "train")
    first = [[1, 2, 3, 0, 0], [4, 5, 6, 7, 8], [0, 0, 0, 0, 0]]
    second = [[1, 2, 3, 0, 0], [4, 5, 6, 7, 8], [1, 11, 0, 0, 0]]
    assert coded.X.tolist() == [first, second]
    assert coded.tau.tolist() == [[2, 1, 0], [3, 2, 1]]
    assert coded.Q.tolist() == [[9, 10, 1, 0, 0], [12, 11, 0, 0, 0]]
    assert coded.y.tolist() == [3, 1]
    assert coded.task.tolist() == [7, 7]
    assert {part.dtype for part in astuple(coded)} == {np.dtype(np.int32)}


def test_of_a_longer_story_the_latest_statements_are_kept() -> None:
    train, test = parse(TRAIN), parse(TEST)
    coded = encode(test.questions, dictionary([train], [test]), 1, "test")
    assert coded.X[0].tolist() == [[1, 5, 0, 0, 0], [4, 2, 3, 0, 0], [1, 11, 0, 0, 0]]
    assert coded.tau.tolist() == [[3, 2, 1], [1, 0, 0]]


def test_the_memory_holds_at_most_50_statements() -> None:
    lines = [f"{i} A is b{i}." for i in range(1, 61)]
    parsed = parse("\n".join([*lines, "61 What is a?\tb1\t1"]))
    both = dictionary([parsed], [parsed])
    assert both.memory == 50
    coded = encode(parsed.questions, both, 1, "x")
    assert coded.tau.tolist() == [list(range(50, 0, -1))]
    assert both.vocabulary[coded.X[0, 0, 2]] == "b11"


def test_a_test_sentence_that_is_too_long_is_refused() -> None:
    train = parse(TRAIN)
    test = parse("1 Mary went home to the house.\n2 Who went?\tmary\t1\n")
    with pytest.raises(
        DataError, match=r"`test` must have sentences of at most 5 words.*'mary wen"
    ):
        encode(test.questions, dictionary([train], [test]), 1, "test")


def test_a_task_holds_out_its_last_tenth_and_joint_one_of_all(tmp_path: Path, cache: Path) -> None:
    folder = unpack(tmp_path)
    one = babi.load(1, folder)
    assert [len(part) for part in (one.train, one.validation, one.test)] == [18, 2, 4]
    names = [one.sentence(q).split()[-1] for q in (*one.train.Q, *one.validation.Q)]
    assert names == [f"box{i}" for i in range(20)]
    both = babi.load("joint", folder, seed=3)
    drawn = words(leaf_key(3, "babi/joint", 0, domain="data-order"), (30,)).tolist()
    order = sorted(range(30), key=drawn.__getitem__)
    names = [both.sentence(q).split()[-1] for q in (*both.train.Q, *both.validation.Q)]
    plain = [f"box{i}" for i in range(20)] + [f"a{i}" for i in range(10)]
    assert names == [plain[i] for i in order]
    assert (len(both.train), len(both.validation), len(both.test)) == (27, 3, 6)
    assert both.test.task.tolist() == [1, 1, 1, 1, 2, 2]
    assert both.train.task.tolist() == [1 if i < 20 else 2 for i in order[:27]]
    # Training files come before test files in the dictionary.
    assert both.vocabulary.index("a9") < both.vocabulary.index("nobody")


def test_the_result_says_what_it_is(tmp_path: Path, cache: Path) -> None:
    found = babi.load(1, unpack(tmp_path))
    assert found.title == "bAbI 1.2 task 1 (size), 18 training, 2 validation and 4 test questions"
    assert (found.name, found.variant, found.reason) == ("babi", "1", "asked for by name")
    assert "array" not in repr(found)
    with pytest.raises(AttributeError):
        found.name = "other"  # type: ignore[misc]


# --- the real files ---------------------------------------------------------

#: Task: dictionary, M, Jw, answers, test error in % of the most frequent training answer, mean length
#: of the memory. Counted from the files by other means than this reader.
SIZES = {
    "1": (20, 10, 6, 6, 81.3, 6.0),
    "2": (34, 50, 6, 6, 81.3, 15.4),
    "3": (35, 50, 7, 6, 81.5, 37.2),
    "4": (15, 2, 7, 6, 82.9, 2.0),
    "5": (40, 50, 7, 7, 81.1, 18.4),
    "6": (36, 26, 6, 2, 50.3, 6.3),
    "7": (44, 34, 6, 4, 51.2, 8.9),
    "8": (46, 46, 6, 14, 66.4, 8.8),
    "9": (24, 10, 7, 2, 36.2, 6.0),
    "10": (25, 10, 9, 3, 56.3, 6.0),
    "11": (27, 10, 8, 6, 81.3, 6.0),
    "12": (21, 10, 8, 6, 84.8, 6.0),
    "13": (27, 10, 8, 6, 84.6, 6.0),
    "14": (26, 14, 8, 6, 83.8, 7.9),
    "15": (18, 8, 5, 4, 78.7, 8.0),
    "16": (18, 9, 4, 4, 76.4, 9.0),
    "17": (19, 2, 11, 2, 48.0, 2.0),
    "18": (19, 15, 9, 2, 53.1, 6.2),
    "19": (32, 5, 10, 12, 91.9, 5.0),
    "20": (36, 12, 7, 7, 82.0, 5.8),
}


@pytest.fixture(scope="module")
def real() -> str:
    """The folder of bAbI itself, where GRADNOISE_DATA holds it; a bad file there is an error."""
    named = os.environ.get("GRADNOISE_DATA")
    if not named:
        pytest.skip("GRADNOISE_DATA is not set")
    path, misses = babi.find(named)
    if path is None:
        pytest.skip(f"no bAbI: {'; '.join(misses)}")
    return named


def trained(found: StoryData, part: str) -> np.ndarray:
    return np.concatenate([getattr(found.train, part), getattr(found.validation, part)])


@pytest.mark.parametrize("task", SIZES)
def test_real_sizes(real: str, task: str) -> None:
    found = babi.load(task, real)
    frequent = np.bincount(trained(found, "y")).argmax()
    assert (
        len(found.vocabulary),
        found.memory,
        found.width,
        len(found.answers),
        round(100 * float(np.mean(found.test.y != frequent)), 1),
        round(float(np.mean(np.sum(trained(found, "tau") > 0, axis=1))), 1),
    ) == SIZES[task]
    assert [len(part) for part in (found.train, found.validation, found.test)] == [900, 100, 1000]
    check_arrays(found)


def test_real_joint(real: str) -> None:
    found = babi.load("joint", real)
    assert (len(found.vocabulary), found.memory, found.width) == (175, 50, 11)
    assert (len(found.train), len(found.validation), len(found.test)) == (18000, 2000, 20000)
    assert np.bincount(trained(found, "task"), minlength=21)[1:].tolist() == [1000] * 20
    assert np.bincount(found.test.task, minlength=21)[1:].tolist() == [1000] * 20
    # The permutation is random: no task is left out of the 2,000, or has more than its share by far.
    assert np.bincount(found.validation.task, minlength=21)[1:].min() > 60
    check_arrays(found)


def test_real_first_question(real: str) -> None:
    found = babi.load(1, real)
    assert [found.sentence(row) for row in found.train.X[0]][:3] == [
        "mary moved to the bathroom",
        "john went to the hallway",
        "",
    ]
    assert found.train.tau[0].tolist() == [2, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert found.sentence(found.train.Q[0]) == "where is mary"
    assert found.vocabulary[found.train.y[0]] == "bathroom"
    assert found.title.startswith("bAbI 1.2 task 1 (single-supporting-fact), 900 training, 100 val")


def test_the_answer_of_task_8_that_only_the_test_set_has_is_in_the_dictionary(real: str) -> None:
    found = babi.load(8, real)
    index = found.vocabulary.index("football,apple,milk")
    assert index not in trained(found, "y")
    assert index in found.test.y


def check_arrays(found: StoryData) -> None:
    """What holds of the arrays of any data set of stories."""
    for part in (found.train, found.validation, found.test):
        n, m, width = part.X.shape
        assert (m, width) == (found.memory, found.width)
        assert part.tau.shape == (n, m)
        assert part.Q.shape == (n, width)
        assert part.y.shape == part.task.shape == (n,)
        filled = (part.tau > 0).sum(axis=1)
        assert filled.min() >= 1
        slots = np.arange(m)
        np.testing.assert_array_equal(part.tau, np.maximum(filled[:, None] - slots, 0))
        np.testing.assert_array_equal((part.X != 0).any(axis=2), part.tau > 0)
        for rows in (part.X, part.Q):  # null words come last
            assert not ((rows[..., :-1] == 0) & (rows[..., 1:] != 0)).any()
        answers = {found.vocabulary[i] for i in np.unique(part.y)}
        assert answers <= set(found.answers)
        assert int(max(part.X.max(), part.Q.max(), part.y.max())) < len(found.vocabulary)
