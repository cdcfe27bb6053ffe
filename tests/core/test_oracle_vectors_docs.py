"""The page on conformance vectors: its program runs, its tables and its output are true."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from doc_examples import DOCS, page
from vector_cases import PUBLISHED, answer

from gradnoise_core.oracle.vectors import SETS, check_vectors, published_vectors, schema

TEXT = (DOCS / "vectors.rst").read_text(encoding="utf-8")

#: What the page's program computes.
PORTED = [
    "schedules/annealed",
    "words",
    *(f"trajectories/adam/torch/{v}" for v in ("plain", "decay")),
]
NOT_PORTED = {"words/cipher", "words/fold-in", "words/leaf-keys"}


def rows(text: str) -> list[tuple[str, ...]]:
    """Return the cells of every row of the list tables in a text."""
    found = re.findall(r"^   \* - (.*)\n((?:     - .*\n)+)", text, re.MULTILINE)
    return [(first, *(re.findall(r"^     - (.*)$", rest, re.MULTILINE))) for first, rest in found]


def described(rules: Any) -> list[tuple[str, ...]]:
    """Return the rows that the schema makes of an object's keys."""
    out: list[tuple[str, ...]] = []
    for key, rule in rules["properties"].items():
        text = rule["description"]
        if "const" in rule:
            text += f" Always ``{rule['const']}``."
        out.append((f"``{key}``", "yes" if key in rules["required"] else "no", text))
    return out


def test_the_tables_of_the_format_are_the_schemas() -> None:
    found = [row for row in rows(TEXT) if row[1] in ("yes", "no")]
    definitions = schema()["$defs"]
    objects = (schema(), definitions["vector"], definitions["array"])
    assert found == [row for rules in objects for row in described(rules)]


def test_the_table_of_families_is_the_registrys() -> None:
    head, *found = (row[:2] for row in rows(TEXT.partition("**Boundaries.**")[0]))
    assert head == ("family", "what it is about")
    assert found == [(f"``{name}``", about) for name, (about, _) in SETS.items()]


@pytest.fixture(scope="module")
def ported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the page's program wrote, run without numpy, gradnoise or any installed package."""
    folder = tmp_path_factory.mktemp("port")
    script = folder / "port.py"
    script.write_text(page("vectors.rst"), encoding="utf-8")
    command = [sys.executable, "-I", "-S", "-W", "error", str(script)]
    command += [str(published_vectors()), str(folder / "mine")]
    subprocess.run(command, check=True, timeout=300)
    return folder / "mine"


def test_the_program_passes_what_it_computes(ported: Path) -> None:
    report = check_vectors(ported, only=PORTED)
    assert {claim.name for claim in report.failures} == NOT_PORTED
    assert all(claim.seen == "missing" for claim in report.failures)
    assert len(report.claims) - len(report.failures) == 6 + 12 + 2


def test_the_program_can_fail(tmp_path: Path) -> None:
    """With t from 1, say."""
    wrong = page("vectors.rst").replace("(1 + int(t))", "(2 + int(t))")
    assert wrong != page("vectors.rst")
    script = tmp_path / "port.py"
    script.write_text(wrong, encoding="utf-8")
    command = [sys.executable, "-I", "-S", str(script), str(published_vectors())]
    subprocess.run([*command, str(tmp_path / "mine")], check=True, timeout=300)
    report = check_vectors(tmp_path / "mine", only=["schedules/annealed"])
    # Without noise, and without decay, t does not matter.
    passed = {claim.name.rpartition("/")[2] for claim in report if claim.passed}
    assert passed == {"no-noise", "no-decay"}


def test_the_failure_that_is_shown_is_what_is_printed(tmp_path: Path) -> None:
    name = "trajectories/adam/torch/plain"
    other = PUBLISHED["trajectories/adam/keras/plain"].outputs["parameters"].array
    (claim,) = check_vectors(answer(tmp_path, {name: other}), only=[name])
    assert "\n".join(f"   {line}" for line in str(claim).splitlines()) in TEXT
