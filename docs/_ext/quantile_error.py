"""``.. quantile-error::``: the sentence on the table's error over all 2**32 words.

The figures are those of ``tools/check_all_words.py --json docs/results/quantile-error.json``.
Without the file, or with figures of another table, the build fails.
"""

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from gradnoise_core.random import TABLE_SHA256

__all__ = ["QuantileError", "setup"]

PATH = Path("results") / "quantile-error.json"
BOUND = 2.0**-20

_logger = logging.getLogger(__name__)


class QuantileError(SphinxDirective):
    """One paragraph, from the results file."""

    def run(self) -> list[nodes.Node]:
        """Return the paragraph; warn if the figures are absent or not of this table."""
        path = Path(self.env.srcdir) / PATH
        self.env.note_dependency(str(path))
        try:
            found = json.loads(path.read_text("utf-8"))
            text = _sentence(found)
        except (OSError, KeyError, TypeError, ValueError) as error:
            _logger.warning(
                "docs/%s must hold the figures of tools/check_all_words.py for this table: %s",
                PATH.as_posix(),
                f"{type(error).__name__}: {error}",
                location=self.get_location(),
            )
            return []
        paragraph = nodes.paragraph()
        children, messages = self.parse_inline(text)
        paragraph += children
        return [paragraph, *messages]


def _sentence(found: dict[str, Any]) -> str:
    if found["table"] != TABLE_SHA256:
        message = f"they are of table {found['table']}, not {TABLE_SHA256}; run the tool again"
        raise ValueError(message)
    if found["words"] != 1 << 32 or found["error"] > BOUND or found["asymmetric"] != 0:
        message = f"they must cover 2**32 words and keep the bound, got {found}"
        raise ValueError(message)
    return (
        f"Measured over all 2\\ :sup:`32` words, on the table with the SHA-256 above, against "
        f"``scipy.special.ndtri`` in float64: the largest error is **{found['error']:.3g}**, at "
        f"word {found['error_at']:,} and at its complement; the largest magnitude is "
        f"{found['largest']:.6f}; z(~u) = -z(u) to the bit for every word. "
        "(``tools/check_all_words.py`` repeats the measurement.)"
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("quantile-error", QuantileError)
    return {"parallel_read_safe": True}
