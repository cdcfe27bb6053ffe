"""What the workers of all adapters share: how checks are run, and what they have in common."""

import json
import runpy
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import gradnoise_core as gn
from gradnoise_core.noise import NoiseState

__all__ = ["checks_of", "found_by", "from_step_1", "hooked", "print_all", "refused"]

#: How the names of checks begin.
KINDS = ("run_", "control_", "fact_", "refused_")


def checks_of(module: Mapping[str, Any]) -> list[Callable[..., Any]]:
    """Return the checks among a worker's globals, in their order."""
    return [f for name, f in module.items() if name.startswith(KINDS)]


def found_by(checks: Iterable[Callable[..., Any]], folder: Path) -> dict[str, Any]:
    """Return what checks found, by name; those that take one get a folder."""
    return {f.__name__: f(folder) if f.__code__.co_argcount else f() for f in checks}


def print_all(module: Mapping[str, Any], folder: Path, page: Path) -> None:
    """Run all checks among a worker's globals, and the page; print what they found."""
    found = found_by(checks_of(module), folder)
    print(json.dumps({**found, "page": runpy.run_path(str(page))["accuracy"]}))


def refused(error: type[Exception], act: Callable[[], Any]) -> str:
    """Return the message of an error that is due, or that there was none."""
    try:
        act()
    except error as raised:
        return str(raised)
    return "nothing was raised"


def from_step_1(noise: Any) -> Any:
    """Return a link of noise whose t is counted from 1, as a control."""
    return gn.GradientTransformation(lambda params: NoiseState(1), noise.update)


def hooked(optimizer: Any) -> bool:
    """Return whether a torch optimizer has hooks around its step."""
    return bool(optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks)
