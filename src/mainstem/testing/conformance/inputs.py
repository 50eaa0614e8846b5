"""Random input for the pipelines of `drafts`: events in several files with dirt in them, tables to look up, whole tables."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from mainstem.clock import iso
from mainstem.testing.conformance.case import Case
from mainstem.testing.conformance.drafts import HALVES, Dice, draft

Row = Mapping[str, Any]
SECOND = 1_000_000
BEGIN = 1_704_067_200 * SECOND            # 2024-01-01T00:00:00Z in microseconds


def random_case(rng: Dice, name: str) -> Case:
    """A random pipeline over random input, with nothing expected: what one engine answers is what another one must."""
    pipeline = draft(rng)
    partitions = keyed(rng, events(rng, rng.randrange(1, 4), rng.choice([40, 90, 160]), keys=3))
    files = {f"events/{part}.jsonl": b"".join(dirty(rng, rows)) for part, rows in partitions.items()}
    keys = sorted({row["k"] for rows in partitions.values() for row in rows})
    files |= {f"{table}.csv": text.encode() for table, text in looked_up(keys).items()}
    files |= {"meters.csv": _meters(rng, keys), "prices.jsonl": _prices(rng), "halves.py": HALVES.encode()}
    return Case(name, pipeline, files)


def events(rng: Dice, partitions: int, rows: int, *, disorder: int = 20, step: int = 3, keys: int = 4,
           begin: int = BEGIN) -> dict[int, list[Row]]:
    """Random partitions of events (t in microseconds): mostly rising times, some of them `disorder` seconds and more behind."""
    found: dict[int, list[Row]] = {}
    number = itertools.count()
    for part in range(partitions):
        now = begin + rng.randrange(10) * SECOND
        mine: list[Row] = []
        for _ in range(rng.randrange(rows // 2, rows + 1)):
            now += rng.randrange(step * 2) * SECOND
            back = rng.randrange(disorder) * SECOND if rng.random() < 0.5 else 0
            if rng.random() < 0.05:
                back += 3 * disorder * SECOND
            seq = next(number)
            mine.append({"t": now - back, "k": f"k{rng.randrange(keys)}", "v": rng.randrange(-50, 50), "seq": seq,
                         "x": rng.randrange(1000) / 4})
        found[part] = mine
    return found


def keyed(rng: Dice, partitions: Mapping[int, Sequence[Row]]) -> dict[int, list[Row]]:
    """The same with keys that stay in one partition each, and with rows that a device has sent twice."""
    found = {}
    for part, rows in partitions.items():
        mine: list[Row] = [dict(row, k=f"{row['k']}@{part}") for row in rows]
        for index in range(4, len(mine)):
            if rng.random() < 0.1:
                mine[index] = mine[index - rng.randrange(1, 4)]
        found[part] = mine
    return found


def line(row: Row | bytes) -> bytes:
    """A record: the time `t` in microseconds becomes RFC 3339; bytes are taken as they are (a bad record)."""
    if isinstance(row, bytes):
        return row + b"\n"
    return json.dumps({key: iso(value) if key == "t" and isinstance(value, int) else value for key, value in row.items()}).encode() + b"\n"


def dirty(rng: Dice, rows: Sequence[Row]) -> list[bytes]:
    """The records of these rows; some are cut off, lack a value, have a wrong one, or come from the future."""
    wrongs: list[Row | None] = [
        None, {"t": None}, {"v": "many"}, {"v": 1.5}, {"v": 2**63}, {"t": "2026-02-30T00:00:00Z"}, {"t": "2200-01-01T00:00:00Z"}, {"k": None},
        {"v": None}, {"v": None}, {"v": None}, {"x": None}, {"new": [1, {"a": "b"}]}, {"x": -0.0}]
    found = []
    for row in rows:
        if rng.random() < 0.15:
            wrong = rng.choice(wrongs)
            written = line({**row, **wrong}) if wrong else line(row)[: rng.randrange(1, 40)] + b"\n"
        else:
            written = line(row)
        found.append(written)
    if found and rng.random() < 0.3:
        found[-1] = found[-1].rstrip(b"\n")                # nobody ended the last line
    return found


def looked_up(keys: Sequence[str]) -> dict[str, str]:
    """`one` knows every key but the first; `several` has 0, 1 or 2 rows of a key. As CSV."""
    one = [f"{key},{key.upper()},{place}" for place, key in enumerate(keys[1:])]
    several = [f"{key},tag{n}" for place, key in enumerate(keys) for n in range(place % 3)]
    return {"one": "\n".join(["k,label,level", *one]) + "\n", "several": "\n".join(["k,tag", *several]) + "\n"}


def _meters(rng: Dice, keys: Sequence[str]) -> bytes:
    lines = ["nr,k,item,day,amount"]
    for nr in range(rng.randrange(20, 200)):
        item = f"i{rng.randrange(8)}" if rng.random() < 0.9 else ""
        amount = "lots" if rng.random() < 0.03 else f"{rng.randrange(-10**6, 10**7) / 100:.2f}"
        lines.append(f"{nr},{rng.choice(keys)},{item},2024-0{rng.randrange(1, 4)}-{rng.randrange(1, 31):02d},{amount}")
    return "\n".join(lines).encode() + b"\n"


def _prices(rng: Dice) -> bytes:
    """Some items have two prices, some none."""
    rows = [{"item": f"i{n % 6}", "grade": n // 6, "price": f"{rng.randrange(1, 10**5) / 1000:.3f}"} for n in range(rng.randrange(4, 10))]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
