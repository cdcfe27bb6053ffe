"""Which import names the project claims, and which way imports point."""

import ast
import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = {
    "gradnoise_core": ROOT / "gradnoise_core",
    "gradnoise_backends": ROOT / "backends" / "gradnoise_backends",
    "gradnoise_reference_models": ROOT / "reference_models" / "gradnoise_reference_models",
}

#: What each package may import of the project, and of the array frameworks.
MAY_IMPORT = {
    "gradnoise_core": {"gradnoise_core"},
    "gradnoise_backends": {"gradnoise_backends", "gradnoise_core"},
    "gradnoise_reference_models": {"gradnoise_reference_models", "gradnoise_core"},
}
FRAMEWORKS = {
    "array_api_strict",
    "cupy",
    "equinox",
    "flax",
    "jax",
    "keras",
    "lightning",
    "optax",
    "pytorch_lightning",
    "tensorflow",
    "torch",
    "transformers",
}
LONGEST = 600

packages = pytest.mark.parametrize("package", SHIPPED)


def imported(source: str) -> Iterator[str]:
    """Yield the top-level names that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def modules(package: str) -> list[Path]:
    found = sorted(SHIPPED[package].rglob("*.py"))
    assert found
    return found


def breaches(package: str, source: str) -> set[str]:
    """Return what a module of a package imports though it may not."""
    names = set(imported(source))
    wrong = names & (set(SHIPPED) | {"backends", "reference_models", "tests"})
    wrong -= MAY_IMPORT[package]
    return wrong | (names & FRAMEWORKS if package == "gradnoise_core" else set())


def test_only_prefixed_names_are_claimed() -> None:
    claimed = {
        name
        for name, distributions in importlib.metadata.packages_distributions().items()
        if "gradnoise-core" in distributions
    }
    assert {n for n in claimed if not n.startswith("_")} <= set(SHIPPED)


def test_the_wheel_is_told_to_hold_the_three_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {ROOT / folder for folder in wheel} == set(SHIPPED.values())
    assert set(project["tool"]["check-wheel-contents"]["toplevel"]) == set(SHIPPED)


@packages
def test_a_package_is_typed_and_says_what_it_is(package: str) -> None:
    folder = SHIPPED[package]
    assert (folder / "py.typed").is_file()
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))


@pytest.mark.parametrize("root", ["backends", "reference_models"])
def test_a_source_root_is_no_package(root: str) -> None:
    assert not (ROOT / root / "__init__.py").exists()
    names = {p.name for p in (ROOT / root).iterdir() if not p.name.startswith((".", "__"))}
    assert names == {f"gradnoise_{root}"}


@packages
def test_imports_point_one_way(package: str) -> None:
    wrong = {
        path.relative_to(ROOT).as_posix(): found
        for path in modules(package)
        if (found := breaches(package, path.read_text(encoding="utf-8")))
    }
    assert not wrong


@pytest.mark.parametrize(
    ("package", "source", "wrong"),
    [
        ("gradnoise_core", "import torch.nn", {"torch"}),
        ("gradnoise_core", "def f():\n    from jax import numpy", {"jax"}),
        (
            "gradnoise_core",
            "import lightning.pytorch, flax, equinox",
            {"lightning", "flax", "equinox"},
        ),
        ("gradnoise_core", "from gradnoise_backends.numpy import backend", {"gradnoise_backends"}),
        (
            "gradnoise_backends",
            "import torch, gradnoise_reference_models",
            {"gradnoise_reference_models"},
        ),
        ("gradnoise_reference_models", "import backends.gradnoise_backends", {"backends"}),
        ("gradnoise_core", "import numpy, optree, gradnoise_core.tree", set()),
    ],
)
def test_the_check_of_imports_can_fail(package: str, source: str, wrong: set[str]) -> None:
    assert breaches(package, source) == wrong


def test_the_linter_of_imports_knows_the_same_frameworks() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (told,) = [
        set(contract["forbidden_modules"])
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "forbidden"
    ]
    assert told == FRAMEWORKS - {"tensorflow"}  # which needs no extra


@packages
def test_a_module_has_one_idea(package: str) -> None:
    for path in modules(package):
        lines = path.read_text(encoding="utf-8").count("\n")
        assert lines <= LONGEST, f"{path.relative_to(ROOT)} has {lines} lines"


@packages
def test_a_module_has_a_docstring_and_no_absolute_path(package: str) -> None:
    for path in modules(package):
        text = path.read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), path
        assert not re.search(r"[\"'](/(?:home|work|root|Users)/|[A-Z]:\\\\)", text), path
