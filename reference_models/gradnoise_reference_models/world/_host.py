"""A framework in a process of its own, of this Python or of another."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

from gradnoise_core.tree import flatten
from gradnoise_reference_models.world._frameworks import FRAMEWORKS, Framework
from gradnoise_reference_models.world._hosted.pipe import receive, send

__all__ = ["Host", "HostError", "Hosts"]

PROGRAM = Path(__file__).parent / "_hosted"


class HostError(RuntimeError):
    """What went wrong in the other process, in its own words."""


class Host:
    """One process, and the subjects that it made.

    Parameters
    ----------
    framework : Framework
        One with `hosted`.
    python : str
        The interpreter.
    """

    def __init__(self, framework: Framework, python: str) -> None:
        environment = {**os.environ, **framework.environment}
        if python == sys.executable:
            environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
        else:
            environment.pop("PYTHONPATH", None)  # another's packages are not for it
        process = subprocess.Popen(
            [python, str(PROGRAM), framework.hosted],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self._process = process
        self._requests = cast("BinaryIO", process.stdin)
        self._replies = cast("BinaryIO", process.stdout)

    def version(self) -> str:
        """Return the framework's version."""
        return str(self._ask({"do": "version"})[0]["version"])

    def optimizer(self, name: str, options: Mapping[str, Any]) -> Any:
        """Return ``step(params, grads, rate) -> new params``, on dicts of NumPy arrays."""
        number = self._make(name, options)

        def step(params: Any, grads: Any, rate: float) -> Any:
            tree, g = flatten(params, "params"), flatten(grads, "grads")
            message = {"do": "step", "number": number, "rate": rate}
            return tree.rebuild(self._ask(message, [*tree.leaves, *g.leaves])[1])

        return step

    def noise(self, name: str, options: Mapping[str, Any]) -> Any:
        """Return ``noisy(gradient, t)``, on dicts of NumPy arrays."""
        number = self._make(name, options)

        def noisy(gradient: Any, t: int) -> Any:
            tree = flatten(gradient, "gradient")
            return tree.rebuild(
                self._ask({"do": "noise", "number": number, "t": t}, list(tree.leaves))[1]
            )

        return noisy

    def close(self) -> None:
        """End the process, which has nothing to save."""
        self._process.kill()
        self._process.wait()
        with suppress(BrokenPipeError):
            self._requests.close()
        self._replies.close()

    def _make(self, name: str, options: Mapping[str, Any]) -> int:
        return int(self._ask({"do": "make", "name": name, "options": dict(options)})[0]["number"])

    def _ask(
        self, message: dict[str, Any], arrays: list[Any] | None = None
    ) -> tuple[dict[str, Any], list[Any]]:
        try:
            send(self._requests, message, arrays)
            reply, out = receive(self._replies)
        except (BrokenPipeError, EOFError) as error:
            raise HostError(str(error)) from error
        if "error" in reply:
            raise HostError(reply["error"])
        return reply, out


class Hosts:
    """The processes of all frameworks that need one, each begun when it is first asked for.

    Parameters
    ----------
    pythons : mapping
        framework -> the interpreter that has it; this one by default.
    """

    def __init__(self, pythons: Mapping[str, str] | None = None) -> None:
        self.pythons = dict(pythons or {})
        self._open: dict[str, Host] = {}

    def host(self, name: str) -> Host:
        """Return the process of a framework."""
        if name not in self._open:
            python = self.pythons.get(name, sys.executable)
            self._open[name] = Host(FRAMEWORKS[name], python)
        return self._open[name]

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all processes."""
        for host in self._open.values():
            host.close()
        self._open.clear()
