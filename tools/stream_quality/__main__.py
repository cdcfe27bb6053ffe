"""The command line: python -m tools.stream_quality."""

import argparse
import json
import sys
import time
from pathlib import Path

from . import __doc__ as about
from . import dieharder, normals, words
from .controls import CONTROLS

RESULTS = dieharder.ROOT / "docs" / "results"


def write_words(given: argparse.Namespace) -> int:
    """Write words until nobody reads them."""
    source = {**words.SOURCES, **CONTROLS}[given.source]
    with open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as out:
        words.write(source(given.seed), out)
    return 0


def run_dieharder(given: argparse.Namespace) -> int:
    """Do the runs that are not on record yet, with what did not pass again."""
    if given.controls:
        for control in CONTROLS:
            dieharder.control(control)
    elif not given.summarise:
        for seed in given.seed or (1, 2, 3):
            for source in given.source or words.SOURCES:
                dieharder.retest(dieharder.battery(source, seed))
                dieharder.summarise()
    dieharder.summarise()
    return 0


def draw_normals(given: argparse.Namespace) -> int:
    """Draw, tally, test and record."""
    began = time.perf_counter()
    found = normals.sample(given.seed, given.count, given.processes, given.state)
    out = {
        "command": f"python -m tools.stream_quality normals --count {given.count} "
        f"--seed {given.seed}",
        **normals.findings(given.seed, given.count, found),
    }
    text = json.dumps(out, indent=1) + "\n"
    print(text, end="")
    given.json.write_text(text, "utf-8")
    print(f"seconds {time.perf_counter() - began:.0f}")
    return 0 if out["passed"] else 1


def whole(text: str) -> int:
    """Return 10000000000 for 1e10."""
    number = float(text)
    if not number.is_integer() or number < 1:
        raise ValueError(text)
    return int(number)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    out = argparse.ArgumentParser(prog="python -m tools.stream_quality", description=about)
    commands = out.add_subparsers(required=True)
    stream = commands.add_parser("words", help="write raw words to the standard output for ever")
    stream.add_argument("--source", choices=(*words.SOURCES, *CONTROLS), default="plain")
    stream.add_argument("--seed", type=int, default=1)
    stream.set_defaults(run=write_words)
    battery = commands.add_parser("dieharder", help="run dieharder on the words, and record it")
    battery.add_argument("--source", choices=words.SOURCES, action="append", help="(default: all)")
    battery.add_argument("--seed", type=int, action="append", help="(default: 1, 2 and 3)")
    battery.add_argument("--controls", action="store_true", help="test bad words instead")
    battery.add_argument("--summarise", action="store_true", help="write the summary only")
    battery.set_defaults(run=run_dieharder)
    draw = commands.add_parser("normals", help="test many normals against their distribution")
    draw.add_argument("--count", type=whole, default=10**10, help="(default: 1e10)")
    draw.add_argument("--seed", type=int, default=1)
    draw.add_argument("--processes", type=int, default=2, help="(default: 2)")
    state = dieharder.ROOT / "results" / "stream-quality" / "normals.npz"
    draw.add_argument("--state", type=Path, default=state, help="to go on from")
    draw.add_argument("--json", type=Path, default=RESULTS / "normals-1e10.json")
    draw.set_defaults(run=draw_normals)
    return out


def main() -> int:
    """Run a sub-command."""
    given = parser().parse_args()
    status: int = given.run(given)
    return status


if __name__ == "__main__":
    sys.exit(main())
