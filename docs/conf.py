"""The documentation's build: warnings are errors, and nothing is fetched from a network."""

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
sys.path.insert(0, str(Path(__file__).parents[1]))  # for benchmarks

# Keras loads TensorFlow unless it is told otherwise, and that is not installed.
os.environ.setdefault("KERAS_BACKEND", "torch")

project = "gradnoise-core"
author = "The gradnoise-core developers"
copyright = f"2026, {author}"
release = version = installed_version("gradnoise-core")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    # Ours, in _ext.
    "accuracy_table",
    "benchmark_table",
    "command_help",
    "dialect_table",
    "language_table",
    "memory_table",
    "mathml",
    "mutant_table",
    "names",
    "public_names",
    "quantile_error",
    "stream_quality",
    "world_table",
]
exclude_patterns = ["_build"]
templates_path: list[str] = []
myst_heading_anchors = 3

# A single backtick names an argument or an object: `names` links it where it is an object's.
default_role = "py:obj"
nitpicky = True
nitpick_ignore = [
    # Python's own documentation is not at hand, for the build fetches nothing.
    ("py:class", "collections.abc.Callable"),
    ("py:class", "collections.abc.Iterable"),
    ("py:class", "collections.abc.Sequence"),
]

# numpydoc says the types; repeated in the signature they would only make it long.
autodoc_typehints = "none"
# The values of constants are long, and a link leads to them.
autodoc_default_options = {"members": True, "no-value": True}
# A default as it is written, not the value that it has when the pages are built.
autodoc_preserve_defaults = True
# Absent on a machine without CUDA; its backend is documented all the same.
autodoc_mock_imports = ["array_api_compat.cupy", "cupy"]
autosummary_generate = True
numpydoc_show_class_members = False
# Types are prose ("sequence of R floats"), not names to be looked up.
numpydoc_xref_param_type = False

# Only the pages' own blocks: pytest runs the docstrings' examples, in their module's namespace.
doctest_test_doctest_blocks = ""
# As in the tests: a warning in an example is an error in it.
doctest_global_setup = "import warnings; warnings.simplefilter('error')"

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"gradnoise-core {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}
