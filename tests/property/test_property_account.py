"""The account of every step, leg by leg, as plain Python counts it: whatever the cut, the number of tasks and the crashes."""

from __future__ import annotations

import itertools
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from drawing import cut, events, marks_of, whole
from scripted import BEGIN, DAY, MINUTE, SECOND, Bench, Move, Partitions, Ran, Scripted, compiled, seeds, source

from mainstem.plan.words import Write
from mainstem.testing import Crash, crash_at

LATENESS, WITHIN, GAP, HOP, RANGE = 10 * SECOND, 30 * SECOND, 15 * SECOND, 20 * SECOND, MINUTE
TABLES = """
tables:
  known: {files: {path: known.csv}, format: csv, key: [k], columns: {k: string!, label: string}}
  several: {files: {path: several.csv}, format: csv, columns: {k: string!, tag: string!}}
"""
STEPS = """
steps:
  good:
    from: events
    check: [{name: v_high, that: v > -40}, {name: v_low, that: v < 45, else: drop}, {name: x_low, that: x < 200, else: flag}]
  tidy:
    from: good
    clean: [{column: x, set: "0", where: x < 1}]
  shaped:
    from: tidy
    sql: SELECT t, k, v, seq, x FROM tidy WHERE v <> 7
  named:
    from: shaped
    lookup: {table: known, on: [k], unmatched: quarantine}
  kept:
    from: shaped
    lookup: {table: known, on: [k], unmatched: drop}
  tagged:
    from: shaped
    lookup: {table: several, on: [k], many: true, unmatched: keep}
  fresh:
    from: good
    dedupe: {by: [k, v], within: 30s}
  minutes:
    from: fresh
    window: {size: 1m, by: [k], late: quarantine}
    select: count(*) AS n
    having: count(*) > 1
  hops:
    from: good
    window: {size: 1m, every: 20s, by: [k], late: drop}
    select: count(*) AS n
  visits:
    from: good
    session: {gap: 15s, by: [k]}
    select: count(*) AS n
  rolling:
    from: good
    over: {by: [k], range: 1m, late: drop}
    select: count(*) AS n
  newest:
    from: shaped
    latest: {by: [k]}
  hot:
    from: good
    alert: {when: v > 20, by: [k]}
  items:
    from: shaped
    sql: SELECT t, k, v, unnest(range(abs(v) % 3)) AS item FROM shaped
  totals:
    from: items
    sql: SELECT k, sum(item) AS total FROM items GROUP BY k
"""
CALLING = """
  mine:
    from: shaped
    python: {call: "mine:mine", rows: same}
  fewer:
    from: mine
    python: {call: "mine:fewer", rows: fewer}
  twice:
    from: fewer
    python: {call: "mine:twice", rows: any, columns: {k: string, v: int64}}
"""
MINE = """\
import pyarrow as pa
import pyarrow.compute as pc

def mine(rows):
    if 13 in rows["v"].to_pylist():
        raise ValueError("thirteen")
    return rows

def fewer(rows):
    return rows.filter(pc.not_equal(rows["v"], 5))

def twice(rows):
    made = rows.select(["k", "v", "_at"])
    return pa.concat_tables([made, made])
"""
PLAIN = ("named", "kept", "tagged", "fresh", "minutes", "hops", "visits", "rolling", "newest", "hot", "totals")


def pipeline(*ends: str) -> str:
    outputs = "".join(f"  {name}_out: {{from: {name}, delta: {{table: {name}_out}}}}\n" for name in ends)
    steps = STEPS + (CALLING if "twice" in ends else "")
    return source("10s").replace("generator: {}", "generator: {rows: 1}") + TABLES + steps + "outputs:\n" + outputs


# --------------------------------------------------------------------------------------------------- plain Python


@dataclass
class Leg:
    """What becomes of the rows of one origin on their way to one end: `fates` by (fate, node, reason)."""

    made: int = 0
    delivered: int = 0
    fates: Counter[tuple[str, str, str]] = field(default_factory=Counter)


Way = Callable[[Any], tuple[str, str, str] | None]             # a row passes (None), or has its fate here


def walk(rows: Iterable[Any], *ways: Way) -> Leg:
    """Every row down these nodes, in order, to the end."""
    leg = Leg()
    for row in rows:
        leg.made += 1
        fate = next((found for way in ways if (found := way(row)) is not None), None)
        if fate is None:
            leg.delivered += 1
        else:
            leg.fates[fate] += 1
    return leg


def read(row: Any) -> tuple[str, str, str] | None:
    return ("quarantined", "events", row["wrong"]) if row["wrong"] else None


