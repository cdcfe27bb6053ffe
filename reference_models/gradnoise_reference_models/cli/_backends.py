"""Which array libraries are installed, for the commands that choose one."""

import importlib
from typing import NamedTuple

import click

from gradnoise_core.backend import Backend, registered
from gradnoise_core.typing import Device

__all__ = ["Installed", "choose", "choose_device", "installed", "names"]


class Installed(NamedTuple):
    """A registered array library: its backend, or why there is none."""

    name: str
    version: str
    backend: Backend | None
    reason: str


def names() -> list[str]:
    """Return the registered array libraries, NumPy first."""
    return sorted(registered(), key=lambda name: (name != "numpy", name))


def installed() -> list[Installed]:
    """Return every registered array library and whether it works here."""
    return [_look(name) for name in names()]


def choose(name: str) -> Backend:
    """Return a backend by name, or fail with the extra that it needs."""
    found = _look(name)
    if found.backend is None:
        message = f"backend {name} cannot be used: {found.reason}"
        raise click.ClickException(message)
    return found.backend


def choose_device(backend: Backend, name: str | None) -> tuple[str | None, Device]:
    """Return a backend's device by name, with its full name; or fail with the names there are.

    A name without a number, as in cuda, means the first device of that kind.
    """
    if name is None:
        return None, None
    devices = backend.devices()
    found = name if name in devices else None
    if found is None and ":" not in name:
        found = next((full for full in devices if full.startswith(f"{name}:")), None)
    if found is None:
        message = f"--device of {backend.name} must be one of {', '.join(devices)}, got {name}."
        raise click.ClickException(message)
    return found, devices[found]


def _look(name: str) -> Installed:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == name
        why = f'not installed; pip install "gradnoise-core[{name}]"' if missing else str(error)
        return Installed(name, "", None, why)
    version = str(getattr(module, "__version__", "?"))
    try:
        backend = registered()[name].load()
        if not backend.devices():
            return Installed(name, version, None, "no device found")
    except Exception as error:  # noqa: BLE001 - a driver too old raises what it likes
        return Installed(name, version, None, f"{type(error).__name__}: {error}".splitlines()[0])
    return Installed(name, version, backend, "")
