"""The demo: run the greenhouse pipeline on dirty readings, then prove where every single record went.

The generator wrote what it put into which record to `truth.jsonl`; the pipeline never reads that file. Here it is compared,
record by record, with what the pipeline's tables say.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

import mainstem
from mainstem import signals

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / "build" / "demo"
WIDE = 110
screen = Console(highlight=False, width=WIDE if not sys.stdout.isatty() else None)

# what the generator puts in, for a reader
FAULTS = {
    "cut": "line cut in the middle", "type": "value of the wrong type", "missing": "required key missing", "range": "impossible temperature",
    "duplicate": "sent twice", "late": "minutes too late", "ahead": "clock a day ahead", "unknown": "sensor in no table"}
ENDED = {"quarantined": "quarantine", "late": "counted late, stored", "filtered": "filtered as a duplicate"}


def main() -> int:
    """Run the pipeline in a fresh copy of this folder; exit 1 if one record is not where the truth says."""
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.copytree(HERE, WORK, ignore=shutil.ignore_patterns("demo.py", "__pycache__", "lake", ".mainstem"))
    pipeline = mainstem.load(str(WORK / "greenhouse.yaml"))
    screen.print(Text.assemble(("greenhouse", "bold"), f"   {pipeline.compiled.description}"))
    began = time.perf_counter()
    with signals.listening(progress):
        result = pipeline.run()
    seconds = time.perf_counter() - began
    sys.stderr.write("\r" + " " * 40 + "\r" if sys.stderr.isatty() else "")
    overview(pipeline, result, seconds)
    wrong = account(result) + compare(pipeline)
    quarantined(pipeline)
    late(pipeline)
    heading("Frost: alert episodes", "since when a house is colder than the rule allows, and until when")
    table(("house", "state", "since", "until", "rule", "severity"), pipeline.sql("""
        SELECT house, CASE WHEN bool_or(state = 'resolved') THEN 'resolved' ELSE 'firing' END AS state, min(started_at) AS since,
               max(changed_at) FILTER (state = 'resolved') AS until, any_value(rule) AS rule, any_value(severity) AS severity
        FROM frost GROUP BY house, episode ORDER BY since LIMIT 6""").to_pylist())
    heading("Climate: the newest windows")
    table(("house", "window_start", "temperature", "p95", "readings"),
          pipeline.sql("SELECT * FROM climate ORDER BY window_start DESC, house LIMIT 4").to_pylist())
    heading("Try next")
    folder = os.path.relpath(WORK)
    binary = os.path.relpath(ROOT / ".venv/bin/mainstem", WORK)
    screen.print(f"  cd {folder}", markup=False)
    for rest in ("plan", "quarantine list --limit 5", 'sql "SELECT house, min(temperature) FROM climate GROUP BY house"'):
        screen.print(f"  {binary} {rest}", markup=False)
    return 1 if wrong else 0


def progress(name: str, facts: dict[str, Any]) -> None:
    """How far it is, on standard error: written over where that can be done."""
    if name == "run.progress" and sys.stderr.isatty():
        sys.stderr.write(f"\r  {facts['rows']:,} records")
        sys.stderr.flush()


def overview(pipeline: Any, result: Any, seconds: float) -> None:
    """What was read, how long it took, and what was published."""
    (seen,) = pipeline.sql("""SELECT (SELECT count(*) FROM sensors) AS sensors, (SELECT count(DISTINCT house) FROM sensors) AS houses,
                              round(epoch(max(window_end) - min(window_start)) / 3600)::INT AS hours FROM climate""").to_pylist()
    screen.print(f"{result.rows:,} records in {seconds:.1f} s: {seen['hours']} hours of {seen['sensors']} sensors in {seen['houses']} houses")
    versions = {fact["version"] for fact in result.outputs.values()}
    tables = ", ".join(name.removesuffix("/output") for name in result.outputs)
    screen.print(f"published: {tables}" + (", each in one commit" if versions == {1} else ""))


def account(result: Any) -> int:
    """The account of every leg; how many do not balance."""
    heading("Every leg of the way", "where its rows went: each has exactly one fate")
    fates = ("made", "held_before", "delivered", "filtered", "quarantined", "late", "held")
    shown = [fate for fate in fates if fate != "held_before" or any(row[fate] for row in result.account)]
    table(("leg", *shown), [{"leg": way(row["leg"]), **{fate: row[fate] for fate in shown}} for row in result.account])
    wrong = [row["leg"] for row in result.account if row["made"] + row["held_before"] != sum(row[fate] for fate in fates[2:])]
    told = f"[red]does not balance: {', '.join(wrong)}[/]" if wrong else f"[green]all {len(result.account)} balance[/]"
    screen.print(f"\nmade = delivered + filtered + quarantined + late + held: {told}")
    return len(wrong)


def way(leg: str) -> str:
    """The name of a leg, for a reader."""
    origin, _, end = leg.partition(" -> ")
    return f"{origin} -> table {end.removesuffix('/output')}" if end.endswith("/output") else leg


def compare(pipeline: Any) -> int:
    """What the truth says of each faulty record against where it was found; how many differ."""
    truth = [json.loads(line) for line in (WORK / "truth.jsonl").read_text().splitlines()]
    head, faulty = truth[0], truth[1:]
    found = {(row["partition"], row["position"]): (row["fate"], row["reason"])
             for row in pipeline.sql("SELECT partition, position, fate, reason FROM quarantine WHERE origin = 'readings'").to_pylist()}
    wrong, counts, right, ends = [], Counter(), Counter(), {}
    for record in faulty:
        counts[record["fault"]] += 1
        ends[record["fault"]] = (record["fate"], record["reason"])
        there = found.pop((record["partition"], record["position"]), None)
        expected = (record["fate"], record["reason"]) if record["fate"] in ("quarantined", "late") else None
        if there == expected:
            right[record["fault"]] += record["fault"] != "duplicate"          # no table keeps those: they are compared by number
        else:
            wrong.append((record, there))
    leg = next(row for row in pipeline.show_run("last")["account"] if row["leg"].startswith("readings -> "))
    duplicates = sum(count for reason, count in leg["reasons"].items() if reason.startswith("filtered"))
    clean = head["clean"]
    heading("Against the truth", "what the generator spoilt, by its own list, which the pipeline never sees")
    rows = [{"injected fault": FAULTS[fault], "belongs into": ENDED[ends[fault][0]], "reason": ends[fault][1], "injected": count,
             "found there": right[fault] if fault != "duplicate" else duplicates} for fault, count in sorted(counts.items())]
    table(("injected fault", "belongs into", "reason", "injected", "found there"), [
        *rows, {"injected fault": "none", "belongs into": "delivered", "reason": "", "injected": clean, "found there": leg["delivered"]}])
    missing = len(wrong) + len(found) + abs(clean - leg["delivered"]) + abs(duplicates - counts["duplicate"])
    for record, there in wrong[:3]:
        screen.print(f"  [red]differs[/]: {record} was found as {there}")
    if found:
        screen.print(f"  [red]{len(found)} records were set aside without a fault, like[/] {next(iter(found.items()))}")
    verdict = "[green]every record is where the truth says[/]" if not missing else f"[red]{missing} records are not where the truth says[/]"
    screen.print(f"\n{sum(right.values()):,} set aside records compared one by one, the rest by number: {verdict}")
    return missing


def quarantined(pipeline: Any) -> None:
    """Three quarantined records with their bytes and reasons."""
    rows = pipeline.sql("""SELECT place, reason, rules, detail, raw FROM quarantine
                           WHERE fate = 'quarantined' AND raw IS NOT NULL AND reason IN ('not_json', 'rule', 'type')
                           QUALIFY row_number() OVER (PARTITION BY reason ORDER BY partition, position) = 1 ORDER BY reason""").to_pylist()
    heading("Three quarantined records", "as they came, with the reason and where they stand in the input")
    for row in rows:
        line(f"  {row['place']}   {row['reason']}: {row['detail'] or ', '.join(row['rules'])}")
        line(f"    {row['raw'].decode('utf-8', 'replace')}", "cyan")


def late(pipeline: Any) -> None:
    """One late row with what it was judged by."""
    (row,) = pipeline.sql("SELECT id FROM quarantine WHERE fate = 'late' ORDER BY partition, position LIMIT 1").to_pylist()
    record = pipeline.quarantine_show(row["id"])
    heading("A late row", "too late for its window; counted, kept, and read again from its source for you")
    line(f"  {record['place']}   {record['reason']}: {record['detail']}")
    line(f"    {record['raw'].decode()}", "cyan")


def heading(title: str, about: str = "") -> None:
    """The title of a part of the screen."""
    screen.print()
    screen.print(Text.assemble((title, "bold"), (f"   {about}" if about else "", "dim")), no_wrap=True, overflow="ellipsis")


def line(words: str, style: str = "") -> None:
    """One line that is cut rather than wrapped."""
    screen.print(Text(words, style=style), no_wrap=True, overflow="ellipsis", crop=True)


def table(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Some rows, numbers to the right."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in names:
        numeric = all(isinstance(row[name], int | float) for row in rows)
        made.add_column(name, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        made.add_row(*(Text(cell(row[name])) for name in names))
    screen.print(made)


def cell(value: Any) -> str:
    """A cell: thousands apart, two digits of fractions, moments to the nearest second."""
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    if hasattr(value, "isoformat"):
        return f"{value + dt.timedelta(milliseconds=500):%Y-%m-%d %H:%M:%S}"
    return "" if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main())
