"""Other people's JSON test vectors and files, with known answers."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
from formats_kit import column, decode_json, json_format, no_query

from mainstem.errors import DataError
from mainstem.plugs import Chunk

FILLER = b'{"id":"x","a":0}\n'


def test_jsontestsuite(data: Path) -> None:
    """`y_` is read, `n_` is refused, `i_` may be either; no file is worse than a DataError or a reject."""
    plug = json_format((), layout="document")
    seen = {"y": 0, "n": 0, "i": 0}
    for path in sorted((data / "formats/json/JSONTestSuite/test_parsing").glob("*.json")):
        kind = path.name[0]
        raw = path.read_bytes()
        raw = raw[plug.open(str(path), raw)["skip"]:]
        try:
            made = plug.decode(Chunk(raw, 0), no_query)
            reasons = set(made.rejects.column("reason").to_pylist()) - {"not_object"}
        except DataError as error:
            reasons = {error.code}
        seen[kind] += 1
        if path.name.startswith("y_object_duplicated_key"):
            assert reasons == {"duplicate_key"}, path.name
        elif kind == "y":
            assert not reasons, (path.name, reasons)
        elif kind == "n":
            assert reasons, path.name
    assert seen["y"] >= 60
    assert seen["n"] >= 110


def test_jsontestsuite_as_lines(data: Path) -> None:
    """The same files, where they are one line, as the value of a member amid good lines: nothing leaks into neighbours."""
    plug = json_format((column("id", "string", required=True), column("v", "json")))
    tried = 0
    for path in sorted((data / "formats/json/JSONTestSuite/test_parsing").glob("[yn]_*.json")):
        raw = path.read_bytes().strip(b"\n")
        if b"\n" in raw or len(raw) > 10_000:
            continue
        made = decode_json(plug, FILLER * 20 + b'{"id":"v","v":' + raw + b"}\n" + FILLER * 20)
        assert made.rows.num_rows >= 40
        reasons = made.rejects.column("reason").to_pylist()
        if path.name[0] == "y" and "duplicated" not in path.name:
            assert reasons == [], path.name
        elif path.name[0] == "y" or path.name not in ("n_single_space.json",):
            assert len(reasons) == 1, path.name
        tried += 1
    assert tried > 120


def test_naughty_strings(data: Path) -> None:
    texts = json.loads((data / "formats/naughty-strings/blns.json").read_text("utf-8"))
    plug = json_format((column("s", "string"),))
    rows = pa.table({"s": pa.array(texts, pa.string())})
    assert decode_json(plug, plug.encode(rows)).rows.column("s").to_pylist() == texts


def test_recorded_events(data: Path) -> None:
    path = data / "streaming/arroyo/inputs/cars.json"
    columns = (column("timestamp", "timestamp", required=True), column("driver_id", "int64"), column("event_type", "string"))
    made = decode_json(json_format(columns), path.read_bytes())
    assert made.rejects.to_pylist()[:3] == []
    assert made.rows.num_rows == 7932
    assert len(set(made.rows.column("driver_id").to_pylist())) == 101


def test_earthquakes_document(data: Path) -> None:
    (path,) = (data / "events/earthquakes").glob("*.json")
    columns = (column("id", "string", required=True), column("mag", "double", path="properties.mag"),
               column("time", "timestamp", path="properties.time", format="epoch_ms"),
               column("lon", "double", path="geometry.coordinates.0"))
    made = decode_json(json_format(columns, layout="document", records="features"), path.read_bytes())
    assert made.rows.num_rows == 1707
    assert made.rejects.num_rows == 0
