"""A verdict in words, as the command line and the documentation print it."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["lines_of", "size_of", "summary"]


def size_of(sizes: Mapping[str, float], *, ratio: bool = False) -> str:
    """Return the size of a deviation in words.

    Parameters
    ----------
    sizes : mapping
        ``from_claim`` or ``from_paper`` of a verdict.
    ratio : bool
        Whether an SGLD's scales are over what is due, not in h g and sqrt(h).
    """
    if "share" in sizes:
        if not sizes["share"]:
            return "none"
        return f"{100 * sizes['share']:.3g} % of the way gone, {sizes['absolute']:.2g}"
    if "drift" in sizes:
        if ratio:
            return f"drift × {sizes['drift']:g}, noise × {sizes['noise']:g}"
        return f"drift {sizes['drift']:g} h g, noise {sizes['noise']:g} √h"
    return ", ".join(f"× {size:g} at t = {t}" for t, size in sizes.items())


def lines_of(verdict: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the lines that tell a verdict, each with a style of rich's."""
    name = f"{verdict['name']}: {verdict['claim']}"
    if verdict["status"] != "judged":
        return [(f"----  {name}: {verdict['status']} ({verdict['reason']})", "yellow")]
    good = verdict["passed"]
    out = [(f"{'pass' if good else 'FAIL'}  {name}", "green" if good else "bold red")]
    if verdict["from_claim"].get("share"):
        out.append((f"      off by {size_of(verdict['from_claim'])}", "red"))
    out += [(f"      {failure}", "red") for failure in verdict["failed"]]
    if verdict["cause"]:
        out.append((f"      {verdict['cause']}", ""))
    if verdict["spoken"]:
        out.append((f"      speaks {verdict['spoken']}", ""))
    if verdict["paper"]:
        out.append(("      the paper's", ""))
    else:
        size = size_of(verdict["from_paper"], ratio=True)
        because = f"; {verdict['because']}" if verdict["because"] else ""
        out.append((f"      off the paper: {size or 'see above'}{because}", ""))
    return out


def summary(verdicts: Sequence[Mapping[str, Any]]) -> str:
    """Return one line of counts."""
    judged = [v for v in verdicts if v["status"] == "judged"]
    good = sum(bool(v["passed"]) for v in judged)
    paper = sum(bool(v["paper"]) for v in judged)
    left = len(verdicts) - len(judged)
    line = f"{len(judged)} judged: {good} are what they claim, {paper} are the paper's"
    return f"{line}; {left} not judged" if left else line
