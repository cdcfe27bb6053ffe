"""Every name in the `__all__` of a public module is documented, or the build fails.

A public module has no underscore in its path. A name that modules share is documented once: any
entry for the same object under the same name will do.

Also here: the docstring of a constant that is re-exported, which autodoc misses; and signatures
and members without what only a machine could want to read.
"""

import ast
import functools
import importlib
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging

__all__ = ["setup"]

PACKAGES = ("gradnoise_core", "gradnoise_backends", "gradnoise_reference_models")

#: Commands, not an interface of Python: the directive command-help documents them all.
COMMANDS = ("gradnoise_reference_models.cli",)

_logger = logging.getLogger(__name__)


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of each public module and name without an entry."""
    python = env.domains.python_domain
    for module, names in sorted(public_names().items()):
        if module not in python.modules:
            _logger.warning("%s is a public module and has no entry in docs/api", module)
        for name in names:
            full = f"{module}.{name}"
            known = (full, *_same(module, name))
            if not any(x in python.objects or x in python.modules for x in known):
                _logger.warning("%s is in __all__ and has no entry in docs/api", full)


@functools.cache
def public_names() -> dict[str, list[str]]:
    """Return the `__all__` of every public module."""
    out: dict[str, list[str]] = {}
    for package in PACKAGES:
        spec = find_spec(package)
        for root in (spec and spec.submodule_search_locations) or []:
            for path in sorted(Path(root).rglob("*.py")):
                parts = [package, *path.relative_to(root).with_suffix("").parts]
                parts = parts[:-1] if parts[-1] == "__init__" else parts
                module = ".".join(parts)
                if not any(p.startswith("_") for p in parts) and not module.startswith(COMMANDS):
                    out[module] = _all(path)
    return out


def _all(path: Path) -> list[str]:
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


def _same(module: str, name: str) -> Iterator[str]:
    """Yield the other public names of an object that keep its last part."""
    others = [m for m, names in public_names().items() if m != module and name in names]
    for other in others:
        # Read before it is imported: a backend's own library may be absent.
        if getattr(importlib.import_module(other), name) is getattr(
            importlib.import_module(module), name
        ):
            yield f"{other}.{name}"


def skip_what_says_nothing(
    app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any
) -> bool | None:
    """Skip the fields of named tuples, and fields whose default is another library's function."""
    if what != "class":
        return None
    generated = "Alias for field number" in (getattr(obj, "__doc__", None) or "")
    home = (getattr(obj, "__module__", None) or PACKAGES[0]).partition(".")[0]
    return True if generated or home not in PACKAGES else None


def add_comment(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Give a re-exported constant the comment that stands where it is defined."""
    if what == "data":
        lines[:] = _comments().get(name.rpartition(".")[2], lines)


@functools.cache
def _comments() -> dict[str, list[str]]:
    """Return the ``#:`` comments of the private modules' public constants, by name."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        spec = find_spec(package)
        for root in (spec and spec.submodule_search_locations) or []:
            for path in Path(root).rglob("_[a-z]*.py"):
                parts = [package, *path.relative_to(root).with_suffix("").parts]
                # Read, not imported: what a private module needs may be absent.
                analyzer = ModuleAnalyzer.for_file(path, ".".join(parts))
                exported = set(_all(path))
                for (scope, name), lines in analyzer.find_attr_docs().items():
                    if not scope and name in exported:
                        found[name] = list(lines)
    return found


def shorten(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returns: str
) -> tuple[str, str] | None:
    """Show a default that is a function by its name, without its address."""
    if not signature or "<" not in signature:
        return None
    return re.sub(r"<(?:built-in )?function (\w+)[^>]*>", r"\1", signature), returns


def setup(app: Sphinx) -> dict[str, Any]:
    """Check when all pages were read, and help autodoc before."""
    app.connect("env-check-consistency", check)
    app.connect("autodoc-skip-member", skip_what_says_nothing)
    app.connect("autodoc-process-docstring", add_comment, priority=100)
    app.connect("autodoc-process-signature", shorten)
    return {"parallel_read_safe": True}