def good(row: Any) -> tuple[str, str, str] | None:
    if row["v"] is not None and row["v"] <= -40:
        return "quarantined", "good", "rule"
    return ("filtered", "good", "rule") if row["v"] is not None and row["v"] >= 45 else None


def shaped(row: Any) -> tuple[str, str, str] | None:
    return ("filtered", "shaped", "where") if row["v"] is None or row["v"] == 7 else None


def late(node: str, bound: Callable[[Any], int]) -> Way:
    return lambda row: ("late", node, "late") if row["wm"] is not None and bound(row) <= row["wm"] else None


def passing(rows: Iterable[Any], *ways: Way) -> list[Any]:
    return [row for row in rows if all(way(row) is None for way in ways)]


def deduped(rows: Iterable[Any]) -> dict[int, tuple[str, str, str]]:
    """What the dedupe makes of each row that does not pass, by its number."""
    largest: dict[Any, int] = {}
    fates = {}
    for row in rows:
        key, mark = (row["k"], row["v"]), -(2**62) if row["wm"] is None else row["wm"]
        if None in key:
            fates[row["number"]] = ("quarantined", "fresh", "null_key")
            continue
        if row["t"] + WITHIN <= mark:
            fates[row["number"]] = ("late", "fresh", "late")
            continue
        known = largest.get(key)
        known = None if known is not None and known + 2 * WITHIN <= mark else known
        if known is not None and abs(row["t"] - known) <= WITHIN:
            fates[row["number"]] = ("filtered", "fresh", "duplicate")
        largest[key] = row["t"] if known is None else max(known, row["t"])
    return fates


def sessions(rows: Iterable[Any]) -> int:
    times: dict[Any, list[int]] = defaultdict(list)
    for row in rows:
        times[row["k"]].append(row["t"])
    return sum(1 + sum(b - a >= GAP for a, b in itertools.pairwise(sorted(mine))) for mine in times.values())


def episodes(rows: Iterable[Any]) -> int:
    """Transitions of `v > 20`; NULL says nothing."""
    firing: set[Any] = set()
    found = 0
    for row in rows:
        if row["v"] is None or (row["v"] > 20) == (row["k"] in firing):
            continue
        firing ^= {row["k"]}
        found += 1
    return found


