"""``.. command-help::``: what ``gradnoise COMMAND --help`` prints, for every command there is."""

from collections.abc import Iterator
from typing import Any

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from gradnoise_reference_models.cli import cli

__all__ = ["CommandHelp", "setup"]

WIDTH = 88


class CommandHelp(SphinxDirective):
    """The help of a command and of its subcommands; the argument names one, as in ``data list``."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return a literal block a command."""
        context = click.Context(
            cli, info_name="gradnoise", terminal_width=WIDTH, color=False, **cli.context_settings
        )
        for name in self.arguments[0].split() if self.arguments else []:
            command = getattr(context.command, "commands", {}).get(name)
            if command is None:
                message = f"There is no command {context.command_path!r} {name!r}."
                raise self.error(message)
            context = click.Context(command, parent=context, info_name=name)
        out: list[nodes.Node] = []
        for title, text in _help(context):
            out.append(nodes.rubric("", "", nodes.literal(text=title)))
            out.append(nodes.literal_block(text, text, language="text"))
        return out


def _help(context: click.Context) -> Iterator[tuple[str, str]]:
    yield context.command_path, context.get_help()
    for name, command in getattr(context.command, "commands", {}).items():
        yield from _help(click.Context(command, parent=context, info_name=name))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True}
