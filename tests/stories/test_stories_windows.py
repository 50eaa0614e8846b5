"""Windows and sessions as semantics.md 2-C wants them, from file to table: origins, arrival, restarts, no processing time."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from telling import at, balances, lines, opened, rows, write

PIPELINE = """\
version: 1
pipeline: clockwork
sources:
  events:
    files: {{path: "in/*.jsonl"}}
    format: json
    columns: {{k: string!, t: timestamp!, v: double, n: int64}}
    time: {{column: t, lateness: {lateness}}}
steps:
  visits:
    from: events
    session: {{gap: 20s, by: [k], late: quarantine}}
    select: "count(*) AS n, list(n) AS ns, first(v) AS opened, sum(v) AS total"
  minutes:
    from: events
    window: {{size: {size}, by: [k], late: quarantine}}
    select: |
      first(n) AS first, last(n) AS last, list(n) AS ns, string_agg(n::VARCHAR, '>') AS way,
      arg_max(n, v) AS top, any_value(n) AS any_n, mode(v) AS usual, sum(v) AS total, count(DISTINCT v) AS kinds
outputs:
  visits: {{from: visits, delta: {{table: visits}}}}
  minutes: {{from: minutes, delta: {{table: minutes}}}}
"""


def played(folder: Path, records: list[dict[str, Any]], cuts: list[int], **options: str) -> tuple[list[Any], list[Any]]:
    """Both tables of a pipeline that was started anew for every file, the input cut at these places."""
    file = write(folder, PIPELINE.format(**{"lateness": "1h", "size": "1m", **options}))
    (folder / "in").mkdir(exist_ok=True)
    for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(records)])):
        (folder / f"in/{number:03d}.jsonl").write_text(lines(records[start:end]))
        assert balances(opened(file).run().account) or start == end
    opened(file).run(flush=True)
    assert opened(file).read("quarantine").num_rows == 0
    return rows(file, "visits"), rows(file, "minutes")


def readings(seed: int) -> list[dict[str, Any]]:
    """Bursts with pauses near the gap, every event at a moment of its own."""
    luck = random.Random(seed)
    moment, found = 0.0, []
    for n in range(90):
        moment += luck.choice([0.5, 3, 7, 12, 19.5, 20, 31])
        found.append({"k": luck.choice("ab"), "t": at(moment), "v": float(luck.randint(0, 5)), "n": n})
    return found


@pytest.mark.parametrize("seed", range(3))
def test_neither_arrival_nor_restarts_change_a_window_or_a_session(seed: int, tmp_path: Path) -> None:
    """C4, C5, C6: sessions merge whenever the row between them comes, with the id that one run gives; first means first in time."""
    luck = random.Random(seed)
    records = readings(seed)
    visits, minutes = played(tmp_path / "once", records, [])
    assert len(visits) > 10
    assert len({row["session_id"] for row in visits}) == len(visits)
    assert any(row["n"] > 2 for row in visits)
    for name, cuts in (("many", sorted(luck.sample(range(1, 90), 5))), ("shuffled", []), ("both", sorted(luck.sample(range(1, 90), 3)))):
        given = records if name == "many" else luck.sample(records, len(records))
        assert played(tmp_path / name, given, cuts) == (visits, minutes)


@pytest.mark.parametrize(("size", "moment", "start"), [
    ("1h", "1969-12-31T23:30:00Z", "1969-12-31 23:00:00"),
    ("7d", "2026-11-22T10:00:00Z", "2026-11-19 00:00:00"),           # Thursdays: 1970-01-01 was one
    ("5h", "2026-11-22T02:00:00Z", "2026-11-21 23:00:00"),
    ("1h", "2026-10-25T00:30:00Z", "2026-10-25 00:00:00"),           # 02:30 in Berlin, for the first time ...
    ("1h", "2026-10-25T01:30:00Z", "2026-10-25 01:00:00"),           # ... and for the second
])
def test_fixed_windows_are_counted_from_1970(size: str, moment: str, start: str, tmp_path: Path) -> None:
    _, (row,) = played(tmp_path, [{"k": "a", "t": moment, "v": 1.0, "n": 1}], [], size=size)
    assert str(row["window_start"]).startswith(start)


@pytest.mark.parametrize(("old", "new", "code"), [
    ("    time: {column: t, lateness: 1h}\n", "", "time.none"),
    ("sum(v) AS total, count", "max(now()) AS seen, count", "sql.function_refused"),
    ("by: [k], late: quarantine}\n    select: |", "by: [k], late: quarantine, clock: processing}\n    select: |", "spec.unknown_key"),
])
def test_there_are_no_windows_of_processing_time(old: str, new: str, code: str, tmp_path: Path) -> None:
    """C9."""
    text = PIPELINE.format(lateness="1h", size="1m")
    assert old in text
    assert code in {problem.code for problem in opened(write(tmp_path, text.replace(old, new))).check()}
