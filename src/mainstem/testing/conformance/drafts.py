"""Random pipelines: a draft grows step by step, over events as they come and over whole tables.

Randomness is a parameter (`random.Random(seed)`), so that a seed is enough to have the same pipeline again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

Some = TypeVar("Some")


class Dice(Protocol):
    """What is asked of `random.Random`."""

    def random(self) -> float: ...
    def randrange(self, start: int, stop: int | None = None, /) -> int: ...
    def choice(self, seq: Sequence[Some], /) -> Some: ...


TABLES = """
tables:
  one: {files: {path: one.csv}, format: csv, key: [k], columns: {k: string!, label: string, level: int64}}
  several: {files: {path: several.csv}, format: csv, columns: {k: string!, tag: string!}}
"""
EVENTS = """\
version: 1
pipeline: drafted
sources:
  events:
    files: {path: "events/*.jsonl"}
    format: json
    columns: {t: timestamp!, k: string!, v: int64, seq: int64!, x: double}
    time: {column: t, lateness: %s, max_future: 5m, partition: %s}
"""
WHOLE = """\
  meters:
    files: {path: meters.csv}
    format: csv
    columns: {nr: int64!, k: string!, item: string, day: date!, amount: "decimal(12,2)!"}
  prices:
    files: {path: prices.jsonl}
    format: json
    columns: {item: string!, grade: int64!, price: {type: "decimal(9,3)", coerce: true}}
"""
HALVES = """\
import pyarrow.compute as pc


def halve(rows):
    return rows.append_column("half", pc.divide(pc.cast(rows["v"], "double"), 2))
