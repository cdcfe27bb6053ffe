"""The README's examples run as they stand."""

import importlib.util
import re
import runpy
import tomllib
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"

#: What an example may import that need not be installed.
OPTIONAL = ("torch", "jax", "optax", "cupy")


def examples(text: str) -> list[str]:
    """Return the Python blocks of a Markdown text."""
    return re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


EXAMPLES = examples(README.read_text(encoding="utf-8"))


def run(code: str, folder: Path) -> dict[str, object]:
    script = folder / "example.py"
    script.write_text(code, encoding="utf-8")
    return runpy.run_path(str(script))


@pytest.mark.parametrize("code", EXAMPLES, ids=lambda code: code.splitlines()[0])
def test_an_example_runs(code: str, tmp_path: Path) -> None:
    for name in OPTIONAL:
        imported = re.search(rf"^import {name}\b", code, flags=re.MULTILINE)
        if imported and importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    assert "updates" in run(code, tmp_path)


def test_each_library_that_the_examples_are_about_has_one() -> None:
    for name in ("numpy", "torch", "jax"):
        assert any(f"import {name}" in code for code in EXAMPLES)


def test_a_broken_example_is_noticed(tmp_path: Path) -> None:
    (code,) = examples("text\n```python\nimport gradnoise_core as gn\ngn.nothing()\n```\n")
    with pytest.raises(AttributeError, match="nothing"):
        run(code, tmp_path)


def test_each_extra_that_a_user_can_want_is_named() -> None:
    project = tomllib.loads((README.parent / "pyproject.toml").read_text(encoding="utf-8"))
    extras = set(project["project"]["optional-dependencies"]) - {"test", "docs"}
    rows = re.findall(r"^\| (`.*`) \|", README.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(re.findall(r"`(.*?)`", " ".join(rows))) == extras
