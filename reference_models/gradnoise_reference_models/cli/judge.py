"""``gradnoise judge``: the oracle's verdicts on the optimizers and the noise of others."""

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from gradnoise_reference_models.world import (
    FRAMEWORKS,
    WORLD,
    HostError,
    Hosts,
    Record,
    Subject,
    chosen,
    differences,
    lines_of,
    summary,
    version_of,
)
from gradnoise_reference_models.world import (
    judge as judge_subject,
)

__all__ = ["judge"]


@click.command()
@click.option(
    "--only",
    multiple=True,
    metavar="PATTERN",
    help="Only these, as in torch, 'optax.*' or '*Adam*'; may be repeated.",
)
@click.option(
    "--json",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write versions and verdicts there.",
)
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A record: say what differs from it, and exit with 1 if anything does.",
)
@click.option(
    "--python",
    "pythons",
    multiple=True,
    metavar="FRAMEWORK=PYTHON",
    help="The interpreter that has chainer, mxnet, tensorflow...; may be repeated.",
)
@click.option("--list", "listing", is_flag=True, help="List what would be judged, and stop.")
def judge(
    only: tuple[str, ...],
    path: Path | None,
    against: Path | None,
    pythons: tuple[str, ...],
    listing: bool,
) -> None:
    """Judge the optimizers and the gradient noise of other packages.

    Each is run for 100 steps, or asked for a million normals, and compared with what it claims to
    be and with the paper. What is not installed is said to be so. Verdicts do not change the exit
    code; `--against` does.
    """
    console = Console(highlight=False)
    try:
        subjects = chosen(only)
        recorded = Record.from_json(against.read_text("utf-8")) if against else None
        interpreters = _interpreters(pythons)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    with Hosts(interpreters) as hosts:
        if listing:
            _list(subjects, hosts)
            return
        judged = []
        for subject in subjects:
            verdict = judge_subject(subject, hosts)
            judged.append((subject, verdict))
            for line, style in lines_of(verdict.as_json()):
                console.print(Text(line, style), soft_wrap=True)
        record = Record.of(_command(only, path, interpreters), judged, hosts)
    console.print(summary(list(record.verdicts.values())), soft_wrap=True)
    if path is not None:
        _write(path, record)
    if recorded is not None:
        _compare(console, recorded, record)


def _interpreters(pythons: tuple[str, ...]) -> dict[str, str]:
    out = {}
    hosted = [name for name, framework in FRAMEWORKS.items() if framework.hosted]
    for text in pythons:
        name, equals, python = text.partition("=")
        if not equals or name not in hosted or not Path(python).is_file():
            message = (
                f"`--python` must be FRAMEWORK=PYTHON, of {', '.join(hosted)} and the path of an "
                f"interpreter, got {text!r}."
            )
            raise ValueError(message)
        # As it is: what a virtual environment's link leads to has none of its packages.
        out[name] = str(Path(python).absolute())
    return out


def _command(only: tuple[str, ...], path: Path | None, pythons: dict[str, str]) -> str:
    """Return what was typed, without the places of this machine."""
    words = ["gradnoise judge"]
    words += [f"--only {pattern!r}" for pattern in only]
    words += [f"--python {name}=PYTHON" for name in pythons]
    words += [f"--json {path.name}"] if path is not None else []
    return " ".join(words)


def _list(subjects: tuple[Subject, ...], hosts: Hosts) -> None:
    for name in dict.fromkeys(s.framework for s in subjects):
        click.echo(_heading(name, hosts))
        for subject in subjects:
            if subject.framework == name:
                click.echo(f"  {subject.name}")
    of = "" if len(subjects) == len(WORLD) else f" of {len(WORLD)}"
    click.echo(f"{len(subjects)}{of} subjects")


def _heading(name: str, hosts: Hosts) -> str:
    if not name:
        return "published formulas, restated"
    try:
        found = version_of(name, hosts)
    except HostError as error:
        return f"{name}: cannot be imported ({error})"
    return f"{name} {found}" if found else f"{name}: not installed ({FRAMEWORKS[name].install})"


def _write(path: Path, record: Record) -> None:
    try:
        path.write_text(record.to_json(), "utf-8")
    except OSError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"written to {path}")


def _compare(console: Console, recorded: Record, found: Record) -> None:
    """Say what differs and exit with 1 if anything does."""
    lines = []
    for name, verdict in found.verdicts.items():
        old: Any = recorded.verdicts.get(name)
        news = ["it is not in the record"] if old is None else differences(old, verdict)
        lines += [f"{name}: {line}" for line in news]
    for name, version in found.versions.items():
        if recorded.versions.get(name) != version:
            console.print(f"{name} is {version}, not {recorded.versions.get(name)}")
    for line in lines:
        console.print(Text(line, "bold red"), soft_wrap=True)
    console.print(f"{len(lines)} differences from the record" if lines else "as in the record")
    if lines:
        sys.exit(1)
