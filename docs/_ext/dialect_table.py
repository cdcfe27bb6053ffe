"""``.. dialect-table:: adam``: an optimizer's keywords in every dialect, from the code's table."""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from gradnoise_core.optimizers import DIALECTS, keywords
from gradnoise_core.optimizers._dialects import VERSIONS

__all__ = ["DialectTable", "DialectVersions", "setup"]

_logger = logging.getLogger(__name__)


class DialectTable(SphinxDirective):
    """A row a keyword, a column a dialect; what differs from the paper is strong."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table, or refuse an unknown optimizer."""
        name = self.arguments[0]
        if name not in DIALECTS:
            message = f"There is no optimizer {name!r} in DIALECTS: {', '.join(DIALECTS)}."
            raise self.error(message)
        dialects = list(DIALECTS[name])
        paper = keywords(name)
        group = nodes.tgroup(cols=1 + len(dialects))
        group += [nodes.colspec(colwidth=1) for _ in range(1 + len(dialects))]
        head, body = nodes.thead(), nodes.tbody()
        head += _row([nodes.Text(x) for x in ("keyword", *dialects)])
        for keyword in paper:
            cells = [_value(keywords(name, d)[keyword], paper[keyword]) for d in dialects]
            body += _row([nodes.literal(text=keyword), *cells])
        group += [head, body]
        return [nodes.table("", group, classes=["dialects"])]


class DialectVersions(SphinxDirective):
    """Which version of each framework its dialect is of."""

    def run(self) -> list[nodes.Node]:
        """Return a sentence."""
        listed = ", ".join(f"{name} {version}" for name, version in VERSIONS.items())
        return [nodes.paragraph("", f"The versions that the dialects are of: {listed}.")]


def _row(cells: list[nodes.Node]) -> nodes.row:
    row = nodes.row()
    for cell in cells:
        entry, paragraph = nodes.entry(), nodes.paragraph()
        paragraph += cell
        entry += paragraph
        row += entry
    return row


def _value(value: Any, paper: Any) -> nodes.Node:
    text = nodes.literal(text=repr(value))
    return text if value == paper else nodes.strong("", "", text)


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of each optimizer without a table."""
    page = Path(app.srcdir, "optimizers.rst").read_text("utf-8").splitlines()
    for name in DIALECTS:
        if f".. dialect-table:: {name}" not in page:
            _logger.warning("docs/optimizers.rst must have a dialect-table of %s", name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives and the check that none is left out."""
    app.connect("env-check-consistency", check)
    app.add_directive("dialect-table", DialectTable)
    app.add_directive("dialect-versions", DialectVersions)
    return {"parallel_read_safe": True}
