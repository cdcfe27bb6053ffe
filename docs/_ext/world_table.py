"""``.. world-table:: adam``: the oracle's verdicts on other packages, from the recorded run.

The figures are those of ``gradnoise judge``, in ``docs/results/world.json``. The argument is an
optimizer of ours, or ``samplers``, ``noise``, ``versions``, ``threads``, ``summary`` or ``command``.
Without the record, or with one of other subjects than the registry has, the build fails.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from gradnoise_reference_models.world import (
    FRAMEWORKS,
    WORLD,
    NoiseSubject,
    OptimizerSubject,
    Record,
    Subject,
    address,
    size_of,
    summary,
)

__all__ = ["WorldTable", "setup"]

RECORD = Path("results") / "world.json"

SAMPLERS = ("sgld", "psgld")

#: Optimizers of ours that others have too.
OPTIMIZERS = tuple(
    dict.fromkeys(
        s.optimizer
        for s in WORLD
        if isinstance(s, OptimizerSubject) and s.optimizer not in SAMPLERS
    )
)

Cell: TypeAlias = str | nodes.Node
Verdict: TypeAlias = Mapping[str, Any]

_logger = logging.getLogger(__name__)


class WorldTable(SphinxDirective):
    """One table, or a paragraph; the argument names one of `PARTS`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return it; warn if there is no record, or not of the registry's subjects."""
        kind = self.arguments[0]
        if kind not in PARTS:
            message = f"There is no part {kind!r}: {', '.join(PARTS)}."
            raise self.error(message)
        path = Path(self.env.srcdir) / RECORD
        self.env.note_dependency(str(path))
        try:
            record = Record.from_json(path.read_text("utf-8"))
            if list(record.verdicts) != [s.name for s in WORLD]:
                message = "its subjects are not the registry's; run gradnoise judge --json again"
                raise ValueError(message)
            return [_draw(kind, record)]
        except (OSError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
            message = "docs/%s must hold a whole run of gradnoise judge: %s"
            _logger.warning(message, RECORD.as_posix(), why, location=self.get_location())
            return []


def _draw(kind: str, record: Record) -> nodes.Node:
    if kind == "summary":
        return nodes.paragraph("", f"{summary(list(record.verdicts.values()))}.")
    if kind == "command":
        return nodes.literal_block("", record.command, language="text")
    if kind == "versions":
        return _table(*_versions(record))
    chosen = [(s, record.verdicts[s.name]) for s in WORLD if _part(s) == kind]
    head = ("", "claims to be", "is that", *HEADS.get(kind, HEADS["optimizer"]), "threads")
    return _table(head, _merged([_row_of(kind, s, v) for s, v in chosen]))


def _part(subject: Subject) -> str:
    """Return the table that a subject is in."""
    if isinstance(subject, NoiseSubject):
        return "noise"
    assert isinstance(subject, OptimizerSubject)
    return "samplers" if subject.optimizer in SAMPLERS else subject.optimizer


HEADS: Mapping[str, tuple[str, ...]] = {
    "optimizer": ("speaks, untold", "off the paper by", "because"),
    "samplers": ("drift and noise", "over the paper's", "because"),
    "noise": ("standard deviation over what is claimed", "over the paper's", "because"),
}


def _row_of(kind: str, subject: Subject, verdict: Verdict) -> list[Cell]:
    note = [subject.note] if subject.note else []
    if subject.restated:
        note.append(f"Restated from {subject.source}.")
    if verdict["status"] != "judged":
        reason = verdict["reason"]
        said = f"does not run: {reason}" if verdict["status"] == "does not run" else "not installed"
        return [verdict["name"], verdict["claim"], said, "", "", " ".join(note), _threads(subject)]
    size = size_of(verdict["from_claim"]) if verdict["from_claim"].get("share") else ""
    off = f"no, by {size}" if size else "no"
    good = "yes" if verdict["passed"] else f"{off}: {'; '.join(verdict['failed'])}"
    ratio = kind in HEADS
    middle = size_of(verdict["from_claim"]) if ratio else verdict["spoken"]
    paper = "none" if verdict["paper"] else size_of(verdict["from_paper"], ratio=ratio)
    # What parts it from the paper holds the cause too, where the paper is not what it claims.
    both = verdict["cause"] and verdict["cause"] in verdict["because"]
    why = [verdict["cause"] or verdict["because"]] if not verdict["passed"] and not both else []
    why += [verdict["because"]] if (verdict["passed"] or both) and not verdict["paper"] else []
    because = " ".join(_sentence(x) for x in dict.fromkeys((*why, *note)) if x)
    return [verdict["name"], verdict["claim"], good, middle, paper, because, _threads(subject)]


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."


def _threads(subject: Subject) -> nodes.Node:
    out = nodes.paragraph()
    for i, thread in enumerate(subject.threads):
        out += nodes.Text(", " if i else "")
        out += nodes.reference("", thread, refuri=address(thread))
    return out


def _merged(rows: Sequence[list[Cell]]) -> Iterator[list[Cell]]:
    """Join the rows of one name's ways (``Adam, single`` and ``Adam, foreach``) that are equal."""
    held: list[Cell] = []
    for row in rows:
        base, comma, way = str(row[0]).rpartition(", ")
        same = held and comma and str(held[0]).startswith(f"{base}, ")
        if same and [_plain(x) for x in held[1:]] == [_plain(x) for x in row[1:]]:
            held[0] = f"{held[0]}, {way}"
            continue
        if held:
            yield held
        held = row
    if held:
        yield held


def _plain(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell.astext()


def _versions(record: Record) -> tuple[Sequence[str], Iterator[list[Cell]]]:
    def rows() -> Iterator[list[Cell]]:
        for name, version in record.versions.items():
            install = FRAMEWORKS[name].install if name in FRAMEWORKS else ""
            yield [name, version or "not installed", nodes.literal(text=install)]

    return ("", "version", "how to install it"), rows()


def _table(head: Sequence[Cell], rows: Iterator[list[Cell]]) -> nodes.table:
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    top, body = nodes.thead(), nodes.tbody()
    top += _row(head)
    body += [_row(row) for row in rows]
    group += [top, body]
    return nodes.table("", group, classes=["world"])


def _row(cells: Sequence[Cell]) -> nodes.row:
    row = nodes.row()
    for cell in cells:
        if isinstance(cell, str):
            cell = nodes.Text(cell)
        inner = cell if isinstance(cell, nodes.paragraph) else nodes.paragraph("", "", cell)
        row += nodes.entry("", inner)
    return row


PARTS = (*OPTIMIZERS, "samplers", "noise", "versions", "summary", "command")


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of each part that the page leaves out."""
    page = Path(app.srcdir, "world.rst").read_text("utf-8").splitlines()
    for part in PARTS:
        if f".. world-table:: {part}" not in page:
            _logger.warning("docs/world.rst must have a world-table of %s", part)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive and the check that nothing is left out."""
    app.connect("env-check-consistency", check)
    app.add_directive("world-table", WorldTable)
    return {"parallel_read_safe": True}
