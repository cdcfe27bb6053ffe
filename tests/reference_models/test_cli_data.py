"""``gradnoise data``: list, download, show."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gradnoise_reference_models.cli import cli
from gradnoise_reference_models.data import DATA_SETS, DOWNLOADERS, DataError, DataSet, register


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["data", *arguments])


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No data is at hand."""
    monkeypatch.delenv("GRADNOISE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_list_has_a_line_for_each_data_set_found_or_not(nothing: Path) -> None:
    result = run("list")
    assert result.exit_code == 0
    lines = dict(line.split(": ", 1) for line in result.output.splitlines())
    assert list(lines) == list(DATA_SETS)
    for name in DOWNLOADERS:
        assert f"`gradnoise data download {name}`" in lines[name]
    assert lines["stories"].startswith("generated stories like bAbI tasks 1, 2, 3, ")
    assert lines["generated"].endswith("(our generator, seed 0)")


def test_show_prints_stories_as_the_model_gets_them(nothing: Path) -> None:
    result = run("show", "stories", "1", "--count", "2")
    assert result.exit_code == 0, result.output
    assert result.output == (
        "generated stories like bAbI task 1 (single-supporting-fact), 900 training, 100 validation "
        "and 1,000 test questions (our generator, seed 0)\n"
        "\n"
        "  2 john travelled to the kitchen\n"
        "  1 sandra journeyed to the garden\n"
        "    where is john ? kitchen\n"
        "\n"
        "  4 john travelled to the kitchen\n"
        "  3 sandra journeyed to the garden\n"
        "  2 mary moved to the garden\n"
        "  1 john went to the office\n"
        "    where is mary ? garden\n"
        "\n"
    )


def test_show_prints_windows_of_a_text(nothing: Path) -> None:
    result = run("show", "generated", "--count", "2")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()[2:]
    assert [line[:5] for line in lines] == ["in:  ", "out: ", "", "in:  ", "out: ", ""]
    inputs, targets = (lines[i][5:].split() for i in (0, 1))
    assert len(inputs) == len(targets) == 20
    assert targets[:-1] == inputs[1:]
    assert lines[3][5:].split()[0] == targets[-1]


def test_show_draws_images(nothing: Path) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    result = run("show", "digits", "--count", "1")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()[2:]
    assert len(lines) == 9
    assert lines[-1] == "class 0"
    assert "@" in result.output


@pytest.mark.parametrize("name", DATA_SETS)
def test_show_shows_every_data_set_or_says_how_to_get_it(nothing: Path, name: str) -> None:
    result = run("show", name, "--count", "1")
    if name in DOWNLOADERS:
        assert result.exit_code == 1
        assert result.output.startswith("Error: ")
        assert f"`gradnoise data download {name}`" in result.output
    else:
        assert result.exit_code == 0, result.output
        assert len(result.output.splitlines()) > 3


def test_show_looks_in_a_folder(nothing: Path) -> None:
    result = run("show", "babi", "--folder", str(nothing / "there"))
    assert result.exit_code == 1
    assert f"`directory` {nothing / 'there'} does not exist" in result.output
    result = run("show", "stories", "--folder", str(nothing))
    assert result.exit_code == 1
    assert "`directory` must be None for stories" in result.output


def test_variants_that_there_are_not_are_refused() -> None:
    result = run("show", "stories", "9")
    assert result.exit_code == 2
    assert "VARIANT of stories must be 1, 2, 3, 4, 5, 6, 7, 8, 11, " in result.output
    result = run("show", "generated", "1")
    assert result.exit_code == 2
    assert "VARIANT of generated must be left out, got '1'" in result.output
    assert run("show", "stories", "--count", "0").exit_code == 2
    assert run("show", "cifar").exit_code == 2


@pytest.mark.parametrize("name", DOWNLOADERS)
def test_download_says_where_or_why_not(
    nothing: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(DOWNLOADERS, name, lambda folder: folder or Path("cache"))
    assert run("download", name).output == f"{name} is in cache\n"
    assert run("download", name, "--folder", "here").output == f"{name} is in here\n"

    def fails(folder: Path | None) -> Path:
        message = "no mirror"
        raise DataError(message)

    monkeypatch.setitem(DOWNLOADERS, name, fails)
    result = run("download", name)
    assert result.exit_code == 1
    assert result.output == "Error: no mirror\n"


def test_another_data_set_registers_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    class Found:
        title, source, reason = "two numbers", "nowhere", "asked for"

    def samples(found: Found, count: int) -> Iterator[str]:
        yield from map(str, range(count))

    for name in list(DATA_SETS):
        monkeypatch.delitem(DATA_SETS, name)
    register(DataSet("numbers", "Numbers.", "none", lambda variant, folder: Found(), samples))
    assert run("list").output == "numbers: two numbers (nowhere)\n"
    with pytest.raises(ValueError, match=r"`data_set\.name` must be new, got 'numbers'"):
        register(DATA_SETS["numbers"])


def test_every_data_set_says_what_it_is_and_under_which_licence() -> None:
    for name, data_set in DATA_SETS.items():
        assert name == data_set.name
        assert data_set.about.endswith(".")
        assert data_set.licence
