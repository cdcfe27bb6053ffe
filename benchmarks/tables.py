"""A document as rows of text: what the command prints and the documentation shows."""

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.machine import copy_rate
from benchmarks.records import Document, FirstCall, Found, Machine, Memory, Ratio, Time
from benchmarks.sections import SECTIONS
from benchmarks.summary import Summary
from benchmarks.targets import Verdict

__all__ = ["TABLES", "Table", "floor", "header", "targets"]


class Table(NamedTuple):
    """A title, the columns, and rows of as many cells."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def of(self, section: str) -> "Table":
        """Return the rows of a section, without its column."""
        at = self.columns.index("section")
        kept = [row[:at] + row[at + 1 :] for row in self.rows if row[at] == section]
        return Table(self.title, self.columns[:at] + self.columns[at + 1 :], kept)


def machine(_: Found, rates: Machine | None) -> Table:
    """Return the rates of the machine."""
    columns = ("what", "rate")
    if rates is None:
        return Table("", columns, ())
    rows = [(f"copy, {_bytes(n)} moved", f"{rate / 1e9:.1f} GB/s") for n, rate in rates.copy]
    rows.append((rates.operations_by, f"{rates.operations / 1e9:.1f} G/s"))
    return Table(f"The machine: {rates.device}", columns, rows)


def ratios(found: Found, _: Machine | None) -> Table:
    """Return ours over each peer, of one leaf, a column a size."""
    one = [r for r in found.ratios if SECTIONS[r.section].how == "timed"]
    sizes = sorted({r.size for r in one})
    cells: dict[tuple[str, ...], dict[int, str]] = {}
    for r in one:
        text = f"{r.ratio.median:.2f} ({_quartiles(r.ratio)})"
        cells.setdefault((r.section, r.variant, r.contestant, r.to), {})[r.size] = text
    columns = ("section", "variant", "ours", "to", *(f"{n:,}" for n in sizes))
    return Table("Time over the peer's: median (quartiles)", columns, _pivot(cells, sizes))


def leaves(found: Found, _: Machine | None) -> Table:
    """Return many leaves over the peer's as many, and over one leaf."""
    columns = (
        "section",
        "variant",
        "contestant",
        "leaves",
        "to",
        "in leaves",
        "ratio",
        "quartiles",
    )
    many = [r for r in found.ratios if SECTIONS[r.section].how == "leaves"]
    return Table("Many leaves", columns, [_leaves(r) for r in many])


def ensembles(found: Found, _: Machine | None) -> Table:
    """Return the time of an update of many runs as one program, over that of as many solo runs."""
    here = [r for r in found.ratios if SECTIONS[r.section].how == "replicas"]
    ms = {
        (t.variant, t.contestant, t.leaves): f"{1e3 * t.seconds.median / t.leaves:.3g}"
        for t in found.times
    }
    rows = [
        (
            r.variant,
            str(r.leaves),
            ms[r.variant, r.contestant, r.leaves],
            ms[r.variant, r.to, r.to_leaves],
            f"{r.ratio.median:.2f}",
            _quartiles(r.ratio),
        )
        for r in here
        if r.leaves == r.to_leaves
    ]
    columns = ("variant", "runs", "ms a run, together", "ms a run, solo", "ratio", "quartiles")
    return Table("An update of many runs: as one program over one after another", columns, rows)


def models(found: Found, _: Machine | None) -> Table:
    """Return the time of an update of a model, beside the peer's."""
    ms = {
        (t.section, t.variant, t.contestant, t.size): f"{1e3 * t.seconds.median:.3g}"
        for t in found.times
    }
    rows = [
        (
            r.section,
            r.variant,
            r.contestant,
            r.to,
            f"{r.size:,}",
            ms[r.section, r.variant, r.contestant, r.size],
            ms[r.section, r.variant, r.to, r.size],
            f"{r.ratio.median:.2f}",
            _quartiles(r.ratio),
        )
        for r in found.ratios
        if SECTIONS[r.section].how == "model"
    ]
    columns = ("section", "variant", "ours", "to", "size", "ms, ours", "ms, peer", "ratio")
    return Table("An update of a model: ours over torch's autograd", (*columns, "quartiles"), rows)


