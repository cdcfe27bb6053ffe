"""The Python blocks of a page of the documentation, which its tests run as they stand."""

import re
import runpy
import textwrap
from pathlib import Path
from typing import Any

__all__ = ["page", "run_page"]

DOCS = Path(__file__).parents[1] / "docs"


def page(name: str) -> str:
    """Return the ``code-block:: python`` blocks of a page, one after another, as one program."""
    text = (DOCS / name).read_text(encoding="utf-8")
    blocks = re.findall(r"^\.\. code-block:: python\n\n((?:(?:   .*)?\n)+)", text, re.MULTILINE)
    assert blocks, name
    return "\n".join(textwrap.dedent(block) for block in blocks)


def run_page(name: str, folder: Path) -> dict[str, Any]:
    """Run a page, written to a folder, in this process; return its variables."""
    script = folder / "page.py"
    script.write_text(page(name), encoding="utf-8")
    return runpy.run_path(str(script))
