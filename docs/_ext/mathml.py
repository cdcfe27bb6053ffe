"""Formulas as MathML, which browsers draw by themselves: no script, no font, no network.

docutils translates the LaTeX while the pages are built; what it cannot translate is a warning, and
so an error of the build.
"""

from typing import Any

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

__all__ = ["setup"]

_logger = logging.getLogger(__name__)


def _mathml(node: Any, *, block: bool) -> str:
    try:
        return str(latex2mathml.tex2mathml(node.astext(), as_block=block))
    except (MathError, SyntaxError) as error:
        _logger.warning("formula %r cannot be drawn: %s", node.astext(), error, location=node)
        return f"<code>{node.astext()}</code>"


def visit_math(self: Any, node: Any) -> None:
    """Write a formula within a line."""
    self.body.append(_mathml(node, block=False))
    raise nodes.SkipNode


def visit_displaymath(self: Any, node: Any) -> None:
    """Write a formula on lines of its own."""
    self.body.append(f'<div class="math">{_mathml(node, block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer, and choose it."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
