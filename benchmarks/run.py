"""`make bench`: our speed beside plain DuckDB scripts of the same work, start-up times, and what an install costs.

    python benchmarks/run.py [NAME ...] [--rows N] [--times N] [--json FILE]

Both sides run as whole processes in turn, in one go, so that what the machine does besides falls on both. A ratio is printed
only where both sides have equal row counts and sums. Inputs are made once, in build/bench.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path

import table

NAMES = {"jsonlines": "jsonlines", "csv": "csvlines", "rules": "rules", "bytewax": "peers", "epochs": "epochs",
         "startup": "startup", "install": "install", "spark": "spark"}


def main() -> int:
    """Run what was asked for; exit 1 if a floor was missed or answers differ."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all if none")
    asked.add_argument("--rows", type=int, help="another size of the input than the benchmark's own")
    asked.add_argument("--times", type=int, default=3, help="how many pairs (3)")
    asked.add_argument("--json", metavar="FILE", help="the figures as JSON")
    wish = asked.parse_args()
    unknown = sorted(set(wish.names) - set(NAMES))
    if unknown:
        asked.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    cache = Path(__file__).resolve().parents[1] / "build" / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in wish.names or NAMES:
        sys.stderr.write(f"{name} ...\n")
        rows += importlib.import_module(NAMES[name]).bench(cache, wish.rows, wish.times)
    load = os.getloadavg()[0]
    sys.stdout.write(table.show(rows) + f"\n{os.cpu_count()} cores; load of the machine at the end {load:.1f}\n")
    if wish.json:
        Path(wish.json).write_text(json.dumps([row.facts() for row in rows], indent=1))
    return int(any(row.verdict.startswith(("MISSED", "NO")) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
