"""The generator: the same bytes in any process and any cut, and a truth that a simple reader can recompute."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mainstem.clock import HandClock
from mainstem.connectors.generator import Generator, GeneratorOptions, greenhouse
from mainstem.connectors.generator.truth import records as truth
from mainstem.plugs import Budget, Scope

ROOT = Path(__file__).resolve().parents[3]
FUTURE, LATENESS, MINUTE = 300_000_000, 30_000_000, 60_000_000


def source(project: Path, **options: Any) -> Generator:
    scope = Scope(str(project), str(project / "lake"), str(project / "work"), "p", "test", "readings")
    return Generator(GeneratorOptions.model_validate(options), None, scope)  # type: ignore[arg-type]


def run(project: Path, budget: Budget, **options: Any) -> dict[int, list[tuple[int, bytes, int]]]:
    """Partition -> (position, line, arrival) of every record, read by a fresh source per range."""
    found: dict[int, list[tuple[int, bytes, int]]] = defaultdict(list)
    progress = None
    while True:
        seen = source(project, **options).discover(progress, budget)
        progress = json.loads(json.dumps(dict(seen.progress)))
        for planned in seen.ranges:
            for chunk in source(project, **options).read(planned):
                lines = bytes(chunk.data).splitlines(keepends=True)
                assert chunk.clock is not None
                assert len(lines) == len(chunk.clock)
                place = chunk.start
                for line, clock in zip(lines, chunk.clock.tolist()):
                    found[planned.partition].append((place, line, clock))
                    place += len(line)
        if seen.ended:
            return found


def test_every_cut_gives_the_same_lines_positions_and_arrivals(tmp_path: Path) -> None:
    options = {"rows": 5001, "seed": 3, "sensors": 7, "partitions": 2}
    once = run(tmp_path, Budget(300_000, 32 << 20), **options)
    assert sum(map(len, once.values())) == 5001
    for budget in (Budget(1997, 32 << 20), Budget(300_000, 100_000)):
        assert run(tmp_path, budget, **options) == once
    assert run(tmp_path, Budget(300_000, 32 << 20), **(options | {"seed": 4})) != once


def test_another_process_makes_the_same_bytes(tmp_path: Path) -> None:
    program = ("import hashlib; from mainstem.connectors.generator import greenhouse as g; "
               "b = g.make(g.Scene(7, 0, 40, 20000000, 2, (.01,)*8), 1, 2); print(hashlib.sha256(b.bytes(0, g.BLOCK)).hexdigest())")
    env = os.environ | {"PYTHONHASHSEED": "5", "TZ": "Pacific/Chatham"}
    found = {subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True).stdout.strip()}
    import hashlib

    block = greenhouse.make(greenhouse.Scene(7, 0, 40, 20_000_000, 2, (0.01,) * 8), 1, 2)
    assert found == {hashlib.sha256(block.bytes(0, greenhouse.BLOCK)).hexdigest()}


def fault_of(line: bytes, key_seen: set[Any], table: dict[str, str], running: int, clock: int) -> tuple[str, int]:
    """What a reader that knows nothing of the generator finds wrong with a line; and the event time that it adds."""
    import datetime as dt

    try:
        row = json.loads(line)
    except ValueError:
        return "cut", running
    if row.get("sensor_id") is None or row.get("observed_at") is None:
        return "missing", running
    kinds = (("temperature", float), ("humidity", float), ("seq", int))
    if any(type(row[name]) not in (kind, int) for name, kind in kinds):
        return "type", running
    when = round(dt.datetime.fromisoformat(row["observed_at"]).timestamp() * 1000) * 1000
    if when > clock + FUTURE:
        return "ahead", running
    mark, running = running - LATENESS, max(running, when)
    if not -40 <= row["temperature"] <= 60:
        return "range", running
    key = (row["sensor_id"], row["seq"])
    if key in key_seen:
        return "duplicate", running
    key_seen.add(key)
    if row["sensor_id"] not in table:
        return "unknown", running
    if when // MINUTE * MINUTE + MINUTE <= mark:
        return "late", running
    return "", running


@pytest.mark.parametrize("options", [{}, {"sensors": 4, "interval": "5s", "partitions": 1, "seed": 11},
                                     {"sensors": 90, "interval": "1m", "partitions": 3, "dirt": {"late": "9%"}}])
def test_the_truth_is_what_a_simple_reader_finds(tmp_path: Path, options: dict[str, Any]) -> None:
    options = {"rows": 12_000} | options
    table = dict(greenhouse.table(GeneratorOptions.model_validate(options).sensors))
    records = {(record["partition"], record["position"]): record for record in truth(GeneratorOptions.model_validate(options))}
    assert len(records) == 12_000
    counts: Counter[str] = Counter()
    for partition, lines in run(tmp_path, Budget(300_000, 32 << 20), **options).items():
        seen: set[Any] = set()
        running, by_record = -(2**60), {}
        for index, (position, line, clock) in enumerate(lines):
            record = records.pop((partition, position))
            assert record["record"] == index
            assert record["clock"] == clock
            fault, running = fault_of(line, seen, table, running, clock)
            assert (record["fault"], line) == (fault, line)
            by_record[index] = line
            if fault == "duplicate":
                assert by_record[record["original"]] == line
            counts[fault] += 1
    assert not records
    assert set(counts) == set(greenhouse.FAULTS)


def test_arrivals_rise_and_honest_rows_are_never_late_or_ahead(tmp_path: Path) -> None:
    for partition in run(tmp_path, Budget(300_000, 32 << 20), rows=6000).values():
        clocks = [clock for _, _, clock in partition]
        assert clocks == sorted(clocks)
    for record in truth(GeneratorOptions(rows=6000)):
        if record["fault"] == "":
            assert 0 <= record["clock"] - record["time"] <= 3_000_000


def test_houses_freeze_and_thaw(tmp_path: Path) -> None:
    houses = dict(greenhouse.table(GeneratorOptions().sensors))
    assert set(houses.values()) == {"north", "east", "south", "west"}
    assert len(houses) == 41
    minutes: dict[tuple[str, int], list[float]] = defaultdict(list)
    clean = dict.fromkeys(greenhouse.FAULTS[1:], "0%")
    for lines in run(tmp_path, Budget(300_000, 32 << 20), rows=120_000, dirt=clean).values():
        for _, line, _ in lines:
            row = json.loads(line)
            hour, minute = int(row["observed_at"][8:10]) * 24 + int(row["observed_at"][11:13]), int(row["observed_at"][14:16])
            minutes[houses[row["sensor_id"]], hour * 60 + minute].append(row["temperature"])
    frozen: dict[str, int] = Counter()
    episodes: Counter[str] = Counter()
    firing: set[str] = set()
    for (house, _), values in sorted(minutes.items(), key=lambda item: item[0][1]):
        mean = sum(values) / len(values)
        frozen[house] = frozen[house] + 1 if mean < 2 else 0
        if frozen[house] > 3 and house not in firing:
            firing.add(house)
            episodes[house] += 1
        if mean > 4:
            firing.discard(house)
    assert episodes["north"] >= 2
    assert sum(episodes.values()) >= 3
    assert not firing, "every episode is resolved"
    assert -5 < min(min(values) for values in minutes.values()) < 0


def test_the_truth_file_is_written_once_and_whole(tmp_path: Path) -> None:
    options = {"rows": 4000, "truth": "truth/readings.jsonl"}
    source(tmp_path, **options).discover(None, Budget(10, 10_000))
    path = tmp_path / "truth" / "readings.jsonl"
    head, *lines = [json.loads(line) for line in path.read_text().splitlines()]
    expected = [record for record in truth(GeneratorOptions(rows=4000)) if record["fault"]]
    assert [(line["partition"], line["position"], line["fault"], line["fate"], line["reason"]) for line in lines] == [
        (record["partition"], record["position"], record["fault"], record["fate"], record["reason"]) for record in expected]
    assert head["rows"] == 4000
    assert head["clean"] == 4000 - len(lines)
    assert sum(head["faults"].values()) == len(lines)
    before = path.stat().st_mtime_ns
    source(tmp_path, **options).discover(None, Budget(10, 10_000))
    assert path.stat().st_mtime_ns == before
    assert [entry.name for entry in path.parent.iterdir()] == ["readings.jsonl"]


def test_endless_input_is_paced_and_every_partition_keeps_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock(1_000_000)
    monkeypatch.setattr(Generator, "clock", clock)
    endless = source(tmp_path, rate=100)
    assert not endless.bounded
    assert GeneratorOptions().growing
    assert not GeneratorOptions(rows=5).growing
    first = endless.discover(None, Budget(300_000, 32 << 20))
    assert (first.ranges, first.ended) == ((), False)
    clock.sleep(1)
    second = endless.discover(first.progress, Budget(300_000, 32 << 20))
    assert second.progress["rows"] == [50, 50]
    assert second.drained == {0, 1}
    assert sum(len(chunk.clock) for planned in second.ranges for chunk in endless.read(planned)) == 100  # type: ignore[arg-type]
    clock.sleep(10)
    third = endless.discover(second.progress, Budget(200, 32 << 20))
    assert third.progress["rows"] == [150, 150]
    assert third.drained == frozenset()


def test_place_is_the_number_of_the_line(tmp_path: Path) -> None:
    made = source(tmp_path, rows=1000)
    records = list(truth(GeneratorOptions(rows=1000)))
    for record in records[::97]:
        assert made.place(record) == f"readings-{record['partition']}:{record['record']}"


@pytest.mark.parametrize(("folder", "count"), [("examples/greenhouse", 40), ("src/mainstem/project/starter", 8)])
def test_the_shipped_table_of_sensors_is_that_of_the_readings(folder: str, count: int) -> None:
    with (ROOT / folder / "data/sensors.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["sensor_id", "house"]
    assert [tuple(row) for row in rows] == greenhouse.table(count)


def test_options_that_make_no_sense_are_refused() -> None:
    for wrong in ({"sensors": 1, "partitions": 2}, {"truth": "t.jsonl"}, {"dirt": {"cut": "50%", "late": "50%"}}, {"rows": -1},
                  {"start": "2026-03-01T00:00:00"}, {"interval": "1ms"}):
        with pytest.raises(ValidationError):
            GeneratorOptions.model_validate(wrong)
