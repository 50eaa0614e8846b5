"""The law checked from outside: a script that imports nothing of mainstem agrees with a sound run, and finds every forgery."""

from __future__ import annotations

import ast
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from conforming import PIPELINES, RECOUNT, forge, manifests, recount

from mainstem import project
from mainstem.clock import iso

FILE = "dirty.yaml"
BEGIN = 1_780_000_000_000_000


def readings(rng: random.Random, begin: int, count: int) -> bytes:
    """Lines with every kind of dirt that the pipeline knows."""
    lines, now = [], begin
    for number in range(count):
        now += rng.randrange(4) * 1_000_000
        at = now - (rng.randrange(200) * 1_000_000 if rng.random() < 0.2 else 0)
        row: dict[str, Any] = {
            "sensor": f"s{rng.randrange(3)}",
            "at": iso(at),
            "value": float(rng.randrange(-50, 70)),
            "tags": [f"t{number % 4}"] * rng.randrange(3),
        }
        dirt = rng.random()
        if dirt < 0.03:
            row["value"] = "warm"
        elif dirt < 0.06:
            del row["sensor"]
        line = json.dumps(row)
        lines.append(line[: len(line) // 2] if 0.06 < dirt < 0.09 else line)
        if rng.random() < 0.1:
            lines.append(lines[-1])
        if rng.random() < 0.02:
            lines.append("")
    return "\n".join(lines).encode() + b"\n"


PLACES = 'sensor,place,floor\ns0,"north, by the ""door""",1\ns1,"two\nlines",two\ns2,NA,2\n,nobody,3\ns0,moved,4\ns3,short\n'


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that ran three times while its folder grew."""
    folder, rng = tmp_path_factory.mktemp("dirty"), random.Random(7)
    shutil.copyfile(PIPELINES / "dirty.yaml", folder / "dirty.yaml")
    (folder / "places.csv").write_text(PLACES)
    (folder / "inbox").mkdir()
    for part in range(3):
        (folder / "inbox" / f"{part}.jsonl").write_bytes(readings(rng, BEGIN + part * 600_000_000, 250))
        if part == 1:
            shutil.copyfile(folder / "inbox" / "0.jsonl", folder / "inbox" / "copy.jsonl")
        pipeline = project.open(folder / "dirty.yaml", flags={"epoch": {"rows": 90}})
        assert not pipeline.check(), "\n".join(map(str, pipeline.check()))
        result = pipeline.run()
        assert result.published
    return folder


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "copy"))


def test_a_reset_goes_on_with_the_same_tables_and_still_agrees(copy: Path) -> None:
    """The incarnation before it counts too; what it held is given up, and only for the step that was edited."""
    file = copy / "dirty.yaml"
    file.write_text(file.read_text().replace("window: {size: 1m, by", "window: {size: 2m, by"))
    (copy / "inbox" / "9.jsonl").write_bytes(readings(random.Random(9), BEGIN + 1_800_000_000, 120))
    result = project.open(file, flags={"epoch": {"rows": 90}}).run(accept="reset")
    assert result.rows > 100
    code, said = recount(copy, FILE)
    assert code == 0, said
    assert len({path.parent for path in manifests(copy)}) == 2


def test_it_imports_nothing_of_mainstem() -> None:
    tree = ast.parse(RECOUNT.read_text())
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert names
    assert not [name for name in names if name.split(".")[0] == "mainstem"]


def test_a_sound_run_agrees(sound: Path) -> None:
    code, said = recount(sound, FILE)
    assert code == 0, said
    assert len(manifests(sound)) == 3
    pipeline = project.open(sound / "dirty.yaml")
    fates = {(row["fate"], row["node"], row["reason"]) for row in pipeline.read("quarantine").to_pylist()}
    assert {
        ("quarantined", "readings", "not_json"),
        ("quarantined", "readings", "type"),
        ("quarantined", "readings", "missing"),
        ("quarantined", "checked", "rule"),
        ("late", "fresh", "late"),
        ("quarantined", "places", "type"),
        ("quarantined", "places", "missing"),
        ("quarantined", "places", "field_count"),
    } <= fates, "the input is not dirty enough"
    assert not [row for row in fates if row[1] == "dropped_late"]


def test_a_manifest_with_a_changed_byte_is_found(copy: Path) -> None:
    path = manifests(copy)[1]
    path.write_bytes(path.read_bytes().replace(b'"delivered":', b'"delivereD":', 1))
    code, said = recount(copy, FILE)
    assert code == 1
    assert "checksum" in said


@pytest.mark.parametrize(
    ("count", "word"),
    [
        ("made", "source readings"),
        ("delivered", "output fresh"),
        ("quarantined", "leg readings"),
        ("held", "leg readings"),
        ("filtered", "leg readings"),
    ],
)
def test_a_forged_manifest_with_a_good_checksum_is_found(count: str, word: str, copy: Path) -> None:

    def change(record: dict[str, Any]) -> None:
        row = record["account"]["readings -> fresh/output"]
        row[count] += 1
        if count == "made":
            row["delivered"] += 1  # so that the leg still balances
        if count == "delivered":
            row["filtered"] -= 1

    forge(manifests(copy)[0], change)
    code, said = recount(copy, FILE)
    assert code == 1, said
    assert word in said


@pytest.mark.parametrize("table", ["fresh", "minutes", "halves", "labels", "dirty_quarantine"])
@pytest.mark.parametrize("change", ["drop", "double"])
def test_a_row_that_is_missing_from_a_table_or_too_many_is_found(change: str, table: str, copy: Path) -> None:
    path = max((copy / "lake" / table).glob("*.parquet"), key=lambda found: pq.ParquetFile(found).metadata.num_rows)
    rows = pq.ParquetFile(path).read()
    import pyarrow as pa

    pq.write_table(rows.slice(1) if change == "drop" else pa.concat_tables([rows, rows.slice(0, 1)]), path)
    code, said = recount(copy, FILE)
    assert code == 1, said
    assert (table if table != "dirty_quarantine" else "quarantine") in said


def test_a_record_that_was_never_read_is_found(copy: Path) -> None:
    with (copy / "inbox" / "1.jsonl").open("ab") as file:
        file.write(b'{"sensor": "s0", "at": "2026-05-28T21:00:00Z", "value": 1.5}\n')
    code, said = recount(copy, FILE)
    assert code == 1
    assert "source readings" in said


def test_changed_bytes_of_a_quarantined_record_are_found(copy: Path) -> None:
    path = next(
        found
        for found in (copy / "lake" / "dirty_quarantine").glob("*.parquet")
        if any(value is not None for value in pq.ParquetFile(found).read(["raw"]).column(0).to_pylist())
    )
    import pyarrow as pa

    rows = pq.ParquetFile(path).read()
    raw = [value and bytes([value[0] ^ 1]) + value[1:] for value in rows.column("raw").to_pylist()]
    pq.write_table(rows.set_column(rows.column_names.index("raw"), "raw", pa.array(raw, pa.binary())), path)
    code, said = recount(copy, FILE)
    assert code == 1
    assert "hash" in said


def test_nothing_to_compare_with_is_said(tmp_path: Path) -> None:
    shutil.copyfile(PIPELINES / "dirty.yaml", tmp_path / "dirty.yaml")
    assert recount(tmp_path, FILE)[0] == 2