def windows_of(row: Any) -> range:
    """The starts of the hopping windows that the row is in."""
    return range((row["t"] // HOP - 2) * HOP, row["t"] + 1, HOP)


def account(rows: list[Any], known: set[str], several: Counter[str]) -> dict[str, Leg]:
    """Every leg of the pipeline but those behind `newest`, whose changes depend on the cut."""
    here = passing(rows, read, good)
    doubles = deduped(here)
    fresh = [row for row in here if row["number"] not in doubles]
    minute = late("minutes/window", lambda row: (row["t"] // MINUTE + 1) * MINUTE)
    minutes = Counter((row["k"], row["t"] // MINUTE) for row in passing(fresh, minute))
    hop = late("hops", lambda row: (row["t"] // HOP + 3) * HOP)
    missed = {row["number"]: [start for start in windows_of(row) if row["wm"] is not None and start + MINUTE <= row["wm"]]
              for row in passing(here, hop)}
    hops = {(row["k"], start) for row in passing(here, hop) for start in windows_of(row) if start not in missed[row["number"]]}
    visit, roll = late("visits", lambda row: row["t"] + 1), late("rolling", lambda row: row["t"] + 1)
    items = passing(here, shaped)
    many = sum(max(several[row["k"]], 1) for row in items)
    unnested = [row["k"] for row in items for _ in range(abs(row["v"]) % 3)]

    def unmatched(fate: str, node: str) -> Way:
        return lambda row: None if row["k"] in known else (fate, node, "unmatched")

    legs = {
        "events -> named_out/output": walk(rows, read, good, shaped, unmatched("quarantined", "named")),
        "events -> kept_out/output": walk(rows, read, good, shaped, unmatched("filtered", "kept")),
        "events -> tagged": walk(rows, read, good, shaped),
        "tagged -> tagged_out/output": Leg(many, many),
        "events -> fresh_out/output": walk(rows, read, good, lambda row: doubles.get(row["number"])),
        "events -> minutes/window": walk(rows, read, good, lambda row: doubles.get(row["number"]), minute),
        "minutes/window -> minutes_out/output": walk(
            minutes.values(), lambda count: None if count > 1 else ("filtered", "minutes", "where")),
        "events -> hops": walk(rows, read, good, hop),
        "hops -> hops_out/output": Leg(len(hops), len(hops)),
        "events -> visits": walk(rows, read, good, visit),
        "visits -> visits_out/output": Leg(*[sessions(passing(here, visit))] * 2),
        "events -> rolling": walk(rows, read, good, roll),
        "rolling -> rolling_out/output": Leg(*[len(passing(here, roll))] * 2),
        "events -> newest": walk(rows, read, good, shaped),
        "events -> hot": walk(rows, read, good),
        "hot -> hot_out/output": Leg(*[episodes(here)] * 2),
        "events -> items": walk(rows, read, good, shaped),
        "items -> totals": Leg(len(unnested), len(unnested)),
        "totals -> totals_out/output": Leg(*[len(set(unnested))] * 2),
    }
    legs["events -> hops"].fates["noted", "hops", "late_partial"] = sum(map(bool, missed.values()))
    return legs


def calling(rows: list[Any]) -> dict[str, Leg]:
    """The legs through functions of the user."""
    def mine(row: Any) -> tuple[str, str, str] | None:
        return ("quarantined", "mine", "python") if row["v"] == 13 else None

    def fewer(row: Any) -> tuple[str, str, str] | None:
        return ("filtered", "fewer", "python_filter") if row["v"] == 5 else None

    twice = 2 * len(passing(rows, read, good, shaped, mine, fewer))
    return {"events -> twice": walk(rows, read, good, shaped, mine, fewer), "twice -> twice_out/output": Leg(twice, twice)}


# ------------------------------------------------------------------------------------------------------- the input


def dirty(rng: random.Random, partitions: int, count: int) -> dict[int, list[Any]]:
    """Events with keys of one partition each, re-sends, NULLs, and records that cannot be read, or lie in the future."""
    found: dict[int, list[Any]] = events(rng, partitions, count)
    for part, mine in found.items():
        for index, row in enumerate(mine):
            mine[index] = dict(row, k=f"{row['k']}@{part}")
            if index > 3 and rng.random() < 0.15 and isinstance(mine[index - 2], dict):
                mine[index] = dict(mine[index - 2])
            dirt = rng.random()
            if dirt < 0.03:
                mine[index] = b'{"t": "2026-'
            elif dirt < 0.06:
                mine[index] = dict(mine[index], v="many")
            elif dirt < 0.09:
                mine[index] = {name: value for name, value in mine[index].items() if name != "t"}
            elif dirt < 0.12:
                mine[index] = dict(mine[index], t=BEGIN + 300 * DAY)
            elif dirt < 0.18:
                mine[index] = dict(mine[index], v=None)
            elif dirt < 0.21 and part == 0:                  # a key that is in two partitions has no order of arrival
                mine[index] = dict(mine[index], k=None)
    return found


def seen(partitions: Partitions) -> list[Any]:
    """Every record in (partition, position) order: its number, its mark, and what is wrong with it at Read."""
    rows = []
    for _, mine in sorted(partitions.items()):
        plain = []
        for record in mine:
            row = dict(record, wrong="") if isinstance(record, dict) else {"wrong": "not_json"}
            if isinstance(record, dict):
                wrong = {"v": "type" if isinstance(row["v"], str) else "", "t": "" if "t" in row else "missing"}
                row["wrong"] = wrong["t"] or wrong["v"] or ("future_timestamp" if row["t"] > BEGIN + 200 * DAY else "")
            plain.append(row)
        marks = iter(list(marks_of([row for row in plain if not row["wrong"]], LATENESS)))
        rows += [row | {"wm": None if row["wrong"] else next(marks)} for row in plain]
    return [row | {"number": number} for number, row in enumerate(rows)]


def looked_up(rng: random.Random, partitions: Partitions) -> tuple[dict[str, pa.Table], set[str], Counter[str]]:
    keys = sorted({row["k"] for rows in partitions.values() for row in rows if isinstance(row, dict) and row["k"]})
    known, many = keys[1:], [(key, f"tag{n}") for key in keys for n in range(rng.randrange(3))]
    tables = {"known": pa.table({"k": known, "label": [key.upper() for key in known]}),
              "several": pa.table({"k": pa.array([k for k, _ in many], pa.string()), "tag": pa.array([t for _, t in many], pa.string())})}
    return tables, set(known), Counter(key for key, _ in many)


POINTS = ("epoch.planned", "epoch.ran", "epoch.judged", "epoch.prepared", "epoch.committing", "epoch.committed", "epoch.finished",
          "epoch.acknowledged", "durable")


def run(text: str, folder: Path, partitions: Partitions, moves: list[Move], tables: dict[str, pa.Table], tasks: int,
        rng: random.Random | None) -> tuple[Ran, int]:
    """A whole run; with `rng` it crashes at random points until it comes through. Also how often it did."""
    here = Path(tempfile.mkdtemp(dir=folder))
    (here / "mine.py").write_text(MINE)
    files = {"known.csv": "k,label\n", "several.csv": "k,tag\n", "mine.py": MINE}
    bench = Bench(compiled(text, files), here, {"events": Scripted(partitions, moves)}, tasks, tables=tables,
                  ahead=rng is not None and rng.random() < 0.7)
    crashes = 0
    while rng is not None and crashes < 4:
        point = rng.choice(POINTS)
        try:
            with crash_at(point, rng.randrange(1, 40 if point == "durable" else 4)):
                return bench.run(random.Random(rng.random())), crashes
        except Crash:
            crashes += 1
    return bench.run(), crashes


def agrees(ran: Ran, wanted: dict[str, Leg], here: str) -> None:
    for name, leg in wanted.items():
        row = ran.account[name]
        assert (row["made"], row["delivered"], row["held"]) == (leg.made, leg.delivered, 0), f"{here}\n{name}: {row}\n{leg}"
        fates = {tuple(text.split(": ", 2)): count for text, count in row["reasons"].items()}
        assert fates == {fate: count for fate, count in leg.fates.items() if count}, f"{here}\n{name}"
        for fate in ("filtered", "quarantined", "late"):
            assert row[fate] == sum(count for (one, *_), count in leg.fates.items() if one == fate), f"{here}\n{name}: {fate}"
    for node in ran.plan.of(Write):
        ends = [row for leg, row in ran.account.items() if leg.endswith(f" -> {node.name}")]
        assert sum(row["delivered"] for row in ends) == len(ran.outputs[node.step]), f"{here}\n{node.name}"


@pytest.mark.parametrize("seed", seeds(4))
def test_every_leg_counts_what_plain_python_counts(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    partitions = dirty(rng, rng.choice([1, 2, 3]), 80)
    tables, known, several = looked_up(rng, partitions)
    wanted = account(seen(partitions), known, several)
    for number, moves in enumerate([whole(partitions), cut(rng, partitions, 8)]):
        ran, crashes = run(pipeline(*PLAIN), tmp_path, partitions, moves, tables, rng.randrange(1, 5), rng if number else None)
        here = f"seed {seed}, cut {number}: {moves}, {crashes} crashes"
        assert ran.account.keys() == wanted.keys() | {"newest -> newest_out/output"}, here
        agrees(ran, wanted, here)
        changes = ran.account["newest -> newest_out/output"]        # one row a key and epoch in which it changed
        keys = {row["k"] for row in passing(seen(partitions), read, good, shaped)}
        assert changes["made"] == changes["delivered"], here
        assert len(keys) <= changes["made"] <= wanted["events -> newest"].delivered, here


@pytest.mark.parametrize("seed", seeds(2))
def test_functions_of_the_user_count_what_plain_python_counts(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    partitions = dirty(rng, 2, 50)
    tables, *_ = looked_up(rng, partitions)
    wanted = calling(seen(partitions))
    for number, moves in enumerate([whole(partitions), cut(rng, partitions, 3)]):
        ran, crashes = run(pipeline("twice"), tmp_path, partitions, moves, tables, 1 + number, rng if number else None)
        agrees(ran, wanted, f"seed {seed}, cut {number}: {moves}, {crashes} crashes")
        assert ran.account["events -> twice"]["delivered"] > 0


def test_the_input_has_what_it_is_for_and_crashes_are_reached(tmp_path: Path) -> None:
    fates: Counter[tuple[str, str, str]] = Counter()
    crashes = 0
    for seed in range(4):
        rng = random.Random(seed)
        partitions = dirty(rng, 2, 110)
        tables, known, several = looked_up(rng, partitions)
        for leg in account(seen(partitions), known, several).values():
            fates.update(leg.fates)
        crashes += run(pipeline("fresh"), tmp_path, partitions, cut(rng, partitions, 8), tables, 2, rng)[1]
    assert {(node, reason) for _, node, reason in fates} == {
        ("events", "not_json"), ("events", "type"), ("events", "missing"), ("events", "future_timestamp"), ("good", "rule"),
        ("shaped", "where"), ("named", "unmatched"), ("kept", "unmatched"), ("fresh", "null_key"), ("fresh", "duplicate"),
        ("fresh", "late"), ("minutes/window", "late"), ("minutes", "where"), ("hops", "late"), ("hops", "late_partial"),
        ("visits", "late"), ("rolling", "late")}
    assert min(fates.values()) > 2, fates
    assert crashes > 3
