"""How often the oracle fails what is right: ``python -m tools.oracle_false_alarms``.

Every right implementation is judged under a thousand seeds. Each report states that it is wrong
with probability at most 1e-9; so there must be no alarm at all. The counts go to
``docs/results/oracle-false-alarms.json``, after each implementation, and a run goes on where the
last one stopped.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from gradnoise_core.oracle._evidence import FALSE_ALARM
from gradnoise_core.oracle.mutants import Implementation
from tools.oracle_right import all_right

RESULTS = Path(__file__).parents[1] / "docs" / "results" / "oracle-false-alarms.json"


def judge(implementation: Implementation, seeds: int) -> dict[str, Any]:
    """Return how many seeds were judged, the reports that failed, and the smallest p-value.

    A schedule and a stream draw nothing of their own: one seed is as good as a thousand.
    """
    alarms, smallest = {}, 1.0
    seeds = seeds if implementation.kind == "noise" else 1
    for seed in range(seeds):
        report = implementation.judge(seed)
        smallest = min(smallest, *(c.p_value for c in report if c.p_value is not None), 1.0)
        if not report.passed:
            alarms[seed] = [str(claim) for claim in report.failures]
    return {
        "check": implementation.check,
        "seeds": seeds,
        "alarms": alarms,
        "smallest_p_value": smallest,
    }


def main(arguments: list[str] | None = None) -> int:
    """Judge, record, and return how many implementations gave an alarm."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="python -m tools.oracle_false_alarms"
    )
    parser.add_argument("--seeds", type=int, default=1000, help="how many, from 0 on")
    parser.add_argument("--only", nargs="*", help="names of implementations; all by default")
    parser.add_argument("--afresh", action="store_true", help="forget what is recorded")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args(arguments)
    found: dict[str, Any] = {}
    if chosen.out.exists() and not chosen.afresh:
        found = json.loads(chosen.out.read_text("utf-8"))["implementations"]
    for implementation in all_right():
        name = implementation.name
        if chosen.only and name not in chosen.only:
            continue
        wanted = chosen.seeds if implementation.kind == "noise" else 1
        if found.get(name, {}).get("seeds", 0) >= wanted:
            continue
        start = time.monotonic()
        found[name] = judge(implementation, chosen.seeds)
        print(
            f"{name}: {len(found[name]['alarms'])} alarms over {wanted} seeds "
            f"({time.monotonic() - start:.0f} s)",
            flush=True,
        )
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        record = {"false_alarm_probability_stated": FALSE_ALARM, "implementations": found}
        chosen.out.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    return sum(bool(f["alarms"]) for f in found.values())


if __name__ == "__main__":
    sys.exit(main())