"""
# kind -> what it reads, the query, the mode of its output
ACROSS = {
    "group": ("meters", "SELECT item, sum(amount) AS amount, count(*) AS n, min(day) AS first FROM meters GROUP BY item",
              "replace, by: [item]"),
    "lag": ("meters", "SELECT nr, k, day, amount - lag(amount) OVER (PARTITION BY k ORDER BY nr) AS more FROM meters", ""),
    "joined": ("[meters, prices]", "SELECT m.nr, m.k, item, m.day, m.amount, p.price, p.grade FROM meters m JOIN prices p USING (item)", ""),
    "left": ("[meters, prices]", "SELECT m.nr, p.price FROM meters m LEFT JOIN prices p ON m.item = p.item AND m.amount > p.price", ""),
    "none": ("[meters, prices]", "SELECT m.nr FROM meters m ANTI JOIN prices p ON m.item = p.item", ""),
    "largest": ("meters", "SELECT nr, amount FROM meters ORDER BY amount DESC, nr LIMIT %d", "upsert, key: [nr]"),
    "once": ("meters", "SELECT DISTINCT k, day FROM meters", ""),
    "share": ("meters", "SELECT nr, amount * 9 > sum(amount) OVER (PARTITION BY item) AS much FROM meters WHERE item IS NOT NULL", ""),
    "busy": ("meters", "SELECT k, day, max(amount) AS most FROM meters GROUP BY ALL HAVING count(*) > 1", ""),
    "either": ("[meters, prices]", "SELECT m.nr, item, p.price FROM meters m FULL JOIN prices p USING (item)", ""),
    "listed": ("meters", "SELECT k, list(nr) AS nrs, first(item) AS first, arg_max(day, amount) AS best FROM meters GROUP BY k", ""),
    "place": ("meters", "SELECT nr, row_number() OVER (PARTITION BY item ORDER BY amount DESC, nr) AS place FROM meters", ""),
}


@dataclass
class Draft:
    """A pipeline that grows step by step; `rows` are the steps whose rows still have t, k, v, seq and x.

    `more` lets steps come of which an output keeps the newest rows only, or that call a function: they need real outputs and files.
    """

    rng: Dice
    more: bool = False
    steps: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=lambda: ["events"])
    ends: dict[str, str] = field(default_factory=dict)  # steps whose rows nobody reads but an output, and its mode
    kinds: Counter[str] = field(default_factory=Counter)

    def name(self, kind: str) -> str:
        """A name for one more step of a kind."""
        self.kinds[kind] += 1
        return f"{kind}_{self.kinds[kind]}"

    def add(self, kind: str, before: str, body: str, onward: bool, mode: str = "") -> str:
        """One more step; the name it was given."""
        name = self.name(kind)
        self.steps.append(f"  {name}:\n    from: {before}\n{body}")
        if onward:
            self.rows.append(name)
        else:
            self.ends[name] = mode
        return name

    def grow(self) -> None:
        """One more step behind a random one."""
        rng, before = self.rng, self.rng.choice(self.rows[-4:])
        unmatched = ["drop", "quarantine", "keep"]
        makers = {
            "filter": (
                f"    sql: SELECT t, k, v, seq, x FROM {before} WHERE v % {rng.randrange(3, 7)} <> {rng.randrange(2)}\n", True, ""),
            "check": (
                f"    check: [{{name: high, that: v < {rng.randrange(20, 45)}}}, {{name: low, that: v > {rng.randrange(-48, -30)}, else: "
                f"{rng.choice(['drop', 'quarantine'])}}}]\n", True, ""),
            "flags": ("    check: [{name: round, that: v % 10 <> 0, else: flag}]\n", False, ""),
            "unnest": (f"    sql: SELECT t, k, v, seq, x, unnest(range(abs(v) % 3)) AS item FROM {before}\n", True, ""),
            "tags": (f"    lookup: {{table: several, on: [k], many: true, unmatched: {rng.choice(unmatched)}}}\n", False, ""),
            "label": (f"    lookup: {{table: one, on: [k], take: [label], unmatched: {rng.choice(unmatched)}}}\n", False, ""),
            "dedupe": ("    dedupe: {by: [k, v], within: 40s}\n", True, ""),
            "window": (
                f"    window: {{size: {rng.choice(['30s', '1m', '5m'])}, by: [k], late: {rng.choice(['quarantine', 'drop'])}}}\n"
                "    select: count(*) AS n, sum(v) AS total\n    having: count(*) > 2\n", False,
                rng.choice(["", "upsert, key: [k, window_end]"]) if self.more else ""),
            "hop": (
                f"    window: {{size: 1m, every: {rng.choice(['20s', '30s', '25s'])}, late: quarantine}}\n"
                "    select: count(*) AS n\n", False, ""),
            "session": ("    session: {gap: 20s, by: [k]}\n    select: count(*) AS n\n    having: sum(v) > 0\n", False, ""),
            "over": ("    over: {by: [k], range: 1m}\n    select: max(v) AS highest\n", False, ""),
            "alert": (f"    alert: {{when: v > {rng.randrange(10, 30)}, by: [k]}}\n", False, ""),
        }
        if self.more:
            makers |= {
                "clean": (
                    f"    clean: [{{name: small, column: v, set: v // 2, where: v > {rng.randrange(30)}}}, "
                    "{column: x, set: 'round(x, 1)'}]\n", False, ""),
                "latest": ("    latest: {by: [k]}\n", False, "upsert, key: [k]"),
                "days": (
                    "    window: {size: 1d, by: [k], late: quarantine, zone: Europe/Berlin}\n"
                    "    select: quantile_cont(x, 0.5) AS middle, max(v) - min(v) AS spread, count(DISTINCT v) AS kinds\n", False, ""),
                "fails": (f"    sql: SELECT t, k, (v * 100 + 10)::TINYINT AS tiny, 100 // (v % 4) AS share FROM {before}\n", False, ""),
            }
        if before.startswith("unnest"):
            makers.pop("dedupe")
            makers.pop("latest", None)
        kind = rng.choice(sorted(makers))
        name = self.add(kind, before, *makers[kind])
        if kind == "window" and self.more and rng.random() < 0.4:
            self.add("tens", name, "    window: {size: 10m, late: quarantine}\n    select: sum(n) AS n, count(*) AS windows\n", False)

    def diamond(self) -> None:
        """Two branches of one step meet again: rows may come twice, once, or not at all."""
        before = self.rng.choice(self.rows)
        left, right = self.name("left"), self.name("right")
        self.steps.append(f"  {left}:\n    from: {before}\n    sql: SELECT t, k, v, seq, x FROM {before} WHERE v > -10\n")
        self.steps.append(f"  {right}:\n    from: {before}\n    check: [{{name: below, that: v < 20}}]\n")
        meet = self.name("meet")
        query = f"SELECT t, k, v, seq, x FROM {left} UNION ALL SELECT t, k, v, seq, x FROM {right}"
        self.steps.append(f"  {meet}:\n    from: [{left}, {right}]\n    sql: {query}\n")
        self.rows.append(meet)

    def call(self) -> None:
        """A function of the user's, behind the first rows that have no NULL in `v`."""
        columns = "t: timestamp, k: string, v: int64, seq: int64, x: double, half: double"
        self.add("halves", "events", f"    python: {{call: 'halves:halve', rows: same, columns: {{{columns}}}}}\n", False)

    def look_across(self) -> None:
        """SQL over the whole of `meters` and `prices`: groups, joins, windows, the largest, what is there once."""
        rng = self.rng
        for kind in dict.fromkeys(rng.choice(sorted(ACROSS)) for _ in range(rng.randrange(1, 4))):
            inputs, query, mode = ACROSS[kind]
            name = self.add(kind, inputs, f"    sql: {query % rng.randrange(1, 30) if '%d' in query else query}\n", False, mode)
            if kind == "joined":
                self.add("earned", name, f"    sql: SELECT {rng.choice(['k', 'item', 'grade'])} AS of, sum(amount * price) AS amount "
                                         f"FROM {name} GROUP BY 1\n", False)

    def text(self, head: str) -> str:
        """The pipeline file, behind the sources that `head` declares."""
        read = {name for step in self.steps for name in step.split("\n")[1].removeprefix("    from: ").strip("[]").split(", ")}
        outputs = self.ends | {name: "" for name in self.rows if name not in read and name != "events"}
        if len(self.rows) > 1:
            outputs.setdefault(self.rng.choice(self.rows[1:]), "")  # an output in the middle of a chain
        lines = "".join(f"  {name}_out: {{from: {name}, delta: {{table: {name}_out, mode: {mode or 'append'}}}}}\n"
                        for name, mode in outputs.items())
        return head + TABLES + "\nsteps:\n" + "".join(self.steps) + "outputs:\n" + lines


def draft(rng: Dice) -> str:
    """A random pipeline over events in files and, of three times once, over whole tables beside them."""
    growing = Draft(rng, more=True)
    for _ in range(rng.randrange(1, 6)):
        growing.grow()
    if rng.random() < 0.3:
        growing.diamond()
    if rng.random() < 0.15:
        growing.call()
    growing.grow()
    if whole := rng.random() < 0.4:
        growing.look_across()
    head = EVENTS % (rng.choice(["10s", "0s", "2m"]), rng.choice(["source", "file"]))
    return growing.text(head + (WHOLE if whole else ""))