def times(found: Found, rates: Machine | None) -> Table:
    """Return nanoseconds an element, a column a size, and the floor of ours."""
    elementwise = [t for t in found.times if SECTIONS[t.section].how not in ("replicas", "model")]
    sizes = sorted({t.size for t in elementwise})
    cells: dict[tuple[str, ...], dict[int, str]] = {}
    for t in elementwise:
        here = (t.section, t.variant)
        cells.setdefault((*here, t.contestant, f"{t.leaves:,}"), {})[t.size] = _nanoseconds(
            t.seconds.median, t.size
        )
        bound = floor(t, rates)
        if bound is not None:
            row = (*here, "floor of the machine", "")
            cells.setdefault(row, {})[t.size] = _nanoseconds(bound, t.size)
    columns = ("section", "variant", "contestant", "leaves", *(f"{n:,}" for n in sizes))
    return Table("Nanoseconds an element, by number of elements", columns, _pivot(cells, sizes))


def _pivot(
    cells: dict[tuple[str, ...], dict[int, str]], sizes: Sequence[int]
) -> list[tuple[str, ...]]:
    """Return a row a key, a cell a size."""
    return [(*key, *(row.get(size, "") for size in sizes)) for key, row in cells.items()]


def _nanoseconds(seconds: float, size: int) -> str:
    return f"{1e9 * seconds / size:.3g}"


def memory(found: Found, _: Machine | None) -> Table:
    """Return the peak of memory that a step takes."""
    columns = ("variant", "contestant", "elements", "bytes an element", "measured by")
    return Table(SECTIONS["memory"].title, columns, [_memory(m) for m in found.memory])


def first_calls(found: Found, _: Machine | None) -> Table:
    """Return seconds in fresh processes."""
    imports = ("import of the library", "import of ours")
    columns = ("variant", "contestant", "caches", *imports, "first call", "second call")
    title = f"{SECTIONS['first-call'].title}: seconds in a fresh process"
    return Table(title, columns, [_first(c) for c in found.first_calls])


def notes(found: Found, _: Machine | None) -> Table:
    """Return what was not measured."""
    rows = [("absent", note.what, note.why) for note in found.absent]
    rows += [("failed", note.what, note.why) for note in found.failed]
    return Table("Not measured", ("", "what", "why"), rows)


TABLES = {
    "machine": machine,
    "ratios": ratios,
    "leaves": leaves,
    "ensembles": ensembles,
    "models": models,
    "times": times,
    "memory": memory,
    "first-calls": first_calls,
    "not-measured": notes,
}


def targets(verdicts: Sequence[Verdict]) -> Table:
    """Return the figures to reach beside the figures measured."""
    columns = ("target", "at most", "measured", "", "by")
    rows = []
    for v in verdicts:
        measured = "" if v.measured is None else f"{v.measured:.2f}{v.target.unit}"
        at_most = f"{v.target.at_most:.3g}{v.target.unit}"
        rows.append((v.target.name, at_most, measured, v.word, v.by))
    return Table("Figures to reach", columns, rows)


def header(document: Document) -> str:
    """Return a line on how and where a document was measured."""
    about = document.environment
    versions = [f"{k} {v}" for k, v in about.items() if k not in _NOT_VERSIONS]
    return (
        f"{document.date[:10]}, {about['processor']}, {document.settings['threads']} thread(s), "
        f"{document.settings['clock']} time; {', '.join(versions)}"
    )


_NOT_VERSIONS = ("processor", "cores", "system")


def floor(time: Time, rates: Machine | None) -> float | None:
    """Return the seconds that the machine needs for ours at least, or None if that is not known."""
    section = SECTIONS[time.section]
    if not (time.ours and section.bytes and rates):
        return None
    moved = section.bytes * time.size
    bound = moved / copy_rate(rates, moved)
    if rates.operations:
        bound = max(bound, section.operations * time.size / rates.operations)
    return bound


def _leaves(r: Ratio) -> tuple[str, ...]:
    words = (r.section, r.variant, r.contestant, f"{r.leaves:,}", r.to, f"{r.to_leaves:,}")
    return (*words, f"{r.ratio.median:.2f}", _quartiles(r.ratio))


def _memory(m: Memory) -> tuple[str, ...]:
    return m.variant, m.contestant, f"{m.size:,}", f"{m.bytes / m.size:.1f}", m.method


def _first(c: FirstCall) -> tuple[str, ...]:
    seconds = (c.import_library, c.import_ours if c.ours else None, c.first_call, c.second_call)
    return (
        c.variant,
        c.contestant,
        c.cache,
        *("" if s is None else f"{s:.3f}" for s in seconds),
    )


def _quartiles(s: Summary) -> str:
    return f"{s.q1:.2f} to {s.q3:.2f}"


def _bytes(n: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if n < 1024:
            return f"{n:.0f} {unit}"
        n /= 1024
    return f"{n:.3g} GiB"
