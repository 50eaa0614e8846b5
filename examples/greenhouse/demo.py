"""The demo: run the greenhouse pipeline on dirty readings, then prove where every single record went.

The generator wrote what it put into which record to `truth.jsonl`; the pipeline never reads that file. Here it is compared,
record by record, with what the pipeline's tables say.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import mainstem
from mainstem import signals

HERE = Path(__file__).resolve().parent
WORK = HERE.parents[1] / "build" / "demo"
screen = Console(highlight=False, width=None if sys.stdout.isatty() else 110)


def main() -> int:
    """Run the pipeline in a fresh copy of this folder; exit 1 if one record is not where the truth says."""
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.copytree(HERE, WORK, ignore=shutil.ignore_patterns("demo.py", "__pycache__", "lake", ".mainstem"))
    pipeline = mainstem.load(str(WORK / "greenhouse.yaml"))
    screen.print("[bold]greenhouse[/]: 40 sensors in four houses, two days of readings, dirt in known amounts\n")
    began = time.perf_counter()
    with signals.listening(progress):
        result = pipeline.run()
    seconds = time.perf_counter() - began
    screen.print(f"{result.rows:,} records in {seconds:.1f} s, {result.epochs} epochs, one commit per table\n")
    account(result)
    wrong = compare(pipeline)
    quarantined(pipeline)
    rows_of("A late row", pipeline.sql(
        "SELECT place, event_time, time_mark, detail FROM quarantine WHERE fate = 'late' ORDER BY event_time LIMIT 1"))
    rows_of("Alert episodes", pipeline.sql("SELECT * FROM frost ORDER BY changed_at, house LIMIT 8"))
    rows_of("The newest windows", pipeline.sql("SELECT * FROM climate ORDER BY window_start DESC, house LIMIT 4"))
    folder = WORK.relative_to(Path.cwd()) if WORK.is_relative_to(Path.cwd()) else WORK
    screen.print("[bold]Try next[/]")
    for command in ("plan", "quarantine list --limit 5", 'sql "SELECT house, min(temperature) FROM climate GROUP BY house"'):
        verb, _, rest = command.partition(" ")
        screen.print(f"  (cd {folder} && ../../.venv/bin/mainstem {verb}{' ' + rest if rest else ''})")
    return 1 if wrong else 0


def progress(name: str, facts: dict[str, Any]) -> None:
    """One line per epoch on standard error."""
    if name == "run.progress":
        sys.stderr.write(f"  epoch {facts['epoch']}: {facts['rows']:,} records\n")


def account(result: Any) -> None:
    """The account of every leg."""
    table = Table(title="Every leg of the way: made + held before = delivered + filtered + quarantined + late + held")
    names = ("made", "delivered", "filtered", "quarantined", "late", "held")
    table.add_column("leg")
    for name in names:
        table.add_column(name, justify="right")
    for row in result.account:
        table.add_row(row["leg"], *(f"{row[name]:,}" for name in names))
    screen.print(table)


def compare(pipeline: Any) -> int:
    """What the truth says of each faulty record against where it was found; how many differ."""
    truth = [json.loads(line) for line in (WORK / "truth.jsonl").read_text().splitlines()]
    head, faulty = truth[0], truth[1:]
    found = {(row["partition"], row["position"]): (row["fate"], row["reason"])
             for row in pipeline.sql("SELECT partition, position, fate, reason FROM quarantine WHERE origin = 'readings'").to_pylist()}
    wrong, counts, right = [], Counter(), Counter()
    for record in faulty:
        counts[record["fault"]] += 1
        there = found.pop((record["partition"], record["position"]), None)
        expected = (record["fate"], record["reason"]) if record["fate"] in ("quarantined", "late") else None
        if there == expected:
            right[record["fault"]] += 1
        else:
            wrong.append((record, there))
    legs = {row["leg"]: row for row in pipeline.show_run("last")["account"]}
    leg = next(row for name, row in legs.items() if name.startswith("readings -> "))
    duplicates = sum(count for reason, count in leg["reasons"].items() if reason.startswith("filtered"))
    table = Table(title="Against the truth, record by record")
    for name in ("injected fault", "records", "found where they belong"):
        table.add_column(name, justify="left" if name == "injected fault" else "right")
    for fault, count in sorted(counts.items()):
        table.add_row(fault, f"{count:,}", f"{right[fault]:,}")
    clean = head["clean"]
    table.add_row("none (clean)", f"{clean:,}", f"{leg['delivered']:,}")
    screen.print(table)
    missing = len(wrong) + len(found) + abs(clean - leg["delivered"]) + abs(duplicates - counts["duplicate"])
    for record, there in wrong[:3]:
        screen.print(f"  [red]differs[/]: {record} was found as {there}")
    if found:
        screen.print(f"  [red]{len(found)} records were set aside without a fault, like[/] {next(iter(found.items()))}")
    verdict = "[green]every record is where the truth says[/]" if not missing else f"[red]{missing} records are not[/]"
    screen.print(f"{head['rows']:,} records: {verdict}\n")
    return missing


def quarantined(pipeline: Any) -> None:
    """Three quarantined records with their bytes and reasons."""
    rows = pipeline.sql("""SELECT place, reason, rules, detail, raw FROM quarantine WHERE fate = 'quarantined' AND raw IS NOT NULL
                           QUALIFY row_number() OVER (PARTITION BY reason ORDER BY id) = 1 ORDER BY reason LIMIT 3""").to_pylist()
    screen.print("[bold]Three quarantined records[/]")
    for row in rows:
        why = ", ".join(row["rules"] or []) or row["detail"] or ""
        screen.print(f"  {row['place']}  {row['reason']}: {why}\n    {row['raw'].decode('utf-8', 'replace')}", markup=False)
    screen.print()


def rows_of(title: str, rows: Any) -> None:
    """A few rows as a table."""
    table = Table(title=title, title_justify="left")
    for name in rows.column_names:
        table.add_column(name)
    for row in rows.to_pylist():
        table.add_row(*(text(value) for value in row.values()))
    screen.print(table)


def text(value: Any) -> str:
    """A cell."""
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value).replace("+00:00", "Z")


if __name__ == "__main__":
    sys.exit(main())
