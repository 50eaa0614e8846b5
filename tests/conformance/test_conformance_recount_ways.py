"""Recounted from outside: packed CSV and JSON, Parquet, appends, upserts, replacements, plain files, and the demo."""

from __future__ import annotations

import gzip
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conforming import PIPELINES, forge, manifests, recount

from mainstem import project
from mainstem.clock import iso

FILE = "shipped.yaml"
BEGIN = 1_780_000_000_000_000
DEMO = Path(__file__).parents[2] / "examples" / "greenhouse"


def visits(rng: random.Random, part: int) -> str:
    """A CSV of some sensors, with rows that are late, broken or of the wrong type, and texts with line ends."""
    lines = ["sensor,at,n"]
    for number in range(120):
        at = BEGIN + (part * 120 + number) * 3_000_000 - (rng.choice([50_000_000, 200_000_000]) if rng.random() < 0.1 else 0)
        cells = [f's{rng.randrange(4)}', iso(at), str(rng.randrange(-5, 50))]
        dirt = rng.random()
        if dirt < 0.05:
            cells[2] = "many"
        elif dirt < 0.1:
            cells.append("more")
        elif dirt < 0.3:
            cells[0] = f'"the ""{cells[0]}"",\nupstairs"'
        lines.append(",".join(cells))
    return "\r\n".join(lines) + "\r\n"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that ran three times while files came."""
    folder, rng = tmp_path_factory.mktemp("shipped"), random.Random(11)
    shutil.copyfile(PIPELINES / FILE, folder / FILE)
    (folder / "visits").mkdir()
    values = "".join(json.dumps({"sensor": f"s{n % 3}", "value": n / 4 if n % 7 else "none"}) + "\n" for n in range(100)).encode()
    (folder / "numbers.jsonl.zst").write_bytes(pa.compress(values, "zstd", asbytes=True))
    old = pa.table({"sensor": [f"s{n % 3}" if n % 9 else None for n in range(60)], "value": [n / 2 for n in range(60)]})
    pq.write_table(old, folder / "old.parquet", row_group_size=25)
    for part in range(3):
        text = visits(rng, part).encode()
        name = f"{part}.csv.gz" if part != 1 else "1.csv"
        (folder / "visits" / name).write_bytes(gzip.compress(text) if part != 1 else text)
        pipeline = project.open(folder / FILE, flags={"epoch": {"rows": 50}})
        assert not pipeline.check(), "\n".join(map(str, pipeline.check()))
        assert pipeline.run(each=part == 1).published
    return folder


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "copy"))


def test_every_way_in_and_out_agrees(sound: Path) -> None:
    code, said = recount(sound, FILE)
    assert code == 0, said
    assert said.startswith("520 records of the input"), said
    pipeline = project.open(sound / FILE)
    reasons = {(row["fate"], row["node"], row["reason"]) for row in pipeline.read("quarantine").to_pylist()}
    assert {("quarantined", "visits", "type"), ("quarantined", "visits", "field_count"), ("quarantined", "numbers", "type"),
            ("quarantined", "old", "missing"), ("quarantined", "checked", "rule"), ("late", "half_minutes", "late"),
            ("noted", "half_minutes", "late_partial")} <= reasons
    account = {leg: row for path in manifests(sound) for leg, row in json.loads(path.read_bytes().rsplit(b"\n", 2)[0])["account"].items()}
    assert pipeline.read("newest").num_rows < sum(row["delivered"] for leg, row in account.items() if leg.endswith("newest/output"))


TABLES = ["visits", "newest", "half_minutes", "shipped_quarantine"]


@pytest.mark.parametrize("change", ["drop", "double"])
@pytest.mark.parametrize("table", TABLES)
def test_a_row_missing_from_a_table_or_too_many_is_found(table: str, change: str, copy: Path) -> None:
    from deltalake import DeltaTable

    alive = [Path(name.removeprefix("file://")) for name in DeltaTable(copy / "lake" / table).file_uris()]
    path = max(alive, key=lambda found: pq.ParquetFile(found).metadata.num_rows)
    rows = pq.ParquetFile(path).read()
    pq.write_table(rows.slice(1) if change == "drop" else pa.concat_tables([rows, rows.slice(0, 1)]), path)
    code, said = recount(copy, FILE)
    assert code == 1, said
    assert table.removeprefix("shipped_") in said


def test_a_commit_that_left_more_or_less_than_its_changes_say_is_found(copy: Path) -> None:
    """A whole file less, in the log and on disk: footers, statistics and table agree, and still a row is gone."""
    log = copy / "lake" / "newest" / "_delta_log"
    path = sorted(log.glob("*.json"))[-1]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    (added,) = [line["add"] for line in lines if "add" in line]
    data = copy / "lake" / "newest" / added["path"]
    rows = pq.ParquetFile(data).read()
    pq.write_table(rows.slice(1), data)
    added["stats"] = json.dumps(json.loads(added["stats"]) | {"numRecords": rows.num_rows - 1})
    added["size"] = data.stat().st_size
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    code, said = recount(copy, FILE)
    assert code == 1, said
    assert f"newest, version {int(path.stem)}: its changes leave {rows.num_rows} rows, its files have {rows.num_rows - 1}" in said


def test_a_key_that_is_in_an_upserted_table_twice_is_found(copy: Path) -> None:
    from deltalake import DeltaTable

    (path,) = [Path(name.removeprefix("file://")) for name in DeltaTable(copy / "lake" / "newest").file_uris()]
    rows = pq.ParquetFile(path).read()
    pq.write_table(pa.concat_tables([rows.slice(0, 1), rows.slice(0, rows.num_rows - 1)]), path)
    code, said = recount(copy, FILE)
    assert code == 1, said
    assert "is in it 2 times" in said


@pytest.mark.parametrize("name", ["lines", "cells", "numbers"])
def test_a_row_missing_from_a_plain_file_is_found(name: str, copy: Path) -> None:
    path = max((copy / "out" / name).glob("*/part-*"), key=lambda found: found.stat().st_size)
    if name == "numbers":
        pq.write_table(pq.ParquetFile(path).read().slice(1), path)
    else:
        path.write_bytes(path.read_bytes().rstrip(b"\n").rpartition(b"\n")[0] + b"\n")
    code, said = recount(copy, FILE)
    assert code == 1, said
    assert f"output {name}" in said


@pytest.mark.parametrize("leg", ["newest -> newest/output", "half_minutes -> half_minutes/output", "visits -> visits/output"])
def test_a_manifest_that_says_one_row_more_was_delivered_is_found(leg: str, copy: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        for count in ("made", "delivered"):
            record["account"][leg][count] += 1

    forge(next(path for path in manifests(copy) if leg.encode() in path.read_bytes()), change)
    code, said = recount(copy, FILE)
    assert code == 1, said
    assert f"output {leg.split(' -> ')[0]}" in said


@pytest.mark.parametrize("file", ["visits/0.csv.gz", "visits/1.csv", "numbers.jsonl.zst", "old.parquet"])
def test_a_record_that_was_never_read_is_found(file: str, copy: Path) -> None:
    path = copy / file
    if file.endswith("parquet"):
        rows = pq.ParquetFile(path).read()
        pq.write_table(pa.concat_tables([rows, rows.slice(0, 1)]), path)
    else:
        more = b's9,2026-01-01T00:00:00Z,1\r\n' if "csv" in file else b'{"sensor": "s9", "value": 1}\n'
        pack = gzip.compress if file.endswith("gz") else (lambda data: pa.compress(data, "zstd", asbytes=True)) if "zst" in file else bytes
        plain = path.read_bytes()
        plain = gzip.decompress(plain) if file.endswith("gz") else (
            pa.CompressedInputStream(pa.BufferReader(plain), "zstd").read() if "zst" in file else plain)
        path.write_bytes(pack(plain + more))
    code, said = recount(copy, FILE)
    assert code == 1, said
    assert f"source {file.split('/')[0].split('.')[0]}" in said


def test_the_demo_agrees(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(DEMO, tmp_path / "greenhouse", ignore=shutil.ignore_patterns("lake", ".mainstem", "truth.jsonl")))
    assert project.open(folder / "greenhouse.yaml").run().published
    code, said = recount(folder, "greenhouse.yaml")
    assert code == 0, said
    assert said.startswith("200000 records of the input"), said
    forge(manifests(folder)[-1], lambda record: record["account"]["readings -> climate"].update(made=199_999, delivered=1))
    assert recount(folder, "greenhouse.yaml")[0] == 1
