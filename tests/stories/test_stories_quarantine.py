"""A bad record among ten thousand: it is kept, shown, sent again through mended rules, once, whatever happens meanwhile."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from telling import at, balances, edit, ended, lines, opened, rows, script, settled, states, until, write

from mainstem.clock import SystemClock, iso
from mainstem.errors import MainstemError
from mainstem.testing import Crash, count_durable_calls, crash_at

RULES = """\
version: 1
pipeline: readings
sources:
  readings:
    files: {path: %(path)s}
    format: %(format)s
    columns: {sensor: string!, at: timestamp!, value: double!, n: int64}
    time: {column: at, lateness: 10s%(more)s}
tables:
  places: {files: {path: places.csv}, format: csv, key: [sensor], columns: {sensor: string!, house: string!}}
steps:
  checked: {from: readings, check: [{name: in_range, that: value <= 100}]}
  fresh: {from: checked, dedupe: {by: [sensor, n], within: 5m}}
  located: {from: fresh, lookup: {table: places, on: [sensor], take: [house], unmatched: quarantine}}
  minutes:
    from: located
    window: {size: 1m, by: [house], late: quarantine}
    select: count(*) AS n, sum(value) AS total
outputs:
  located: {from: located, delta: {table: located, mode: append}}
  minutes: {from: minutes, delta: {table: minutes, mode: append}}
