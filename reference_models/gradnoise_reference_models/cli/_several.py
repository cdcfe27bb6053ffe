"""Options that take several values, as in ``1,6``."""

import math
from typing import Any

import click

__all__ = ["Positive", "Several"]


class Positive(click.FloatRange):
    """A finite number above 0."""

    def __init__(self) -> None:
        super().__init__(0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return found


class Several(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """Values of another type with commas between; each once, in the order given."""

    name = "several"

    def __init__(self, kind: click.ParamType) -> None:  # type: ignore[type-arg]
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a tuple of the values."""
        if not isinstance(value, str):
            return tuple(value)
        words = [word.strip() for word in value.split(",")]
        return tuple(dict.fromkeys(self.kind.convert(word, param, ctx) for word in words))

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return what stands for the values in the help."""
        if isinstance(self.kind, click.Choice):
            return f"[{'|'.join(map(str, self.kind.choices))}],..."
        return f"{self.kind.name.partition(' ')[0].upper()},..."
