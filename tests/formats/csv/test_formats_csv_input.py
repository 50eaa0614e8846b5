"""Other people's CSV files, with known answers."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from formats_kit import column, complete, csv_format, decode_csv, no_query, strings

from mainstem.errors import DataError
from mainstem.plugs import Chunk


def test_csv_spectrum(data: Path) -> None:
    folder = data / "formats/csv/csv-spectrum"
    tried = 0
    for path in sorted((folder / "csvs").glob("*.csv")):
        meant = json.loads((folder / "json" / f"{path.stem}.json").read_text("utf-8"))
        meant = meant if isinstance(meant, list) else [meant]
        made = decode_csv(csv_format(strings(*meant[0])), path.read_bytes())
        rows = [{name: value or "" for name, value in row.items()} for row in made.rows.to_pylist()]
        if path.stem == "location_coordinates":   # its answer has another telephone number than its question
            rows, meant = [[{**r, "Contact Phone Number": ""} for r in both] for both in (rows, meant)]
        if "crlf" not in path.stem:
            assert rows == meant, path.name
        else:
            assert [{k: v.replace("\r\n", "\n") for k, v in r.items()} for r in rows] == [
                {k: v.replace("\r\n", "\n") for k, v in r.items()} for r in meant], path.name
        tried += 1
    assert tried == 12


def counts(path: Path, columns: tuple[Any, ...], **options: Any) -> tuple[int, dict[str, int]]:
    made = decode_csv(csv_format(columns, **options), path.read_bytes(), str(path))
    return made.rows.num_rows, dict(Counter(made.rejects.column("reason").to_pylist()))


def test_csvlint(data: Path) -> None:
    folder = data / "formats/csv/csvlint"
    for name in ("crlf-line-endings", "lf-line-endings", "inconsistent-line-endings", "inconsistent-line-endings-unquoted"):
        assert counts(folder / f"{name}.csv", strings("Foo")) == (2, {}), name
    with pytest.raises(DataError):
        counts(folder / "cr-line-endings.csv", strings("Foo"))
    assert counts(folder / "title-row.csv", strings("Foo"), skip=1) == (2, {})
    rows, rejects = counts(folder / "invalid_many_rows.csv", strings("Foo"))
    assert rejects["bad_quote"] >= 1
    lines = (folder / "invalid_many_rows.csv").read_bytes().splitlines()
    assert rows + sum(rejects.values()) == len([line for line in lines if line]) - 1
    rows, rejects = counts(folder / "invalid-byte-sequence.csv", strings("Data"))
    assert set(rejects) == {"not_utf8"}
    assert rows > 0
    assert counts(folder / "invalid-byte-sequence.csv", strings("Data"), encoding="latin-1")[1] == {}


def test_frictionless(data: Path) -> None:
    folder = data / "formats/csv/frictionless"
    assert counts(folder / "blank-rows.csv", strings("id")) == (3, {})
    assert counts(folder / "blank-rows.csv", (column("id", "string", required=True),)) == (2, {"missing": 1})
    assert counts(folder / "blank-rows-multiple.csv", (column("id", "string", required=True),))[1] == {"missing": 11}
    assert counts(folder / "blank-rows-no-fields.csv", strings("id")) == (2, {})
    assert counts(folder / "blank-headers.csv", strings("id", "age")) == (2, {})
    assert counts(folder / "countries.csv", strings("id"), skip=1)[1] == {"field_count": 2}
    assert counts(folder / "defective-rows.csv", strings("id")) == (0, {"field_count": 2})
    assert counts(folder / "without-headers-extra.csv", strings("id", "name"), header=False) == (2, {"field_count": 1})
    assert counts(folder / "skip-rows.csv", strings("id", "name"), comment="#") == (2, {})
    assert counts(folder / "empty.csv", strings("id")) == (0, {})
    for name in ("duplicate-headers", "capital-invalid", "invalid"):
        with pytest.raises(DataError) as error:
            counts(folder / f"{name}.csv", strings("id"))
        assert error.value.code == "format.duplicate_header"


def test_telegraf_and_duckdb(data: Path) -> None:
    columns = (column("t", "timestamp", format="epoch_ms"), column("n", "int64"), *strings("text", "tag"))
    path = data / "formats/csv/telegraf-tail/multiline_quoted_double.csv"
    assert counts(path, columns, header=False) == (6, {"field_count": 4})
    folder = data / "formats/csv/duckdb/encodings"
    utf16 = decode_csv(csv_format((), header=False, encoding="utf-16"), (folder / "utf16.csv").read_bytes())
    assert len(utf16.position) > 0
    japanese = decode_csv(csv_format((), header=False, encoding="shift_jis"), (folder / "shift_jis.csv").read_bytes())
    assert len(japanese.position) > 0


def test_occupancy_has_seven_names_and_eight_fields(data: Path) -> None:
    names = ["row", "date", "Temperature", "Humidity", "Light", "CO2", "HumidityRatio", "Occupancy"]
    columns = (column("row", "int64"), column("date", "timestamp", zone="Europe/Brussels"),
               *(column(n, "double") for n in names[2:7]), column("Occupancy", "boolean"))
    for name, rows, busy in (("datatraining.txt", 8143, 1729), ("datatest.txt", 2665, 972)):
        made = decode_csv(csv_format(columns, header=names, skip=1), (data / "sensor/occupancy" / name).read_bytes())
        assert made.rejects.num_rows == 0
        assert made.rows.num_rows == rows
        assert sum(made.rows.column("Occupancy").to_pylist()) == busy


def test_air_quality(data: Path) -> None:
    with zipfile.ZipFile(data / "sensor/air-quality/AirQualityUCI.zip") as archive:
        raw = archive.read("AirQualityUCI.csv")
    columns = (column("date", "date", required=True, path="Date", format="%d/%m/%Y"), *strings("Time"),
               column("co", "double", path="CO(GT)", null=("-200", "-200,0")),
               column("nmhc", "int64", path="NMHC(GT)", null=("-200",)), column("rh", "double", path="RH"))
    made = decode_csv(csv_format(columns, delimiter=";", decimal=","), raw)
    assert made.rows.num_rows == 9357
    assert made.rejects.column("reason").to_pylist() == ["missing"] * 114
    assert made.rows.column("co").null_count == 1683
    assert made.rows.column("nmhc").null_count == 8443


def test_power_with_its_last_line_cut_off(data: Path) -> None:
    columns = (*strings("Date", "Time"), column("Voltage", "double"), column("Sub_metering_3", "double"))
    made = decode_csv(csv_format(columns, delimiter=";", null=["?"]),
                      (data / "sensor/power/household_power_consumption.txt").read_bytes())
    assert made.rows.num_rows == 15922
    assert made.rejects.column("reason").to_pylist() == ["cut_off"]
    assert made.rows.column("Voltage").null_count == 2


def test_weather_hours(data: Path) -> None:
    columns = (*strings("origin"), *(column(n, "int64") for n in ("year", "month", "day", "hour")), column("wind_speed", "double"),
               column("wind_gust", "double"), column("time_hour", "timestamp"))
    made = decode_csv(csv_format(columns, null=["NA"]), (data / "weather/hourly/nycflights13-weather.csv").read_bytes())
    assert made.rejects.num_rows == 0
    assert Counter(made.rows.column("origin").to_pylist()) == {"EWR": 8703, "JFK": 8706, "LGA": 8706}
    assert made.rows.num_rows - made.rows.column("wind_gust").null_count == 5337
    assert max(v for v in made.rows.column("wind_speed").to_pylist() if v) == 1048.36058


def test_nab(data: Path) -> None:
    columns = (column("timestamp", "timestamp", zone="UTC", required=True), column("value", "double", required=True))
    expected = {"machine_temperature_system_failure": 22695, "ambient_temperature_system_failure": 7267, "nyc_taxi": 10320,
                "cpu_utilization_asg_misconfiguration": 18050, "rogue_agent_key_hold": 1882, "art_flatline": 4032}
    for name, rows in expected.items():
        assert counts(data / f"sensor/nab/{name}.csv", columns) == (rows, {}), name


def test_chunks_of_a_real_file_join_up(data: Path) -> None:
    plug = csv_format((column("reading", "int64"), column("humidity", "double")))
    raw = (data / "sensor/motes/data.csv").read_bytes()
    facts = plug.open("x", raw[:1 << 16])
    place, rows = facts["skip"], 0
    while place < len(raw):
        size = plug.cut(memoryview(raw[place:place + 50_000]), facts, place + 50_000 >= len(raw))
        made = plug.decode(Chunk(raw[place:place + size], place, final=place + size == len(raw), facts=facts), no_query)
        complete(made)
        rows += made.rows.num_rows
        place += size
    assert rows == 18760