"""
PLACES = "sensor,house\ns0,north\ns1,south\n"


def pipeline(path: str = "in.jsonl", form: str = "json", more: str = "") -> str:
    return RULES % {"path": path, "format": form, "more": more}


def reading(n: int, **changes: Any) -> dict[str, Any]:
    return {"sensor": f"s{n % 2}", "at": at(n * 0.1), "value": float(n % 50), "n": n} | changes


def test_one_bad_row_in_ten_thousand(tmp_path: Path) -> None:
    bad = '{"sensor": "s1",  "at": "THEN", "value": 101.50, "n": 4711, "note": "\\u00e4 \u00e4"}'.replace("THEN", at(471.1))
    records = [reading(n) if n != 4711 else bad for n in range(10_000)]
    text = pipeline().replace("from: fresh,", "from: checked,")              # no dedupe: it has forgotten the keys of long ago
    file = write(tmp_path, text, places__csv=PLACES, in__jsonl=lines(records))
    first = opened(file).run()
    assert first.exit_code == 0
    assert balances(first.account)
    assert sorted(row["n"] for row in rows(file, "located")) == [n for n in range(10_000) if n != 4711]

    found = opened(file).quarantine().to_pylist()
    assert [(row["node"], row["reason"], row["rules"]) for row in found] == [("checked", "rule", ["in_range"])]
    assert found[0]["raw"] == bad.encode()
    shown = opened(file).quarantine_show(found[0]["id"])
    assert shown["raw"] == bad.encode()
    offset = (tmp_path / "in.jsonl").read_bytes().index(bad.encode())
    assert shown["place"] == f"in.jsonl:{offset}"

    before = opened(file).show_run(first.run_id)["account"]
    assert opened(file).replay([found[0]["id"]])["replayed"] == 1          # the rule is as it was: set aside once more
    assert len(rows(file, "located")) == 9_999
    assert states(file) == {"replayed": 1, "open": 1}
    edit(file, "value <= 100", "value <= 150")
    assert opened(file).replay()["replayed"] == 1
    assert sorted(row["n"] for row in rows(file, "located")) == list(range(10_000))
    again = rows(file, "located")
    assert opened(file).replay(step="checked")["ordered"] == 0
    assert opened(file).replay([found[0]["id"]])["ordered"] == 0
    assert rows(file, "located") == again
    assert states(file) == {"replayed": 2, "open": 1}                      # its window was closed: it is late there now
    late = opened(file).quarantine().to_pylist()
    assert [(row["fate"], row["node"], row["place"]) for row in late] == [("late", "minutes", f"in.jsonl:{offset}")]
    assert opened(file).quarantine_show(late[0]["id"])["raw"] == bad.encode()
    assert opened(file).discard([late[0]["id"]]) == {"discarded": 1}
    assert states(file) == {"replayed": 2, "discarded": 1}
    assert settled(file)
    assert opened(file).show_run(first.run_id)["account"] == before


@pytest.mark.parametrize("form", ["json", "csv", "document", "parquet"])
def test_rows_set_aside_on_every_step_come_back(form: str, tmp_path: Path) -> None:
    records = [reading(n) for n in range(900)]
    records[100]["value"] = "warm"                                          # at Read
    records[200]["value"] = 500.0                                           # at the check
    records[300]["sensor"] = "s9"                                           # at the lookup, behind the dedupe
    records[850]["sensor"] = "s9"
    records.append(reading(900, at=at(0.05)))                               # late: its window is closed
    name, text, content = encoded(form, records)
    text = text.replace("path: in.", "path: inbox/*.")
    name = f"inbox/{name}"
    (tmp_path / "inbox").mkdir()
    file = write(tmp_path, text, places__csv=PLACES)
    (tmp_path / name).write_bytes(content)
    opened(file).run(each=True)
    aside = {row["position"]: row for row in opened(file).quarantine().to_pylist()}
    by_node = sorted((row["node"], row["fate"]) for row in aside.values())
    read = [] if form == "parquet" else [("readings", "quarantined")]
    assert by_node == [("checked", "quarantined"), ("located", "quarantined"), ("located", "quarantined"), ("minutes", "late"), *read]
    for row in aside.values():
        raw = opened(file).quarantine_show(row["id"])["raw"]
        assert raw or form == "parquet", row["node"]                         # a row of Parquet has no bytes of its own
        assert row["raw"] in (None, raw)
        assert row["place"].startswith(name)
    delivered = {row["n"] for row in rows(file, "located")}

    edit(file, "value <= 100", "value <= 1000")
    (tmp_path / "places.csv").write_text(PLACES + "s9,east\n")
    if form != "parquet":
        edit(file, "value: double!", "value: string!")
        edit(file, "value <= 1000", "try_cast(value AS DOUBLE) <= 1000")
        edit(file, "sum(value)", "sum(try_cast(value AS DOUBLE))")
        with pytest.raises(MainstemError) as refused:
            opened(file).replay()
        assert refused.value.code == "run.breaking"
        assert states(file) == {"open": len(aside)}
        edit(file, "value: string!", "value: double!")
        edit(file, "try_cast(value AS DOUBLE) <= 1000", "value <= 1000")
        edit(file, "sum(try_cast(value AS DOUBLE))", "sum(value)")
    done = opened(file).replay()
    assert done["replayed"] == done["ordered"] == len(aside)
    assert {row["n"] for row in rows(file, "located")} - delivered == {200, 300, 850}
    assert len(rows(file, "located")) == len(delivered) + 3
    left = sorted((row["node"], row["fate"]) for row in opened(file).quarantine().to_pylist())
    late = [("minutes", "late")] * 3                                         # 200, 300 and 900: their window is closed
    assert left == [*late, *read]
    assert settled(file)
    assert opened(file).replay(reason="too_deep")["ordered"] == 0


def encoded(form: str, records: list[dict[str, Any]]) -> tuple[str, str, bytes]:
    if form == "csv":
        header = "n;sensor;at;value\n"                                       # another order than the declared columns
        body = "".join(f'{row["n"]};"{row["sensor"]}";{row["at"]};{row["value"]}\n' for row in records)
        return "in.csv", pipeline("in.csv", "{csv: {delimiter: ';'}}"), (header + body).encode()
    if form == "document":
        return "in.json", pipeline("in.json", "{json: {layout: document}}"), json.dumps(records).encode()
    if form == "parquet":
        import io

        import pyarrow as pa
        import pyarrow.parquet as pq

        good = [row for row in records if row["value"] != "warm"]
        out = io.BytesIO()
        stamps = pa.array([row["at"] for row in good]).cast(pa.timestamp("us", "UTC"))
        pq.write_table(pa.Table.from_pylist(good).drop_columns(["at"]).append_column("at", stamps), out)
        return "in.parquet", pipeline("in.parquet", "parquet"), out.getvalue()
    return "in.jsonl", pipeline(), lines(records).encode()


def test_a_row_of_a_window_that_is_still_open_gets_into_it(tmp_path: Path) -> None:
    records = [reading(n) for n in range(900)] + [reading(900, at=at(89), value=500.0)]
    file = write(tmp_path, pipeline("inbox/*.jsonl"), places__csv=PLACES, inbox___a__jsonl=lines(records))
    assert opened(file).run(each=True).why == "hold"
    edit(file, "value <= 100", "value <= 1000")
    assert opened(file).replay()["replayed"] == 1
    opened(file).run(flush=True)
    windows = {(row["house"], row["window_start"].minute): row for row in rows(file, "minutes")}
    assert windows["north", 1]["n"] == 151
    assert windows["north", 1]["total"] == sum(n % 50 for n in range(600, 900, 2)) + 500
    assert settled(file)
    assert states(file) == {"replayed": 1}


@pytest.mark.parametrize("point", ["epoch.planned", "epoch.prepared", "epoch.committed", "epoch.finished", "the mark"])
def test_a_kill_on_the_way_changes_nothing(point: str, tmp_path: Path) -> None:
    records = [reading(n) for n in range(300)]
    records[10]["sensor"] = "s9"
    file = write(tmp_path, pipeline(), places__csv=PLACES, in__jsonl=lines(records))
    opened(file).run()
    (tmp_path / "places.csv").write_text(PLACES + "s9,east\n")
    with pytest.raises(Crash), crash_at("durable.link" if point == "the mark" else point, _links(tmp_path, point)) as reached:
        opened(file).replay()
    assert reached.fired
    if point == "the mark":
        assert reached.facts["path"].endswith(".done")
    assert opened(file).replay(step="located")["ordered"] == 0               # no new order; the open one is carried out
    assert sorted(row["n"] for row in rows(file, "located")) == list(range(300))
    assert settled(file)
    assert states(file) == {"replayed": 1, "open": 1}                        # its window is closed
    opened(file).run()
    assert len(rows(file, "located")) == 300


def _links(folder: Path, point: str) -> int:
    """Which of the links of a replay gives the mark that says done: tried on a copy."""
    if point != "the mark":
        return 1
    copy = folder.with_name(folder.name + "-copy")
    shutil.copytree(folder, copy)
    with count_durable_calls() as calls:
        opened(copy / "pipeline.yaml").replay()
    return [path.endswith(".done") for name, path in calls if name == "durable.link"].index(True) + 1


def test_a_live_follower_takes_the_order_up(tmp_path: Path) -> None:
    records = [reading(n) for n in range(300)]
    records[10]["sensor"] = "s9"
    file = write(tmp_path, pipeline("inbox/*.jsonl"), places__csv=PLACES, inbox___a__jsonl=lines(records))
    follower = script(file, "import sys; from mainstem import project; project.open(sys.argv[1]).run(follow=True)")
    try:
        until(lambda: len(rows(file, "located")) == 299)
        (tmp_path / "places.csv").write_text(PLACES + "s9,east\n")
        done = opened(file).replay()
        assert done["ordered"] == 1
        assert done["replayed"] == 0
        assert "process" in done["taken_by"]
        until(lambda: len(rows(file, "located")) == 300)
        until(lambda: settled(file))
        follower.terminate()
        assert ended(follower)[0] == 0
        assert states(file) == {"replayed": 1}
    finally:
        if follower.poll() is None:
            follower.kill()


def test_bytes_that_nobody_has_any_more_are_refused_by_name(tmp_path: Path) -> None:
    records = [reading(n) for n in range(300)]
    records[10]["sensor"] = "s9"
    records[20]["value"] = 500.0
    file = write(tmp_path, pipeline(), places__csv=PLACES, in__jsonl=lines(records))
    opened(file).run()
    (tmp_path / "in.jsonl").write_text(lines(reading(n, value=7.0) for n in range(300)))
    edit(file, "value <= 100", "value <= 1000")
    with pytest.raises(MainstemError) as gone:
        opened(file).replay(step="located")
    assert gone.value.code == "replay.gone"
    assert states(file) == {"open": 2}
    found = {row["node"]: row["id"] for row in opened(file).quarantine().to_pylist()}
    assert opened(file).quarantine_show(found["located"])["raw"] is None
    assert opened(file).quarantine_show(found["checked"])["raw"] == lines([records[20]]).strip().encode()


HOPS = """\
version: 1
pipeline: hops
sources:
  readings:
    files: {path: in.jsonl}
    format: json
    columns: {at: timestamp!, n: int64}
    time: {column: at, lateness: 10s}
