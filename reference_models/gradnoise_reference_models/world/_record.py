"""The record of a run: versions and verdicts, and how one run differs from another."""

import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from gradnoise_reference_models.world._frameworks import FRAMEWORKS
from gradnoise_reference_models.world._host import HostError, Hosts
from gradnoise_reference_models.world._judge import Verdict, version_of
from gradnoise_reference_models.world._subject import Subject

__all__ = ["Record", "differences"]

FORMAT = 1

#: Sizes that differ by less are one size: other libraries round otherwise, and noise is measured.
CLOSE = 0.05


@dataclass(frozen=True)
class Record:
    """A run.

    Parameters
    ----------
    command : str
        What made it.
    versions : mapping
        Of Python, NumPy and this library, and of each framework; None of what was not there, and
        why of what is there and cannot be imported.
    verdicts : mapping
        name -> the verdict and what is known of its subject, as JSON has them.
    """

    command: str
    versions: Mapping[str, str | None]
    verdicts: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, command: str, judged: Iterable[tuple[Subject, Verdict]], hosts: Hosts) -> "Record":
        """Return the record of what was judged."""
        verdicts = {}
        for subject, verdict in judged:
            known = {
                "framework": subject.framework,
                "source": subject.source,
                "note": subject.note,
                "threads": list(subject.threads),
            }
            verdicts[subject.name] = {**verdict.as_json(), **known}
        used = [name for name in FRAMEWORKS if name in {v["framework"] for v in verdicts.values()}]
        own = {
            "python": platform.python_version(),
            "numpy": version("numpy"),
            "gradnoise-core": version("gradnoise-core"),
        }
        return cls(command, {**own, **{name: _version(name, hosts) for name in used}}, verdicts)

    def to_json(self) -> str:
        """Return it as text."""
        held = {
            "format": FORMAT,
            "command": self.command,
            "versions": self.versions,
            "verdicts": list(self.verdicts.values()),
        }
        return json.dumps(held, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Record":
        """Return the record that a text holds.

        Raises
        ------
        ValueError
            If it holds none.
        """
        held = json.loads(text)
        if not isinstance(held, dict) or held.get("format") != FORMAT:
            message = f"`text` must be a record of format {FORMAT}, made by gradnoise judge --json."
            raise ValueError(message)
        try:
            verdicts = {v["name"]: v for v in held["verdicts"]}
            return cls(held["command"], held["versions"], verdicts)
        except (KeyError, TypeError) as error:
            message = f"`text` must be a whole record, made by gradnoise judge --json: {error!r}."
            raise ValueError(message) from error


def _version(name: str, hosts: Hosts) -> str | None:
    try:
        return version_of(name, hosts)
    except HostError as error:
        return f"cannot be imported: {error}"


def differences(recorded: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return in what a verdict differs from one that was recorded.

    Sizes within a twentieth are the same, and of claims that fail the names count, not what was
    seen.
    """
    out = [
        f"{key} is {found[key]!r}, not {recorded[key]!r}"
        for key in ("status", "claim", "passed", "paper", "cause", "because")
        if found[key] != recorded[key]
    ]
    if found["spoken"] and found["spoken"] != recorded["spoken"]:
        out.append(f"spoken is {found['spoken']!r}, not {recorded['spoken']!r}")
    names = [[claim.partition(":")[0] for claim in v["failed"]] for v in (found, recorded)]
    if names[0] != names[1]:
        out.append(f"failed is {names[0]}, not {names[1]}")
    for key in ("from_claim", "from_paper"):
        a, b = found[key], recorded[key]
        if set(a) != set(b) or any(abs(a[n] - b[n]) > CLOSE * abs(b[n]) + 1e-12 for n in a):
            out.append(f"{key} is {dict(a)}, not {dict(b)}")
    return out
