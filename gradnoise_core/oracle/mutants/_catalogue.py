"""What a wrong (or right) implementation is to the catalogue: how to make it, who judges it."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from gradnoise_core.oracle._report import Report

__all__ = ["Implementation", "Kind", "Mutant"]

#: What an implementation claims to be.
Kind: TypeAlias = Literal["schedule", "noise", "stream", "clipping", "optimizer"]


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """An implementation, the check that judges it, and with which arguments.

    Parameters
    ----------
    name : str
        Unique in its catalogue; words joined by hyphens, as in ``"std-for-variance"``.
    kind : {"schedule", "noise", "stream", "clipping", "optimizer"}
        What it claims to be.
    make : callable
        ``make(seed)`` returns a fresh implementation, what the check takes first. Seeds differ in
        the random numbers alone; an implementation that draws none ignores it. It imports no
        framework before it is called.
    check : str
        The function of `gradnoise_core.oracle` that judges it, as in ``"check_noise"``.
    arguments : mapping
        The keyword arguments of that function.
    """

    name: str
    kind: Kind
    make: Callable[[int], Any]
    check: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def judge(self, seed: int = 0) -> Report:
        """Make it and return what its check says of it."""
        oracle = importlib.import_module("gradnoise_core.oracle")
        report: Report = getattr(oracle, self.check)(self.make(seed), **self.arguments)
        return report


@dataclass(frozen=True, kw_only=True)
class Mutant(Implementation):
    """A wrong implementation: a bug that was found somewhere, or one easily made.

    Parameters
    ----------
    name, kind, make, check, arguments
        As `Implementation`.
    wrong : str
        What is wrong, in one sentence without a full stop.
    source : str
        Where it was found: a project, a thread (``"optax#281"``), or ``"likely slip"``.
    diagnosis : str
        Words that the report must hold: its `cause`, or the claim that fails. Empty if the check
        need only fail.
    """

    wrong: str
    source: str
    diagnosis: str = ""

    def caught(self, seed: int = 0) -> bool:
        """Return whether its check fails it, and with the diagnosis due."""
        report = self.judge(seed)
        return not report.passed and self.diagnosis in "\n".join(map(str, report.failures))
