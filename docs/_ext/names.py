"""A name in single backticks: a link where it is that of a documented object, else code.

The docstrings write arguments and functions alike, as in `eta` and `zero_nans`. Explicit roles,
such as ``:py:func:``, stay strict: a target that is missing is a warning.
"""

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

__all__ = ["setup"]


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.Element
) -> nodes.Node | None:
    """Link to the only documented object whose name ends so; leave other names as they are."""
    if node.get("refdomain") != "py" or node.get("reftype") != "obj":
        return None
    target = node["reftarget"]
    objects = env.domains.python_domain.objects
    found = [name for name in objects if name.endswith(f".{target}")]
    if len(found) != 1:
        return contnode
    entry = objects[found[0]]
    return make_refnode(
        app.builder, node["refdoc"], entry.docname, entry.node_id, contnode, found[0]
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Answer for references that Sphinx itself does not resolve."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