steps:
  hops: {from: readings, window: {size: 1m, every: 15s, late: quarantine}, select: count(*) AS n}
outputs:
  hops: {from: hops, delta: {table: hops}}
"""


def test_a_row_too_late_for_some_windows_is_on_record_with_them_and_is_never_sent_again(tmp_path: Path) -> None:
    """110 puts the mark at 100: the row at 50 has missed the windows that ended at 60, 75 and 90; the one at 30 has missed all."""
    records = [{"at": at(t), "n": n} for n, t in enumerate([0, 110, 50, 30])]
    file = write(tmp_path, HOPS, in__jsonl=lines(records))
    result = opened(file).run(each=True)
    assert balances(result.account)
    (leg,) = [leg for leg in result.account if leg["leg"] == "readings -> hops"]
    assert (leg["delivered"], leg["late"]) == (3, 1)
    assert leg["reasons"] == {"late: hops: late": 1, "noted: hops: late_partial": 1}
    assert [row["reason"] for row in opened(file).quarantine().to_pylist()] == ["late"]
    (note,) = opened(file).quarantine(reason="late_partial").to_pylist()
    assert (note["fate"], note["event_time"].isoformat()) == ("noted", "2026-01-01T00:00:50+00:00")
    assert note["detail"] == ("too late for 3 of its 4 windows, which began at 2026-01-01T00:00:00Z, 2026-01-01T00:00:15Z, "
                              "2026-01-01T00:00:30Z; time had passed 2026-01-01T00:01:40Z")
    assert opened(file).quarantine_show(note["id"])["raw"] == lines(records[2:3]).strip().encode()
    before = rows(file, "hops")
    assert opened(file).replay()["ordered"] == 1                            # the late row, which is late again
    assert opened(file).replay([note["id"]])["ordered"] == 0
    assert rows(file, "hops") == before
    assert states(file) == {"noted": 1, "replayed": 1, "open": 1}


def test_a_time_that_was_in_the_future_is_so_again_however_late_it_is_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay judges by the clock that the record met when it came, which is on record; another `max_future` lets it pass."""
    now = SystemClock().now()
    records = [{"at": iso(now - 60_000_000), "n": 0}, {"at": iso(now + 3_600_000_000), "n": 1}]
    text = HOPS.replace("window: {size: 1m, every: 15s, late: quarantine}, select: count(*) AS n", "sql: SELECT n FROM readings WHERE n >= 0")
    file = write(tmp_path, text, in__jsonl=lines(records))
    opened(file).run()
    (first,) = opened(file).quarantine().to_pylist()
    assert first["reason"] == "future_timestamp"
    monkeypatch.setattr(SystemClock, "now", lambda self: now + 7_200_000_000)
    assert opened(file).replay()["replayed"] == 1
    (again,) = opened(file).quarantine().to_pylist()
    assert (again["reason"], again["clock"], again["detail"]) == ("future_timestamp", first["clock"], first["detail"])
    assert [row["n"] for row in rows(file, "hops")] == [0]
    edit(file, "lateness: 10s", "lateness: 10s, max_future: 2h")
    assert opened(file).replay()["replayed"] == 1
    assert [row["n"] for row in rows(file, "hops")] == [0, 1]
    assert settled(file)
